"""What a dataset is once it is loaded: three splits of one tensor each, and how stored values become input."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, Shaped
from torch import Tensor

from lather.errors import DataError

__all__ = ["Dataset", "Scaling", "Split"]

_HASHED_WHOLE = 256 << 20  # bytes; of a larger tensor, 256 evenly spaced blocks of 1 MiB are hashed
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Scaling:
    """The affine map between stored values and what a model sees: ``input = (stored - offset) / scale``.

    Images stored as bytes have offset 0 and scale 255, so that a model sees [0, 1]. Standardised features
    have the mean and the standard deviation of the training split, one number per column.

    Example:
        >>> Scaling(0.0, 255.0)(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """

    offset: float | Float[Tensor, " f"] = 0.0
    scale: float | Float[Tensor, " f"] = 1.0

    def __call__(self, x: Shaped[Tensor, "..."]) -> Float32[Tensor, "..."]:
        """Stored values as float32 model input, on the device of ``x``."""
        if isinstance(self.offset, Tensor) or isinstance(self.scale, Tensor):
            # in float64: a column with a large mean and a small spread would lose its digits in float32
            return ((x.to(_wide(x)) - _on(x, self.offset)) / _on(x, self.scale)).float()
        out = x.float()
        if self.offset != 0.0:
            out = out - self.offset
        if self.scale == 1.0:
            return out
        return out / self.scale if out is x else out.div_(self.scale)  # in place where `out` is a copy

    def undo(self, y: Shaped[Tensor, "..."]) -> Float32[Tensor, "..."]:
        """Model output back in the units of the stored values, as float32 (not rounded)."""
        if isinstance(self.offset, Tensor) or isinstance(self.scale, Tensor):
            return (y.to(_wide(y)) * _on(y, self.scale) + _on(y, self.offset)).float()
        return y.float() * self.scale + self.offset

    def to(self, device: torch.device | str) -> Scaling:
        """The same map with its numbers on ``device``."""
        move = (self.offset, self.scale)
        offset, scale = (v.to(device) if isinstance(v, Tensor) else v for v in move)
        return Scaling(offset, scale)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` undoes it."""
        pairs = (("offset", self.offset), ("scale", self.scale))
        return {key: v.tolist() if isinstance(v, Tensor) else v for key, v in pairs}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Scaling:
        """Rebuild what :meth:`to_dict` wrote.

        Raises:
            DataError: a missing key, something that is no number, or a scale that is not positive.
        """
        try:
            offset, scale = (np.asarray(data[key], dtype=np.float64) for key in ("offset", "scale"))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"a scaling needs numbers under 'offset' and 'scale', got {data!r} ({error})") from None
        if (
            not (np.isfinite(offset).all() and np.isfinite(scale).all() and (scale > 0).all())
            or max(offset.ndim, scale.ndim) > 1
        ):
            raise DataError("a scaling needs finite numbers and a positive scale, one each or one per column")
        values = [float(v) if v.ndim == 0 else torch.from_numpy(v) for v in (offset, scale)]
        return cls(*values)


def _wide(x: Tensor) -> torch.dtype:
    return torch.float32 if x.device.type == "mps" else torch.float64  # Apple's GPUs have no float64


def _on(x: Tensor, value: float | Tensor) -> float | Tensor:
    return value.to(x.device, _wide(x)) if isinstance(value, Tensor) else value


@dataclass(frozen=True)
class Split:
    """One part of a dataset: all its samples in one tensor, in the stored dtype.

    ``batch`` is what a training loop calls: it indexes the tensor, moves the rows to the device and converts
    them to float. Bytes are converted on the device, so that a uint8 image crosses as bytes.

    Args:
        x: samples, (n, *shape), stored dtype.
        labels: class numbers (n,), -1 where the class is not known; ``None`` without labels.
        scaling: how stored values become model input.
    """

    x: Shaped[Tensor, "n *shape"]
    labels: Int64[Tensor, " n"] | None = None
    scaling: Scaling = Scaling()

    def __len__(self) -> int:
        return len(self.x)

    def batch(
        self,
        index: Int64[Tensor, " b"] | Int64[np.ndarray, " b"] | slice | None = None,
        device: torch.device | str | None = None,
    ) -> Float32[Tensor, "b *shape"]:
        """The samples at ``index`` (all of them by default) as float32 model input on ``device``."""
        if isinstance(index, np.ndarray):
            index = torch.from_numpy(index)
        if isinstance(index, Tensor):
            rows = self.x.index_select(0, index.to(self.x.device, non_blocking=True))
        else:
            rows = self.x if index is None else self.x[index]
        if device is None:
            return self.scaling(rows)
        if rows.dtype == torch.uint8:
            return self.scaling(rows.to(device, non_blocking=True))
        return self.scaling(rows).to(device, non_blocking=True)

    def to(self, device: torch.device | str) -> Split:
        """The same split with its tensors on ``device``: worth it when the stored data fit there."""
        labels = None if self.labels is None else self.labels.to(device)
        return Split(self.x.to(device), labels, self.scaling.to(device))


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test samples of one kind and shape.

    ``kind`` says what the values mean: an ``"image"`` is (C, H, W) and a model sees it in [0, 1]; ``"features"``
    are (F,) and a model sees them standardised (unless asked not to), without bounds.

    Args:
        name: short name, used in file names and titles.
        train, validation, test: the splits, none of them empty, all with the same scaling.
        shape: shape of one sample.
        kind: ``"image"`` or ``"features"``.
        classes: names of the classes, where the source has them.
        columns: names of the features, where the source has them.
        source: where the samples came from and how they were divided, for people.
        notes: what a reader of results should know, such as constant columns.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    shape: tuple[int, ...]
    kind: Literal["image", "features"]
    source: str
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def scaling(self) -> Scaling:
        """How stored values become model input; the same for all splits."""
        return self.train.scaling

    @property
    def value_range(self) -> tuple[float, float] | None:
        """Bounds of what a model sees: (0, 1) for images, ``None`` for features."""
        return (0.0, 1.0) if self.kind == "image" else None

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def to(self, device: torch.device | str) -> Dataset:
        """The same dataset with its tensors on ``device``."""
        train, validation, test = (split.to(device) for split in self.splits.values())
        return replace(self, train=train, validation=validation, test=test)

    def fingerprint(self) -> str:
        """32 hex digits that change when any sample, label, split or scaling does.

        BLAKE2 over shapes, dtypes and contents, about 1 GB/s; of tensors above 256 MiB, evenly spaced blocks.
        """
        digest = hashlib.blake2b(digest_size=16)
        for name, split in self.splits.items():
            for tensor in (split.x, split.labels):
                digest.update(f"{name} {None if tensor is None else (tensor.dtype, tuple(tensor.shape))};".encode())
                if tensor is not None:
                    _hash_contents(digest, tensor)
        digest.update(repr(self.scaling.to_dict()).encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """JSON-ready facts about the data, with a fingerprint that a resumed run can compare."""
        return {
            "name": self.name,
            "source": self.source,
            "kind": self.kind,
            "shape": list(self.shape),
            "counts": {name: len(split) for name, split in self.splits.items()},
            "stored_dtype": str(self.train.x.dtype).removeprefix("torch."),
            "value_range": None if self.value_range is None else list(self.value_range),
            "scaling": self.scaling.to_dict(),
            "labelled": self.train.labels is not None,
            "classes": None if self.classes is None else list(self.classes),
            "columns": None if self.columns is None else list(self.columns),
            "notes": list(self.notes),
            "fingerprint": self.fingerprint(),
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{name} {len(split)}" for name, split in self.splits.items())
        return f"Dataset({self.name!r}: {self.kind} {tuple(self.shape)}, {counts})"


def _hash_contents(digest: hashlib.blake2b, tensor: Tensor) -> None:
    data = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data
    if data.nbytes <= _HASHED_WHOLE:
        digest.update(data)
        return
    blocks = _HASHED_WHOLE // _BLOCK
    for i in range(blocks):
        start = math.floor(i * (data.nbytes - _BLOCK) / (blocks - 1))
        digest.update(data[start : start + _BLOCK])
