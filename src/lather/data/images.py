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
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lather.data.layout import centre
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

    The first picture sets the size and says whether there is colour; where a later one brings colour to grey ones,
    the work starts again in RGB. Decoding runs in threads (Pillow releases the lock).

    Raises:
        DataError: a picture that cannot be decoded or is too large, or different sizes without ``image_size``.
    """
    if not pictures:
        raise DataError("no pictures to decode")
    first = _look(pictures[0])
    if request.channels is not None:
        return _decode_all(pictures, request, first, request.channels)
    try:
        return _decode_all(pictures, request, first, 3 if first.colour else 1)
    except _ColourFoundError:
        return _decode_all(pictures, request, first, 3)


def _decode_all(pictures: Sequence[Picture], request: Request, first: _Head, channels: int) -> np.ndarray:
    height, width = request.image_size or (first.height, first.width)
    check_room(len(pictures) * channels * height * width, pictures[0].name)
    out = np.empty((len(pictures), channels, height, width), dtype=np.uint8)
    strict = request.channels is None and channels == 1

    def one(picture: Picture) -> np.ndarray:
        with _opened(picture) as image:
            head = _head(image)
            if request.image_size is None and (head.height, head.width) != (height, width):
                raise DataError(
                    f"pictures of different sizes: {pictures[0].name} is {width} x {height} (width x height), "
                    f"{picture.name} is {head.width} x {head.height}; bring them to one size, image_size=64 "
                    "(--image-size 64): centre crop, then resize"
                )
            if strict and head.colour:
                raise _ColourFoundError
            return _pixels(image, (height, width), channels)

    with (
        ThreadPoolExecutor(max(1, min(8, os.cpu_count() or 1))) as pool,
        _bar(len(pictures), request.progress) as advance,
    ):
        for i, pixels in enumerate(_in_chunks(pool, pictures, one)):
            out[i] = pixels
            advance()
    return out


class _ColourFoundError(Exception):
    """A picture with colour among grey ones."""


class _Head(NamedTuple):
    """What the header of a picture says: its size when upright, and whether there is colour."""

    height: int
    width: int
    colour: bool


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
    except (DataError, MemoryError, _ColourFoundError):
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


def _head(image: Any) -> _Head:
    width, height = image.size
    if _orientation(image) >= 5:
        width, height = height, width
    grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    return _Head(height, width, not grey)


def _look(picture: Picture) -> _Head:
    with _opened(picture) as image:
        return _head(image)


def _pixels(image: Any, size: tuple[int, int], channels: int) -> np.ndarray:
    """Pixels of an opened picture as uint8 (channels, height, width)."""
    from PIL import Image

    orientation = _orientation(image)
    height, width = size
    # a JPEG decodes at 1/2, 1/4 or 1/8 of its size for a fraction of the time; does nothing where that were too small
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
    if image.size != (width, height):
        top, left, bottom, right = centre(image.height, image.width, size)
        image = image.crop((left, top, right, bottom)).resize((width, height), Image.Resampling.BICUBIC)
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
