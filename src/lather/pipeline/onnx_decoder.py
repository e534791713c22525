"""A decoder in an ONNX file, run by onnxruntime on the CPU."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.errors import DataError, MissingExtraError, ShapeError

__all__ = ["OnnxDecoder"]

_SAFE = (1, 24, 1)  # the first release that keeps a model to files of its own folder
_DTYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


class OnnxDecoder:
    """Latents (m, \\*shape) → data (m, ...), as the graph of an ``.onnx`` file computes it.

    The graph runs with the operators that onnxruntime brings, on the CPU; no library of further operators is loaded.
    Latents are given the shape that the input declares, if it has as many numbers; a fixed batch size is met by
    filling the last batch up.

    Args:
        path: the file; ``torch.onnx.export(decoder.eval(), (z,), path, dynamo=True)`` writes one.
        shape: of one latent.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        DataError: no ONNX file, not one floating input and one output, or a graph that fails.
        ShapeError: an input of another size than the latents.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("onnxruntime", "onnx", f"decoding with {Path(path).name}") from None
        self.path = Path(path)
        if _release(onnxruntime.__version__) < _SAFE:
            raise DataError(
                f"onnxruntime {onnxruntime.__version__} lets a model name files outside its own folder as its weights, "
                f"and {self.path} could; upgrade to {'.'.join(map(str, _SAFE))} or newer (on Python 3.11 or newer): "
                "pip install -U onnxruntime"
            )
        if not self.path.is_file():
            raise DataError(f"{self.path} does not exist; check the spelling")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # fatal only: what fails is raised, and said once
        try:
            self._session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a class for each status, without a common one of its own
            raise DataError(
                f"{self.path} is not an ONNX model that onnxruntime can run ({_short(error)}); export it again"
            ) from None
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            names = [", ".join(repr(side.name) for side in sides) or "none" for sides in (inputs, outputs)]
            raise DataError(
                f"{self.path} has {len(inputs)} inputs ({names[0]}) and {len(outputs)} outputs ({names[1]}); export "
                "the decoder alone, from one tensor of latents to one of data"
            )
        self._name, self.batch = inputs[0].name, _length(inputs[0].shape[0]) if inputs[0].shape else None
        if inputs[0].type not in _DTYPES:
            raise DataError(
                f"{self.path}: the input {self._name!r} takes {inputs[0].type}, and latents are floating numbers; "
                "export the decoder with a floating input"
            )
        self._dtype = _DTYPES[inputs[0].type]
        self.shape = _fitting(inputs[0].shape, shape, f"{self.path}: the input {self._name!r}")

    def __call__(self, z: Tensor) -> Tensor:
        """Data of latents (m, ...), any m ≥ 1."""
        values = z.detach().cpu().reshape(len(z), *self.shape).numpy().astype(self._dtype)
        step = self.batch or len(values)
        parts = [self._run(values[start : start + step]) for start in range(0, len(values), step)]
        return torch.from_numpy(np.concatenate(parts))

    def _run(self, values: np.ndarray) -> np.ndarray:
        m = len(values)
        if self.batch is not None and m < self.batch:
            values = np.concatenate([values, np.repeat(values[-1:], self.batch - m, axis=0)])
        try:
            (out,) = self._session.run(None, {self._name: values})
        except Exception as error:
            hint = "; if it was exported for one batch size, export it with a dynamic one" if m > 1 else ""
            raise DataError(f"{self.path} failed on {len(values)} latents ({_short(error)}){hint}") from None
        if not isinstance(out, np.ndarray) or out.ndim < 2 or len(out) != len(values):
            found = f"shape {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise DataError(f"{self.path} made {found} of {len(values)} latents; it must return (m, ...), a row each")
        return out[:m].astype(np.float32)


def _length(size: Any) -> int | None:
    """A fixed length; ``None`` for one that may vary, which ONNX names or leaves out."""
    return size if isinstance(size, int) and size > 0 else None


def _fitting(declared: list[Any], shape: tuple[int, ...], what: str) -> tuple[int, ...]:
    """The shape in which one latent is handed over.

    Example:
        >>> _fitting(["n", 32], (2, 4, 4), "input"), _fitting([1, 2, None, "w"], (2, 4, 4), "input")
        ((32,), (2, 4, 4))
    """
    sizes = [_length(size) for size in declared[1:]]
    d = math.prod(shape)
    for candidate in (shape, (d,)):
        if len(candidate) == len(sizes) and all(s in (None, c) for s, c in zip(sizes, candidate, strict=True)):
            return candidate
    if sizes and None not in sizes and math.prod(size for size in sizes if size) == d:
        return tuple(size for size in sizes if size)
    shown = ", ".join(str(size) if size else "?" for size in declared)
    raise ShapeError(
        f"{what} has shape ({shown}), and one latent has shape {shape}, {d} numbers; export the decoder that belongs "
        "to these latents, with the batch as its first axis"
    )


def _release(version: str) -> tuple[int, ...]:
    """1.24.1 as (1, 24, 1), whatever follows."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
