"""Nets by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lather.errors import ConfigError, LatherError
from lather.models.nets.base import Decoder, Encoder
from lather.models.nets.conv import ConvDecoder, ConvEncoder
from lather.models.nets.mlp import MLPDecoder, MLPEncoder
from lather.models.nets.residual import ResidualDecoder, ResidualEncoder

__all__ = ["NETS", "Family", "build_nets", "choose_nets"]


class Family(NamedTuple):
    """An encoder and the decoder that mirrors it."""

    encoder: type[Encoder]
    decoder: type[Decoder]
    summary: str


NETS: dict[str, Family] = {
    "mlp": Family(MLPEncoder, MLPDecoder, "multi-layer perceptron, for features and tiny images"),
    "conv": Family(ConvEncoder, ConvDecoder, "plain convolutions, the default for images"),
    "residual": Family(ResidualEncoder, ResidualDecoder, "residual blocks, better on photographs and slower"),
}

_TINY = 12 * 12  # pixels, up to which a perceptron is both faster and better than convolutions


def choose_nets(data_shape: Sequence[int], latent_shape: Sequence[int]) -> str:
    """The name that ``"auto"`` stands for: ``conv`` for images and spatial latents, ``mlp`` for anything else.

    Example:
        >>> choose_nets((1, 8, 8), (2,)), choose_nets((1, 28, 28), (8,)), choose_nets((30,), (4,))
        ('mlp', 'conv', 'mlp')
    """
    if len(data_shape) != 3 or min(data_shape[1:]) < 4:
        return "mlp"
    return "mlp" if len(latent_shape) == 1 and math.prod(data_shape[1:]) <= _TINY else "conv"


def build_nets(
    name: str,
    data_shape: Sequence[int],
    latent_shape: Sequence[int],
    output_shape: Sequence[int],
    **options: Any,
) -> tuple[Encoder, Decoder]:
    """An encoder and a decoder for data and latents of the given shapes.

    Args:
        name: a key of ``NETS``, or ``"auto"``, see :func:`choose_nets`.
        data_shape: shape of one sample, (features,) or (C, H, W).
        latent_shape: shape of one latent, (d,) or (c, h, w).
        output_shape: what the encoder returns for each sample: ``posterior.output_shape(latent_shape)``.
        **options: what the nets take besides: ``hidden`` (mlp: the widths of all its
            hidden layers; conv: that of the one next to a flat latent), ``width`` (conv, residual), ``blocks``
            (residual), ``spectral_norm`` (of the decoder's layers).

    Raises:
        ConfigError: an unknown name or option, or shapes the nets cannot connect.

    Example:
        >>> import torch
        >>> encoder, decoder = build_nets("auto", (1, 28, 28), (8,), (16,), width=16)
        >>> type(encoder).__name__, decoder(torch.zeros(2, 8)).shape
        ('ConvEncoder', torch.Size([2, 1, 28, 28]))
    """
    if name == "auto":
        name = choose_nets(data_shape, latent_shape)
    if name not in NETS:
        raise ConfigError(f"there are no nets called {name!r}; choose one of auto, {', '.join(NETS)}")
    family = NETS[name]
    of_encoder, of_decoder = family.encoder.options(), family.decoder.options()
    known = {**of_encoder, **of_decoder}
    if unknown := sorted(set(options) - set(known)):
        raise ConfigError(
            f"the {name!r} nets do not take {', '.join(unknown)}; they take "
            + ", ".join(f"{key} (default {default})" for key, default in known.items())
        )
    options = {  # one number where a list is meant is a list of one
        key: (value,) if isinstance(known[key], tuple) and isinstance(value, int) else value
        for key, value in options.items()
    }
    try:
        encoder = family.encoder(
            data_shape, latent_shape, output_shape, **{key: v for key, v in options.items() if key in of_encoder}
        )
        decoder = family.decoder(
            latent_shape, data_shape, **{key: v for key, v in options.items() if key in of_decoder}
        )
    except LatherError:
        raise
    except Exception as error:  # a value of the wrong kind fails wherever it is first used
        if not options:
            raise
        raise ConfigError(
            f"the {name!r} nets cannot be built with {_listed(options)} ({str(error)[:200]}); values such as the "
            f"defaults work: {_listed(known)}"
        ) from error
    return encoder, decoder


def _listed(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r:.60}" for key, value in options.items())
