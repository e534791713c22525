"""Latents of any model: codes, or posteriors as means and standard deviations, checked and kept as they came."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.data.labels import encode
from lather.data.remarks import remarks
from lather.data.samples import Samples
from lather.data.values import check_finite
from lather.errors import ConfigError, DataError, ShapeError

__all__ = ["Array", "Latents"]

Array = Tensor | np.ndarray


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Latents:
    """Latents ``z``, or posteriors N(mean, diag std²), of n data; and, where known, the class of each datum.

    Floats of 32 and 64 bits stay what they are, those of 16 bits become 32; nothing is copied that need not be, so a
    memory-mapped array stays on disk. Spatial latents (n, c, h, w) are kept as (n, c·h·w), with ``shape = (c, h, w)``.

    Args:
        z: latents, one row a datum: (n, d) or (n, ...); the codes of a deterministic encoder, or one draw of each
            posterior. May be left out where ``mean`` is given.
        mean: means of the posteriors, of the same shape.
        std: their standard deviations, all positive, of the same shape; coordinates are independent. All zero means an
            encoder without noise.
        logvar: instead of ``std``, log σ² (what most VAEs return); σ = exp(½ log σ²).
        labels: class of each datum, (n,) whole numbers or text; −1 or the empty text where unknown.
        classes: names of the classes 0, 1, …, where labels are numbers.
        origin: what messages call them.

    Attributes:
        z, mean, std: (n, d) tensors on the CPU, or ``None``.
        labels: (n,) int64, or ``None``.
        classes: names of the classes, empty where unknown.
        shape: shape of one latent, ``(d,)`` or ``(c, h, w)``.
        notes: sentences on what is odd and yet allowed: constant dimensions, repeated rows, fewer data than dimensions.

    Raises:
        ShapeError: no axis of samples, or parts of different shapes.
        DataError: nothing there, whole numbers (pictures?), NaN or infinite values, deviations that are not positive.
        ConfigError: ``std`` and ``logvar`` both, or one of them without ``mean``.

    Example:
        >>> mean, logvar = torch.zeros(100, 4), torch.zeros(100, 4)
        >>> Latents(mean=mean + torch.arange(100.0)[:, None], logvar=logvar)
        Latents(100 posteriors of (4,), float32)
    """

    z: Tensor | None
    mean: Tensor | None
    std: Tensor | None
    labels: Tensor | None
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    origin: str
    notes: tuple[str, ...]

    def __init__(
        self,
        z: Array | None = None,
        *,
        mean: Array | None = None,
        std: Array | None = None,
        logvar: Array | None = None,
        labels: Array | None = None,
        classes: tuple[str, ...] = (),
        origin: str = "the latents",
    ) -> None:
        if z is None and mean is None:
            raise ConfigError(f"{origin} need z, or mean (with std or logvar) of posteriors; neither was given")
        if std is not None and logvar is not None:
            raise ConfigError(f"{origin}: std and logvar say the same thing; give one of them")
        if mean is None and (std is not None or logvar is not None):
            given = "std" if std is not None else "logvar"
            raise ConfigError(
                f"{origin}: {given} without mean; posteriors need both; give mean= too, or leave {given} out and "
                "give z alone"
            )
        parts = {"z": z, "mean": mean, "std": std, "logvar": logvar}
        found = {name: as_floats(x, f"{origin}, {name}") for name, x in parts.items() if x is not None}
        (first, reference), *others = found.items()
        for name, tensor in others:
            if tensor.shape != reference.shape:
                swap = " (one of them is transposed)" if tensor.T.shape == reference.shape else ""
                raise ShapeError(
                    f"{origin}: {first} has shape {tuple(reference.shape)} and {name} {tuple(tensor.shape)}{swap}; "
                    "they go together, value by value"
                )
        flat = {name: tensor.flatten(1) for name, tensor in found.items()}
        if "std" in flat and not bool(flat["std"].any()):  # an encoder without noise, as runs of Lather store it
            del flat["std"]
            if "z" in flat:
                flat.pop("mean")
        for name, tensor in flat.items():
            check_finite(tensor.numpy(), f"{origin}, {name}", remedy=_REMEDY)
        if "logvar" in flat:
            flat["std"] = _deviations(flat.pop("logvar"), origin)
        if "z" in flat and "std" in flat and torch.equal(flat["z"], flat["mean"]):
            raise ConfigError(
                f"{origin}: z equals mean, although std says that the posteriors have a width; z is one draw of each, "
                "which is made for you if you leave z out"
            )
        if "std" in flat:
            _check_positive(flat["std"], f"{origin}, std")
        numbers, names = _labels(labels, classes, len(reference), origin)
        values = {
            "z": flat.get("z"),
            "mean": flat.get("mean"),
            "std": flat.get("std"),
            "labels": numbers,
            "classes": names,
            "shape": tuple(reference.shape[1:]),
            "origin": origin,
            "notes": remarks(flat[first]),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        key: str | None = None,
        mean: str | Path | None = None,
        std: str | Path | None = None,
        logvar: str | Path | None = None,
        labels: str | Path | None = None,
        columns: tuple[str, ...] | None = None,
    ) -> Latents:
        """Latents of a file, known by the names of its arrays or named here.

        Reads ``.npy`` (left on disk), ``.npz``, ``.safetensors``, ``.parquet``, ``.csv``, ``.tsv`` and ``.h5ad``, and
        the directory of a measured run. Arrays are known as ``z``, ``mean`` or ``mu``, ``std`` or ``sigma``,
        ``logvar`` or ``log_var``, ``labels`` or ``y``; :func:`lather.data.latent_files.read_latents` has the rules.

        Args:
            path: the file.
            key: the array that is z: ``"emb"``, ``"obsm/X_pca"``.
            mean, std, logvar, labels: array of this file, or path of another one.
            columns: of a table, the columns that are z.

        Raises:
            DataError: a file that cannot be read, or names that do not tell what is z.
            MissingExtraError: a format that needs a package that is not installed.
        """
        from lather.data.latent_files import read_latents

        return read_latents(Path(path), key=key, mean=mean, std=std, logvar=logvar, labels=labels, columns=columns)

    def __len__(self) -> int:
        return len(self._any)

    @property
    def d(self) -> int:
        """Latent dimensions."""
        return self._any.shape[1]

    @property
    def centres(self) -> Tensor:
        """Means of the posteriors, or the latents themselves where there are none, (n, d)."""
        return self._any if self.mean is None else self.mean

    @property
    def _any(self) -> Tensor:
        tensor = self.z if self.z is not None else self.mean
        assert tensor is not None
        return tensor

    def draws(self, generator: torch.Generator | None = None) -> Tensor:
        """One latent a datum, (n, d): ``z`` where it was given, else mean + std · noise, else the mean."""
        if self.z is not None:
            return self.z
        assert self.mean is not None
        if self.std is None:
            return self.mean
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype)
        return noise.mul_(self.std).add_(self.mean)

    def shaped(self, x: Tensor) -> Tensor:
        """Latents ``x`` (n, d) in the shape that they were given in, (n, c, h, w) say."""
        return x.reshape(len(x), *self.shape)

    def some(self, index: Tensor) -> Latents:
        """Those of the data at ``index``, whole numbers or a mask."""
        tensors = {name: x[index] for name, x in vars(self).items() if isinstance(x, Tensor)}
        return self._with(**tensors)

    def labelled(self, labels: Array, classes: tuple[str, ...] = ()) -> Latents:
        """The same with these classes, (n,) whole numbers or text.

        Raises:
            DataError: another number of labels, or fractions.
        """
        numbers, names = _labels(labels, classes, len(self), self.origin)
        return self._with(labels=numbers, classes=names)

    def _with(self, **values: Any) -> Latents:
        out = object.__new__(Latents)
        for name, value in {**vars(self), **values}.items():
            object.__setattr__(out, name, value)
        return out

    def __repr__(self) -> str:
        kind = "latents" if self.std is None else "posteriors"
        return f"Latents({len(self)} {kind} of {self.shape}, {str(self._any.dtype).removeprefix('torch.')})"


_REMEDY = "The encoder has diverged (lower its learning rate, clip gradients), or its input was not finite"


def as_floats(x: Array, origin: str) -> Tensor:
    """``x`` as a floating tensor (n, ...) on the CPU, copied only where it must be.

    Raises:
        ShapeError: fewer than two axes.
        DataError: no values, or values that are no floating numbers.
    """
    if isinstance(x, Tensor):
        if x.layout is not torch.strided:
            raise DataError(f"{origin} is a tensor of layout {x.layout}; make it dense: tensor.to_dense()")
        tensor = x.detach().cpu()
        kind = str(tensor.dtype).removeprefix("torch.")
    else:
        if np.ma.is_masked(x):
            raise DataError(f"{origin} is a masked array with masked values; fill them, or leave these samples out")
        values = np.asarray(x)
        kind = str(values.dtype)
        if values.dtype.kind != "f" or values.dtype.itemsize > 8:
            tensor = torch.empty(values.shape, dtype=torch.int64, device="meta")
        else:
            native = np.asarray(values, dtype=values.dtype.newbyteorder("="))
            tensor = torch.from_numpy(native if native.flags.writeable else native.copy())
    if tensor.ndim < 2:
        raise ShapeError(
            f"{origin} has shape {tuple(tensor.shape)}; latents are (n, d), one row a datum: for {len(tensor)} latents "
            "of one dimension give z[:, None], for one latent alone there is nothing to measure"
            if tensor.ndim
            else f"{origin} is a single number; latents are (n, d), one row a datum"
        )
    if tensor.numel() == 0:
        raise DataError(f"{origin} holds no values (shape {tuple(tensor.shape)}); encode data first")
    if not tensor.is_floating_point():
        raise DataError(
            f"{origin} holds values of type {kind}, and latents are real numbers: whole numbers are pictures, classes "
            "or codes of a quantised model, which have no density to compare with a prior. Give what the encoder "
            "returns; if these really are latents, convert them: z.astype('float32')"
        )
    return tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float()


def _deviations(logvar: Tensor, origin: str) -> Tensor:
    """exp(½ log σ²), refused where that is 0 or infinite."""
    std = (0.5 * logvar).exp_()
    if not bool(torch.isfinite(std).all()) or not bool((std > 0).all()):
        low, high = float(logvar.min()), float(logvar.max())
        raise DataError(
            f"{origin}, logvar goes from {low:g} to {high:g}, and exp(½ logvar) is then 0 or infinite; log-variances "
            "of a working encoder lie between about -20 and 5: check that this is log σ²"
        )
    return std


def _check_positive(std: Tensor, origin: str) -> None:
    if bool((std > 0).all()):
        return
    count = int((std <= 0).sum())
    row, column = divmod(int((std <= 0).flatten().int().argmax()), std.shape[1])
    raise DataError(
        f"{origin}: {count} values are not positive, the first is {float(std[row, column]):g} in sample {row}, "
        f"dimension {column}. Log-variances are given as logvar= (--logvar); for a deterministic encoder leave std out"
    )


def _labels(
    labels: Array | None, classes: tuple[str, ...], n: int, origin: str
) -> tuple[Tensor | None, tuple[str, ...]]:
    if labels is None:
        return None, ()
    values = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    (numbers,), names = encode([Samples(np.empty((n, 0)), f"{origin}, labels", values, classes or None)])
    return numbers, names or ()
