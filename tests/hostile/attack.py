"""What attackers write: objects that act when unpickled, pictures that declare giants, text that breaks out."""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

#: ends whatever it is put into: text, an attribute, a script, a comment, a style, a template, mathematics, the terminal
BREAKOUT = (
    "</script><!--\"'></style></title><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}$\\frac{\x1b[31m"
)


class Trap:
    """Makes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def pickled(sprung: Path) -> bytes:
    return pickle.dumps({"z": Trap(sprung)})


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(file, kind)
    return file.getvalue()


def giants(side: int = 60_000) -> dict[str, bytes]:
    """Pictures of a few bytes whose headers declare ``side`` × ``side`` pixels, by the endings of their names."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    jpeg = bytearray(picture("JPEG"))
    start = jpeg.index(b"\xff\xc0") + 5
    jpeg[start : start + 4] = struct.pack(">HH", side, side)
    tiff = bytearray(picture("TIFF"))
    at = struct.unpack("<I", tiff[4:8])[0] + 2
    while (tag := struct.unpack("<H", tiff[at : at + 2])[0]) <= 257:
        if tag in (256, 257):  # width and height
            tiff[at : at + 12] = struct.pack("<HHII", tag, 4, 1, side)
        at += 12
    bmp = bytearray(picture("BMP"))
    bmp[18:26] = struct.pack("<ii", side, side)
    return {
        ".png": png,
        ".jpg": bytes(jpeg),
        ".tif": bytes(tiff),
        ".bmp": bytes(bmp),
        ".pgm": f"P5 {side} {side} 255\n".encode(),
    }
