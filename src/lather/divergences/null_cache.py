"""Simulated null distributions, kept on disk under the content they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lather.errors import ConfigError
from lather.files import atomically
from lather.priors.base import Prior
from lather.spec import Spec, to_json

__all__ = ["NullCache", "cache_folder", "content_key"]

_FORMAT = 1  # raise when a change of the code changes the values that a key stands for
_KEPT = 256  # distributions held in memory; 999 draws are 8 kB
_LARGEST = 256 * 2**20  # bytes of a file worth opening


def cache_folder() -> Path:
    """Where nulls are kept: ``$LATHER_CACHE``, else the platform's folder for caches.

    That is ``$XDG_CACHE_HOME/lather`` or ``~/.cache/lather``; ``~/Library/Caches/lather`` on macOS and
    ``%LOCALAPPDATA%\\lather`` on Windows. It may be deleted at any time.
    """
    chosen = os.environ.get("LATHER_CACHE")
    if chosen:
        return Path(chosen)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "lather"


def content_key(divergence: Spec, prior: Prior, **settings: Any) -> str | None:
    """JSON of all that a simulated null depends on, or ``None`` where that cannot be told.

    Tensors count by their bytes: constructor arguments, and parameters and buffers as they are now. It cannot be told
    for classes from outside Lather, whose code may change, and for priors made of a model (``attach``).
    """
    try:
        content = {
            "format": _FORMAT,
            "divergence": _content(divergence),
            "prior": _content(prior),
            **settings,
        }
    except _Untold:
        return None
    return json.dumps(content, sort_keys=True)


class NullCache:
    """Two layers, memory and disk. What cannot be read is as good as absent; what cannot be written is left out.

    A file holds the values and the key itself, so another key with the same name, a damaged or a truncated file is
    noticed and replaced. Files appear by renaming, so that processes may write the same one at once.
    """

    def __init__(self) -> None:
        self._recent: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, key: str) -> Tensor | None:
        """The values stored under ``key``, float64 (draws,), or ``None``."""
        with self._lock:
            if key in self._recent:
                self._recent.move_to_end(key)
                return self._recent[key]
        values = _read(_path(key), key)
        if values is not None:
            self._remember(key, values)
        return values

    def store(self, key: str, values: Tensor) -> None:
        """Keep ``values``, float64 (draws,), under ``key``."""
        self._remember(key, values)
        from safetensors.torch import save

        path = _path(key)
        data = save({"values": values}, {"key": key, "sha256": _digest(values)})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, atomically(path) as temporary:  # threads share the temporary name
                temporary.write_bytes(data)
        except OSError:
            pass  # no such place, read-only, full: the next process simulates again

    def forget(self) -> None:
        """Empty the memory; files stay."""
        with self._lock:
            self._recent.clear()

    def _remember(self, key: str, values: Tensor) -> None:
        with self._lock:
            self._recent[key] = values
            self._recent.move_to_end(key)
            while len(self._recent) > _KEPT:
                self._recent.popitem(last=False)


class _Untold(Exception):
    """Part of the content is not known."""


def _path(key: str) -> Path:
    return cache_folder() / "null" / f"{hashlib.sha256(key.encode()).hexdigest()}.safetensors"


def _read(path: Path, key: str) -> Tensor | None:
    from safetensors import SafetensorError, safe_open

    try:
        if path.stat().st_size > _LARGEST:
            return None
        with safe_open(path, framework="pt") as file:
            told = file.metadata() or {}
            values: Tensor = file.get_tensor("values")
    except (OSError, SafetensorError, ValueError):
        return None
    whole = values.dtype == torch.float64 and values.ndim == 1
    return values if whole and told.get("key") == key and told.get("sha256") == _digest(values) else None


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(flat.view(torch.uint8).numpy().tobytes()).hexdigest()


def _content(value: Any) -> Any:
    if isinstance(value, Tensor):
        return {"sha256": _digest(value), "shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Spec):
        kind = type(value)
        made_of_model = isinstance(value, Prior) and type(value).attach is not Prior.attach
        if kind.__module__.partition(".")[0] != "lather" or made_of_model:
            raise _Untold
        content = {"type": kind.__qualname__, "arguments": {k: _content(v) for k, v in value.arguments.items()}}
        if isinstance(value, nn.Module):
            content["state"] = {k: _content(v) for k, v in value.state_dict().items()}
        return content
    if isinstance(value, (list, tuple)):
        return [_content(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _content(v) for k, v in value.items()}
    try:
        return to_json(value)
    except ConfigError:
        raise _Untold from None
