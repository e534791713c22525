"""Pictures, from files or from bytes: decoded, turned upright, brought to one size and one number of channels."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from lather.data.memory import check_room
from lather.data.samples import Request
from lather.errors import DataError

__all__ = ["SUFFIXES", "Picture", "decode"]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # no format that calls another program
_MOST_PIXELS = 64 << 20  # of one picture; a small file can declare a picture that fills the memory
_CHUNK = 64  # pictures handed to a thread together
_SHOW = 2000  # pictures from which on a progress bar is worth it
_TURNS = {2: (0,), 3: (3,), 4: (1,), 5: (5,), 6: (4,), 7: (6,), 8: (2,)}  # EXIF orientation -> Image.Transpose
T = TypeVar("T")


@dataclass(frozen=True)
class Picture:
    """An encoded picture and the name it has in messages."""

    name: str
    data: Path | bytes


def decode(pictures: Sequence[Picture], request: Request) -> np.ndarray:
    """All pictures as uint8 (n, C, H, W).

    * turned upright as the EXIF orientation says; of animations the first frame;
    * transparent parts over white;
    * one channel if every picture is greyscale, else RGB; ``request.channels`` decides otherwise;
    * 16-bit greyscale to 8 bits (v / 257);
    * ``request.image_size``: centre crop to that aspect ratio, then antialiased bicubic resize.

    Headers are read first, so that pictures of different sizes are found before the work starts. Decoding runs in
    threads (Pillow releases the lock).

    Raises:
        DataError: a picture that cannot be decoded or is too large, or different sizes without ``image_size``.
    """
    if not pictures:
        raise DataError("no pictures to decode")
    with ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1))) as pool:
        size, channels = request.image_size, request.channels
        if size is None or channels is None:
            heads = list(_in_chunks(pool, pictures, _look))
            if channels is None:
                channels = 3 if any(colour for _, _, colour in heads) else 1
            if size is None:
                size = heads[0][:2]
                other = next((i for i, head in enumerate(heads) if head[:2] != size), None)
                if other is not None:
                    side = min(min(head[:2]) for head in heads)
                    raise DataError(
                        f"pictures of different sizes: {pictures[0].name} is {size[1]} x {size[0]} (width x height), "
                        f"{pictures[other].name} is {heads[other][1]} x {heads[other][0]}; bring them to one size, "
                        f"image_size={min(side, 64)} (--image-size {min(side, 64)}): centre crop, then resize"
                    )
        check_room(len(pictures) * channels * size[0] * size[1], pictures[0].name)
        out = np.empty((len(pictures), channels, *size), dtype=np.uint8)
        target, depth = size, channels
        with _bar(len(pictures), request.progress) as advance:
            done = _in_chunks(pool, pictures, lambda p: _decode(p, target, depth, request.image_size is not None))
            for i, pixels in enumerate(done):
                out[i] = pixels
                advance()
    return out


def _in_chunks(pool: ThreadPoolExecutor, pictures: Sequence[Picture], f: Callable[[Picture], T]) -> Iterator[T]:
    """``f`` of each picture, in order, with a bounded number of finished results waiting."""
    starts = iter(range(0, len(pictures), _CHUNK))

    def work(start: int) -> list[T]:
        return [f(p) for p in pictures[start : start + _CHUNK]]

    waiting = [pool.submit(work, start) for _, start in zip(range(32), starts, strict=False)]
    try:
        while waiting:
            chunk = waiting.pop(0).result()
            waiting.extend(pool.submit(work, start) for _, start in zip(range(1), starts, strict=False))
            yield from chunk
    finally:
        for future in waiting:
            future.cancel()


@contextmanager
def _opened(picture: Picture) -> Iterator[Any]:
    """The picture with only its header read; whatever goes wrong inside becomes a :class:`DataError`."""
    from PIL import Image

    try:
        source = io.BytesIO(picture.data) if isinstance(picture.data, bytes) else picture.data
        with Image.open(source, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise Image.DecompressionBombError(f"it declares {image.width} x {image.height} pixels")
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{picture.name} is too large to decode safely ({error}; at most {_MOST_PIXELS >> 20} million pixels); "
            "make it smaller with an image program, or take it out"
        ) from None
    except (DataError, MemoryError):
        raise
    except Exception as error:  # decoders fail on damaged bytes in many ways
        reason = str(error).partition("\n")[0][:160]
        what = (
            "is empty" if _is_empty(picture) else f"cannot be decoded as a picture ({type(error).__name__}: {reason})"
        )
        raise DataError(f"{picture.name} {what}; replace it or take it out") from None


def _is_empty(picture: Picture) -> bool:
    if isinstance(picture.data, bytes):
        return not picture.data
    return picture.data.is_file() and picture.data.stat().st_size == 0


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block is no reason to refuse the picture
        return 1


def _look(picture: Picture) -> tuple[int, int, bool]:
    """Height and width when upright, and whether there is colour, from the header alone."""
    with _opened(picture) as image:
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        return height, width, image.mode not in ("1", "L", "LA", "La") and not image.mode.startswith("I")


def _decode(picture: Picture, size: tuple[int, int], channels: int, fit: bool) -> np.ndarray:
    """Pixels as uint8 (channels, height, width)."""
    from PIL import Image

    with _opened(picture) as image:
        orientation = _orientation(image)
        if fit:  # a JPEG decodes at 1/2, 1/4 or 1/8 of its size for a fraction of the time
            image.draft(None, (2 * max(size), 2 * max(size)))
        image.load()
        if image.mode == "F":
            raise ValueError("floating-point pixels; store them as .npy")
        if image.mode.startswith("I"):
            deep = np.asarray(image).astype(np.int64)
            if deep.min() < 0 or deep.max() > 65535:
                raise ValueError("more than 16 bits a pixel; store them as .npy")
            image = Image.fromarray(np.rint(deep / 257).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("L" if channels == 1 else "RGB")
        for turn in _TURNS.get(orientation, ()):
            image = image.transpose(Image.Transpose(turn))
        height, width = size
        if image.size != (width, height):
            scale = min(image.width / width, image.height / height)
            left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
            box = (left, top, left + scale * width, top + scale * height)
            image = image.resize((width, height), Image.Resampling.BICUBIC, box=box)
        pixels = np.asarray(image)
    return pixels[None] if channels == 1 else np.moveaxis(pixels, 2, 0)


@contextmanager
def _bar(total: int, wanted: bool) -> Iterator[Callable[[], Any]]:
    """A progress bar on the terminal for long work, else nothing; yields what to call after each picture."""
    if not wanted or total < _SHOW or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading pictures", total=total)
        yield lambda: progress.advance(task)
