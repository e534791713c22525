"""Small files of each format, as the tests write them."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}


def idx_bytes(x: np.ndarray, code: str = "u1") -> bytes:
    header = bytes([0, 0, CODES[code], x.ndim]) + struct.pack(f">{x.ndim}I", *x.shape)
    return header + x.astype(code).tobytes()


def npy_bytes(x: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


def mnist_like(folder: Path, ending: str = "") -> None:
    """The four IDX files of the MNIST family, with 20 and 8 images of 4 x 4 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, n in (("train", 20), ("t10k", 8)):
        for kind, x in (("images-idx3", np.arange(n * 16).reshape(n, 4, 4) % 200), ("labels-idx1", np.arange(n) % 10)):
            data = idx_bytes(x)
            (folder / f"{name}-{kind}-ubyte{ending}").write_bytes(gzip.compress(data, mtime=0) if ending else data)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(height: int = 6, width: int = 9) -> np.ndarray:
    return (np.arange(height * width).reshape(height, width) * 4).astype(np.uint8)


def write_picture(path: Path, level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.fromarray(np.full((4, 4), level, np.uint8))))
