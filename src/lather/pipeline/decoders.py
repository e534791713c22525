"""What makes data of latents: a function, a module, a trained run, or an ONNX file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lather.errors import ConfigError, DataError, ShapeError
from lather.pipeline.onnx_decoder import OnnxDecoder
from lather.train import Run, open_run

__all__ = ["Decoder", "make_decoder", "run_of"]

Decoder = Callable[[Tensor], Any]


def make_decoder(decoder: Decoder | Run | str | Path, shape: tuple[int, ...]) -> Callable[[Tensor], Tensor]:
    """A function from latents (m, \\*shape) on the CPU to data (m, ...) on the CPU.

    Modules are called in evaluation mode, on their own device and in their own dtype, and left as they were.

    Args:
        decoder: a function or module that takes latents of this shape; a run or its directory (the mean of p(x|z));
            the path of an ``.onnx`` file.
        shape: of one latent, ``(d,)`` or ``(c, h, w)``.

    Raises:
        DataError: a path that leads to neither a run nor an ONNX file.
        ShapeError: latents of another size than the decoder reads.
    """
    run = run_of(decoder)
    if run is not None:
        model, d = run.model.eval(), torch.Size(shape).numel()
        if model.prior.d != d:
            raise ShapeError(
                f"the decoder of {run.path or 'this run'} reads latents of {model.prior.d} numbers (shape "
                f"{model.latent_shape}), and these have {d}; give the run that the latents come from"
            )
        like = next(model.parameters())
        return lambda z: model.decode(z.to(like)).mean.cpu()
    if isinstance(decoder, (str, Path)):
        path = Path(decoder).expanduser()
        if path.suffix.lower() != ".onnx":
            raise DataError(
                f"{str(decoder)!r} is no decoder: give the directory of a run, an .onnx file (torch.onnx.export writes "
                "one), or, from Python, a function"
            )
        return OnnxDecoder(path, shape)
    if isinstance(decoder, nn.Module):
        return _module(decoder)
    assert not isinstance(decoder, Run)
    return _function(decoder)


def run_of(decoder: Any) -> Run | None:
    """The run that this is, or whose directory this is."""
    if isinstance(decoder, Run):
        return decoder
    if isinstance(decoder, (str, Path)) and (Path(decoder).expanduser() / "config.json").is_file():
        return open_run(Path(decoder).expanduser())
    return None


def _module(module: nn.Module) -> Callable[[Tensor], Tensor]:
    like = next((t for t in module.parameters() if t.is_floating_point()), torch.empty(0))

    def decode(z: Tensor) -> Tensor:
        with _evaluating(module):
            return _tensor(module(z.to(like)))

    return decode


def _function(function: Decoder) -> Callable[[Tensor], Tensor]:
    if not callable(function):
        raise ConfigError(
            f"decoder={type(function).__name__} cannot be called; give a function of latents, a module, a run, or the "
            "path of an .onnx file"
        )
    return lambda z: _tensor(function(z))


@contextlib.contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Without dropout and with the running means of batch normalisation, for as long as the block runs."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def _tensor(output: Any) -> Tensor:
    """What a decoder returned, as a tensor; of an output object as diffusers has them, its ``sample``."""
    output = getattr(output, "sample", output) if not isinstance(output, Tensor) else output
    if callable(output):
        raise DataError("the decoder returned a distribution; return its mean: lambda z: decoder(z).mean")
    try:
        return torch.as_tensor(output).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the decoder returned {type(output).__name__} ({error}); return one tensor (m, ...) with the data"
        ) from None
