"""Checkpoints: tensors in safetensors, the rest in JSON, replaced atomically, verified on reading.

A checkpoint folder holds one ``state-*.safetensors`` and ``state.json``, which names that file and its SHA-256.
The tensors are written under a new name first and ``state.json`` is then replaced in one step, so a process
that dies at any moment leaves the earlier checkpoint or the new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lather.errors import RunError
from lather.files import atomically, read_json, write_json

__all__ = ["load_checkpoint", "load_tensors", "save_checkpoint", "save_tensors"]

SCHEMA = 1
_CHECKSUM = "sha256"  # in the metadata of a file


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as one safetensors file, atomically, with a checksum of their contents in its metadata.

    Raises:
        RunError: the file cannot be written, as on a full disk; an earlier one stays as it was.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    flat = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    try:
        with atomically(path) as temporary:
            save_file(flat, temporary, {**(metadata or {}), _CHECKSUM: _contents(flat)})
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"cannot write {path}: {error}; what was there before is kept. Make room (or the directory writable); a "
            "training can then go on with --resume"
        ) from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file, and compare it with the checksum that :func:`save_tensors` put into it.

    Raises:
        RunError: the file is missing or damaged. A file without a checksum, as others write them, is taken as it is.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no ordinary file")
        with safe_open(path, framework="pt") as file:
            checksum = (file.metadata() or {}).get(_CHECKSUM)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a mapping
    except FileNotFoundError:
        raise RunError(f"{path} does not exist") from None
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise RunError(f"{path} is damaged or no safetensors file: {error}") from error
    if checksum is not None and checksum != _contents(tensors):
        raise RunError(f"{path} does not hold what was written to it: its contents do not have their checksum")
    return tensors


def _contents(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def save_checkpoint(folder: Path, tensors: Mapping[str, Tensor], state: Mapping[str, Any], *, t: int) -> None:
    """Replace the checkpoint in ``folder``.

    Args:
        folder: created if need be.
        tensors: everything that is a tensor.
        state: everything else, JSON-ready.
        t: steps taken, for the file's name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"state-{t:09d}.safetensors"
    save_tensors(path, tensors)
    write_json(folder / "state.json", {"schema": SCHEMA, "file": path.name, "sha256": _digest(path), "state": state})
    for stale in folder.glob("state-*.safetensors"):
        if stale.name != path.name:
            stale.unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the state that :func:`save_checkpoint` wrote.

    Raises:
        RunError: nothing there, a file that is damaged or was swapped, or one of a newer version.
    """
    record = read_json(folder / "state.json")
    if not isinstance(record, dict) or not {"schema", "file", "sha256", "state"} <= set(record):
        raise RunError(f"{folder / 'state.json'} is not the record of a checkpoint")
    if record["schema"] != SCHEMA:
        raise RunError(
            f"{folder} was written in checkpoint format {record['schema']} and this version reads {SCHEMA}; "
            "use the version of Lather that wrote it (config.json names it)"
        )
    name = record["file"]
    if not isinstance(name, str) or Path(name).name != name:
        raise RunError(f"{folder / 'state.json'} names a file outside its folder: {name!r}")
    path = folder / name
    if not path.is_file():
        raise RunError(f"{path}, which {folder / 'state.json'} names, does not exist")
    if _digest(path) != record["sha256"]:
        raise RunError(f"{path} does not have the checksum in {folder / 'state.json'}: it was damaged or exchanged")
    if not isinstance(record["state"], dict):
        raise RunError(f"{folder / 'state.json'} is damaged: its state must be an object with names and values")
    return load_tensors(path), record["state"]


def _digest(path: Path) -> str:
    with open(path, "rb") as handle:
        digest = hashlib.sha256()
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
