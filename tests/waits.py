"""Does the host wait for the device? Found out without one, on PyTorch's meta device, whose tensors have no values.

Whatever asks for a value there raises; what would copy from the host or count on the device first is written down.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")
# the size of the result is known to the device alone, or an error code is read back
_COUNTS = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount", "equal"}
_CODES = {"_linalg_check_errors", "_linalg_svd", "_linalg_eigh", "linalg_eig"}


class Waits(TorchDispatchMode):
    """Lists in ``found`` what within would make the host wait, as "reason: file:line"."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if reason := _reason(function._schema.name.split("::")[1], args, kwargs):
            own = [frame for frame in traceback.extract_stack() if "/lather/" in frame.filename.replace("\\", "/")]
            self.found.append(f"{reason}: {own[-1].filename}:{own[-1].lineno}" if own else reason)
        return function(*args, **kwargs)


def _reason(name: str, args: Any, kwargs: Any) -> str | None:
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    there = [tensor.device.type == "meta" for tensor in tensors]
    if name == "_to_copy" and torch.device(kwargs.get("device") or tensors[0].device) != tensors[0].device:
        return None if kwargs.get("non_blocking") else "copy between host and device"
    if name == "copy_" and there[0] != there[1] and not (len(args) > 2 and args[2]):
        return "copy between host and device"
    if not any(there):
        return None
    if name in _COUNTS | _CODES:
        return name
    if name.startswith("index") and any(t.dtype in (torch.bool, torch.uint8) for t in tensors[1:]):
        return "rows chosen by a condition"
    if any(tensor.dim() and not on for tensor, on in zip(tensors, there, strict=True)):
        return "numbers of the host beside those of the device"
    return None


@contextlib.contextmanager
def on_meta(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The meta device knows no autocast, which would be entered to be off."""
    autocast = torch.autocast

    def known(device_type: str, *args: Any, **kwargs: Any) -> Any:
        return contextlib.nullcontext() if device_type == "meta" else autocast(device_type, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "autocast", known)
        yield
