"""Damage to valid files: to their bytes, to values of JSON, to headers whose lengths and checksums are put right."""

from __future__ import annotations

import copy
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

_EDGES = (0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_PACKED = tuple(
    {struct.pack(kind, n % 2 ** (8 * struct.calcsize(kind))) for n in _EDGES for kind in ("B", "<H", ">H")}
) + (
    tuple(
        {struct.pack(kind, n % 2 ** (8 * struct.calcsize(kind))) for n in _EDGES for kind in ("<I", ">I", "<Q", ">Q")}
    )
)
#: written in place of marks: what json.dumps would not write
_MARKS = {'"@deep"': "[" * 50_000 + "]" * 50_000, '"@long"': "9" * 5000, '"@maps"': '{"a":' * 3000 + "1" + "}" * 3000}

WORDS = (
    "",
    "z",
    "0",
    "1.5",
    "-1",
    "nan",
    "inf",
    "1e400",
    "@deep",
    "@long",
    "@maps",
    "tensor",
    "../../x",
    "\x00",
    "é",
    "𝔘\ud800",
)
LEAVES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([None, True, False, 0, 1, -1, 2, 3, 1.5, -0.5, 10**6, 10**12, 2**31, 2**63, 2**64, 10**30, 1e308]),
    st.sampled_from([float("nan"), float("inf"), [], {}, [[]], [1, [2]], [None], {"a": 1}, *WORDS]),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)


@st.composite
def damaged(draw: st.DrawFn, good: bytes, tokens: Sequence[bytes] = (), most: int = 4) -> bytes:
    """``good`` with up to ``most`` changes: bits flipped, parts overwritten, cut, moved, doubled, put in."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, most))):
        size = len(data)
        at = draw(st.integers(0, max(size - 1, 0)))
        if draw(st.booleans()):  # near an end, where headers and footers are
            near = draw(st.integers(0, min(size, 64)))
            at = near if draw(st.booleans()) else max(size - 1 - near, 0)
        kind = draw(st.integers(0, 7))
        if kind == 0 and size:
            data[min(at, size - 1)] ^= 1 << draw(st.integers(0, 7))
        elif kind == 1:
            patch = draw(st.sampled_from(_PACKED))
            data[at : at + len(patch)] = patch
        elif kind == 2:
            patch = draw(st.binary(min_size=1, max_size=8))
            data[at : at + len(patch)] = patch
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            del data[at : at + draw(st.integers(1, 32))]
        elif kind == 5:
            data[at:at] = draw(st.sampled_from(tokens)) if tokens else draw(st.binary(min_size=1, max_size=16))
        elif kind == 6:
            length = draw(st.integers(1, 64))
            data[at:at] = data[at : at + length] * draw(st.integers(1, 3))
        else:
            other, length = draw(st.integers(0, max(size - 1, 0))), draw(st.integers(1, 32))
            data[at : at + length] = data[other : other + length]
    return bytes(data)


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    pairs = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    for key, value in pairs:
        yield tree, key
        yield from _places(value)


@st.composite
def edited(draw: st.DrawFn, tree: Any, most: int = 3) -> Any:
    """A JSON value with up to ``most`` changes: values replaced, left out, renamed, exchanged for others of it."""
    tree = copy.deepcopy(tree)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(tree))
        if not places:
            return draw(LEAVES)
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        kind = draw(st.integers(0, 5))
        if kind <= 2:
            holder[key] = copy.deepcopy(draw(LEAVES))
        elif kind == 3:
            other, there = places[draw(st.integers(0, len(places) - 1))]
            holder[key] = copy.deepcopy(other[there])
        elif kind == 4:
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(WORDS) | st.text(max_size=5))] = holder.pop(key)
        else:
            holder.insert(key, copy.deepcopy(holder[key]))
    return tree


def json_bytes(tree: Any) -> bytes:
    text = json.dumps(tree)
    for mark, written in _MARKS.items():
        text = text.replace(mark, written)
    return text.encode("utf-8", "surrogatepass")


def jsons(tree: Any) -> st.SearchStrategy[bytes]:
    """``tree`` as JSON, most often with changed values, at times with changed bytes."""
    return st.one_of(edited(tree).map(json_bytes), edited(tree).map(json_bytes), damaged(json_bytes(tree)))


@st.composite
def safetensors(draw: st.DrawFn, good: bytes) -> bytes:
    """A safetensors file with a changed header of the right length, or changed bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(good))
    length = struct.unpack("<Q", good[:8])[0]
    header = json_bytes(draw(edited(json.loads(good[8 : 8 + length]))))
    return struct.pack("<Q", len(header)) + header + good[8 + length :]


def as_npy(x: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, x)
    return file.getvalue()


@st.composite
def npy(draw: st.DrawFn, good: bytes) -> bytes:
    """A ``.npy`` file whose header declares something else, or with changed bytes."""
    if draw(st.integers(0, 2)) == 0:
        return draw(damaged(good))
    body = good[10 + struct.unpack("<H", good[8:10])[0] :]
    sizes = st.one_of(st.integers(0, 13), st.sampled_from([-1, 2**31, 2**62, 2**64, True, None, 1.0, "a", (1, 2)]))
    shape: Any = draw(
        st.one_of(st.lists(sizes, max_size=5).map(tuple), st.lists(sizes, max_size=40).map(tuple), LEAVES)
    )
    kinds = [
        "<f8",
        ">f4",
        "<f2",
        "<i8",
        "|u1",
        "|b1",
        "|O",
        "<U9",
        "<c16",
        "|V4",
        "<f16",
        "<M8[s]",
        "|S0",
        "x",
        5,
        None,
    ]
    kind: Any = draw(st.sampled_from([*kinds, [("a", "<f4")], [("a", "|O")], ("<f8", (2,)), {"names": ["a"]}]))
    header: dict[Any, Any] = {
        "descr": kind,
        "fortran_order": draw(st.sampled_from([False, True, 0, None, "no"])),
        "shape": shape,
    }
    if draw(st.integers(0, 4)) == 0:
        header.pop(draw(st.sampled_from(sorted(header))))
    text = (
        draw(st.sampled_from(["{}", "{} # {}", "[{}]", "-{}", "(lambda: {})()", "{}\n"])).format(header, "x").encode()
    )
    version = draw(st.sampled_from([1, 1, 1, 2, 3, 9]))
    length = struct.pack("<H", len(text)) if version == 1 else struct.pack("<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + body


@st.composite
def npz(draw: st.DrawFn, members: dict[str, bytes]) -> bytes:
    """An archive with changed members under changed names, or with changed bytes."""
    file, changed = io.BytesIO(), draw(st.integers(0, 3))
    with zipfile.ZipFile(file, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as archive:
        for name, data in members.items():
            if changed == 1:
                name = draw(
                    st.sampled_from(
                        [name, "../" + name, "/tmp/" + name, "", ".npy", "z.npy", "a/../" + name, name[:-4]]
                    )
                )
            if name and name not in archive.namelist():
                archive.writestr(name, draw(npy(data)) if changed == 2 else data)
    return file.getvalue() if changed in (1, 2) else draw(damaged(file.getvalue()))


@st.composite
def idx(draw: st.DrawFn, good: bytes) -> bytes:
    """An IDX file whose header declares another type and shape, or with changed bytes."""
    if draw(st.booleans()):
        return draw(damaged(good))
    sizes = draw(st.lists(st.sampled_from([0, 1, 2, 3, 20, 60, 2**16, 2**31, 2**32 - 1]), max_size=8))
    kind = draw(st.sampled_from([8, 9, 11, 12, 13, 14, 10, 0, 255]))
    dims = draw(st.sampled_from([len(sizes), len(sizes), len(sizes), 255, 0]))
    return bytes([0, 0, kind, dims]) + struct.pack(f">{len(sizes)}I", *sizes) + good[4 + 4 * good[3] :]


@st.composite
def png(draw: st.DrawFn, good: bytes) -> bytes:
    """A PNG with changed chunks whose checksums are right, or with changed bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged(good))
    chunks, at = [], 8
    while at < len(good):
        length = struct.unpack(">I", good[at : at + 4])[0]
        chunks.append((good[at + 4 : at + 8], good[at + 8 : at + 8 + length]))
        at += 12 + length
    for _ in range(draw(st.integers(1, 3))):
        i = draw(st.integers(0, len(chunks) - 1))
        name, data = chunks[i]
        kind = draw(st.integers(0, 4))
        if kind == 0:
            chunks[i] = (name, draw(damaged(data)))
        elif kind == 1:
            chunks[i] = (
                draw(st.sampled_from([b"tRNS", b"PLTE", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"fcTL", b"gAMA"])),
                data,
            )
        elif kind == 2:
            chunks.insert(i, chunks[i])
        elif kind == 3 and len(chunks) > 1:
            del chunks[i]
        else:
            chunks[i] = (name, zlib.compress(draw(st.binary(max_size=60))))
    out = good[:8]
    for name, data in chunks:
        out += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return out
