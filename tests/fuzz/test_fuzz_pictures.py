"""Damaged pictures, and folders of whatever."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import damage
import numpy as np
from fuzzing import fuzzed, outcome
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lather.data import load
from lather.data.in_order import read_in_order

GREY = Image.fromarray((np.arange(54).reshape(6, 9) * 4).astype(np.uint8))


def encoded(kind: str, image: Image.Image = GREY, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


FORMATS = {
    ".png": encoded("PNG"),
    ".jpg": encoded("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"),
    ".webp": encoded("WEBP"),
    ".bmp": encoded("BMP"),
    ".gif": encoded("GIF", save_all=True, append_images=[GREY]),
    ".tif": encoded("TIFF"),
    ".tiff": encoded("TIFF", GREY.convert("RGB"), compression="tiff_lzw"),
    ".pgm": encoded("PPM"),
    ".ppm": encoded("PPM", GREY.convert("RGB")),
}
DEEP = {
    ".png": encoded("PNG", Image.fromarray(np.arange(54, dtype=np.uint16).reshape(6, 9))),
    ".tif": encoded("TIFF", GREY.convert("F")),
}


def folder_of(place: Path, files: dict[str, bytes]) -> Path:
    shutil.rmtree(place, ignore_errors=True)
    for name, data in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return place


def test_whole_pictures_are_read(tmp_path: Path) -> None:
    for ending, data in FORMATS.items():
        other = encoded("PNG", GREY.transpose(Image.Transpose.ROTATE_180))
        folder = folder_of(tmp_path / "p", {f"{i}{ending}": data for i in range(9)} | {"other.png": other})
        assert load(folder, image_size=6, progress=False).shape[1:] == (6, 6)


@fuzzed(20)
@given(data=st.data(), ending=st.sampled_from(sorted(FORMATS)), size=st.sampled_from([None, 4]))
def test_pictures(tmp_path: Path, data: st.DataObject, ending: str, size: int | None) -> None:
    good = FORMATS[ending]
    if ending == ".png":
        bad = data.draw(damage.png(data.draw(st.sampled_from([good, DEEP[".png"]]))))
    else:
        bad = data.draw(damage.damaged(good, most=8))
    folder = folder_of(tmp_path / "p", {f"{i}.png": FORMATS[".png"] for i in range(9)} | {f"bad{ending}": bad})
    outcome(lambda: load(folder, image_size=size, progress=False), "/p", "bad" + ending)


NAMES = st.sampled_from(
    ["train", "test", "t10k", "val", "a", "b", ".hidden", "labels", "<b>", "é", "x_train", "y_train", "train-1"]
)


@fuzzed(10)
@given(data=st.data())
def test_folders(tmp_path: Path, data: st.DataObject) -> None:
    numbers = io.BytesIO()
    np.save(numbers, np.arange(40.0).reshape(10, 4))
    archive = io.BytesIO()
    np.savez(archive, x_train=np.arange(40.0).reshape(10, 4), y_train=np.arange(10))
    contents = {
        ".npy": numbers.getvalue(),
        ".npz": archive.getvalue(),
        ".csv": b"a,b\n" + b"1,2\n3,4\n" * 6,
        ".txt": b"x",
        "-labels-idx1-ubyte": b"\0\0\x08\x01\0\0\0\x0a" + bytes(10),
        ".parquet": b"PAR1",
        **FORMATS,
    }
    files = {}
    for _ in range(data.draw(st.integers(0, 8))):
        parts = data.draw(st.lists(NAMES, min_size=1, max_size=3))
        ending = data.draw(st.sampled_from(sorted(contents)))
        content = contents[ending] if data.draw(st.integers(0, 5)) else data.draw(damage.damaged(contents[ending]))
        files["/".join(parts) + ending] = content
    folder = folder_of(tmp_path / "p", files)
    folder.mkdir(exist_ok=True)
    outcome(lambda: load(folder, progress=False), "/p")
    outcome(lambda: read_in_order(folder), "/p")
    if files:
        outcome(lambda: load(folder / next(iter(files)), progress=False), "/p")
