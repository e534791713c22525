"""Pictures: upright, one size, one number of channels; damaged ones are named."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from datafiles import encoded, gradient
from PIL import Image

from lather.data import load
from lather.data.images import Picture, decode
from lather.data.samples import Request
from lather.errors import DataError


def pictures(*data: bytes) -> list[Picture]:
    return [Picture(f"picture {i}", d) for i, d in enumerate(data)]


def test_grey_stays_grey_and_one_coloured_picture_makes_all_rgb() -> None:
    grey = encoded(Image.fromarray(gradient()))
    rgb = encoded(Image.fromarray(np.stack([gradient()] * 3, -1)))
    np.testing.assert_array_equal(decode(pictures(grey, grey), Request())[1, 0], gradient())
    for order in ((grey, rgb), (rgb, grey)):
        out = decode(pictures(*order), Request())
        assert out.shape == (2, 3, 6, 9)
        np.testing.assert_array_equal(out[0], out[1])
    assert decode(pictures(rgb, rgb), Request(channels=1)).shape == (2, 1, 6, 9)
    assert decode(pictures(grey, grey), Request(channels=3)).shape == (2, 3, 6, 9)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_what_pillow_makes_of_it(orientation: int) -> None:
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(gradient()), "PNG", exif=exif)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(decode(pictures(data), Request())[0, 0], expected)


def test_transparency_is_put_over_white() -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[0, 0] = (255, 0, 0, 255)
    pixels[1, 1] = (0, 0, 0, 128)
    out = decode(pictures(encoded(Image.fromarray(pixels))), Request())[0]
    np.testing.assert_array_equal(out[:, 0, 0], [255, 0, 0])
    np.testing.assert_array_equal(out[:, 0, 1], [255, 255, 255])
    np.testing.assert_array_equal(out[:, 1, 1], [127, 127, 127])


def test_sixteen_bit_grey_uses_the_whole_range() -> None:
    deep = np.array([[0, 257, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(decode(pictures(encoded(Image.fromarray(deep))), Request())[0, 0, 0], [0, 1, 255])


def test_mixed_sizes_name_two_pictures_and_the_remedy() -> None:
    a, b = encoded(Image.fromarray(gradient(6, 9))), encoded(Image.fromarray(gradient(8, 5)))
    with pytest.raises(DataError, match=r"picture 0 is 9 x 6.*picture 1 is 5 x 8.*image_size=64 \(--image-size 64\)"):
        decode(pictures(a, b), Request())
    assert decode(pictures(a, b), Request(image_size=(4, 4))).shape == (2, 1, 4, 4)


def test_resize_crops_the_centre() -> None:
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    assert (decode(pictures(encoded(Image.fromarray(wide))), Request(image_size=(4, 4))) == 200).all()
    tall = encoded(Image.fromarray(np.ascontiguousarray(wide.T)))
    assert (decode(pictures(tall), Request(image_size=(4, 4))) == 200).all()


def test_a_large_jpeg_is_reduced_faithfully() -> None:
    ramp = np.tile(np.linspace(0, 255, 640).astype(np.uint8), (640, 1))
    out = decode(pictures(encoded(Image.fromarray(ramp), "JPEG", quality=95)), Request(image_size=(32, 32)))[0, 0]
    expected = ramp.reshape(640, 32, 20).mean((0, 2))
    assert np.abs(out.mean(0) - expected).max() < 3


def test_the_decoder_names_what_it_cannot_read(tmp_path: Path) -> None:
    good = encoded(Image.fromarray(gradient(64, 64)), "JPEG")
    for bad, says in (
        (b"", "is empty"),
        (b"not a picture", "cannot be decoded"),
        (good[: len(good) // 2], "cannot be decoded"),
    ):
        with pytest.raises(DataError, match=f"picture 1 {says}.*replace it or take it out"):
            decode(pictures(good, bad), Request())
    damaged = tmp_path / "b.png"
    damaged.write_bytes(b"")
    with pytest.raises(DataError, match=r"b\.png is empty"):
        decode([Picture(str(damaged), damaged)], Request())


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    for side in (8300, 30_000):  # under and over the size at which Pillow itself warns or refuses
        head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
        with pytest.raises(DataError, match="too large to decode safely"):
            decode(pictures(bomb), Request())


def test_postscript_is_not_even_tried() -> None:
    with pytest.raises(DataError, match="UnidentifiedImageError"):  # reading it would start Ghostscript
        decode(pictures(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"), Request())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"])
def test_folder_of_each_kind(tmp_path: Path, kind: str) -> None:
    for i in range(12):
        folder = tmp_path / ("cats", "dogs")[i % 2]
        folder.mkdir(exist_ok=True)
        pixels = np.full((8, 8, 3), i * 20, np.uint8)
        (folder / f"{i}.{kind.lower()}").write_bytes(encoded(Image.fromarray(pixels), kind))
    (tmp_path / "cats" / ".DS_Store").write_bytes(b"?")
    (tmp_path / "cats" / "._1.png").write_bytes(b"?")
    (tmp_path / "notes.txt").write_text("not a picture")
    data = load(tmp_path, progress=False)
    assert data.kind == "image"
    assert data.shape == (3, 8, 8)
    assert data.classes == ("cats", "dogs")
    level = data.train.x[:, 0, 4, 4].long() / 20
    assert (level.round() % 2 == data.train.labels).all()
    assert float(data.train.batch().max()) <= 1.0
