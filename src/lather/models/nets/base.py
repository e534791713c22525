"""What Lather's own nets share: shapes known at construction, a head that starts latents at order one."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
import torch.nn.utils.parametrizations
from jaxtyping import Float
from torch import Tensor, nn

from lather.errors import ConfigError, ShapeError
from lather.spec import Spec

__all__ = ["SILU_GAIN", "Decoder", "Encoder", "bound_layers", "image_shape", "start_codes", "start_silu"]

SILU_GAIN = 1.68  #: 1 / root mean square of silu(N(0, 1))


class _Net(Spec, nn.Module):
    summary: ClassVar[str] = ""  #: one line for listings
    reads: tuple[int, ...]
    returns: tuple[int, ...]

    def __init__(self, reads: Sequence[int], returns: Sequence[int]) -> None:
        super().__init__()
        self.reads, self.returns = tuple(reads), tuple(returns)

    def forward(self, x: Float[Tensor, "b *reads"]) -> Float[Tensor, "b *returns"]:
        """From (b, *reads) to (b, *returns)."""
        if tuple(x.shape[1:]) != self.reads:
            raise ShapeError(
                f"this {type(self).__name__} was built for samples of shape {self.reads}, but got a batch of shape "
                f"{tuple(x.shape)}; pass (b, {', '.join(map(str, self.reads))}) or build the net for that shape"
            )
        return self.net(x)

    @classmethod
    def options(cls) -> dict[str, Any]:
        """The settings besides shapes, with their defaults."""
        parameters = inspect.signature(cls).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def net(self, x: Tensor) -> Tensor:
        """The computation, on a batch of the right shape."""
        raise NotImplementedError


class Encoder(_Net):
    """Base of the encoders: data in, what a posterior reads out.

    Normalisation over the batch (BatchNorm) is avoided in all nets here: with it the latent of one image
    depends on the images beside it, so a divergence in training and an audit afterwards look at different
    latents, the statistics differ between processes, and a resumed run has more state to keep exact.

    Args:
        data_shape: shape of one sample.
        latent_shape: shape of one latent, (d,) or (c, h, w).
        output_shape: what to return for each sample, from ``Posterior.output_shape``; its first
            ``latent_shape[0]`` entries along axis 0 are the code.
    """

    def __init__(self, data_shape: Sequence[int], latent_shape: Sequence[int], output_shape: Sequence[int]) -> None:
        super().__init__(data_shape, output_shape)
        self.latent_shape = tuple(latent_shape)
        if self.returns[1:] != self.latent_shape[1:] or self.returns[0] < self.latent_shape[0]:
            raise ConfigError(
                f"an encoder for latents of shape {self.latent_shape} cannot return {self.returns} per sample; "
                "use posterior.output_shape(latent_shape)"
            )


class Decoder(_Net):
    """Base of the decoders: a latent in, what a likelihood reads out.

    Args:
        latent_shape: shape of one latent, (d,) or (c, h, w).
        data_shape: what to return for each sample, from ``Likelihood.param_shape``.
    """

    def __init__(self, latent_shape: Sequence[int], data_shape: Sequence[int]) -> None:
        super().__init__(latent_shape, data_shape)


def start_codes(head: nn.Linear | nn.Conv2d, codes: int, gain: float = 1.0) -> None:
    """Initialise an encoder's last layer, of ``codes`` code channels first and then spreads, if any.

    Codes start with order-one values (divergences from N(0, I) see a sane batch at once); the rest, from which
    a posterior makes log variances and correlations, starts near 0, that is near σ = 1.

    Args:
        head: the last layer.
        codes: how many of its outputs are codes.
        gain: 1 / root mean square of its inputs.
    """
    with torch.no_grad():
        head.weight.normal_(std=gain / math.sqrt(head.weight[0].numel()))
        head.weight[codes:] *= 0.1
        if head.bias is not None:
            head.bias.zero_()


def start_silu(module: nn.Module, gain: float = SILU_GAIN) -> None:
    """Initialise ``module`` and all layers below it; biases are 0. By default signals keep their size through SiLUs."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            fan_in = float(layer.weight[0].numel())
        elif isinstance(layer, nn.ConvTranspose2d):
            # an output pixel is covered by kernel/stride taps along each axis
            fan_in = layer.in_channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
        else:
            continue
        nn.init.normal_(layer.weight, std=gain / math.sqrt(fan_in))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class _Scaled(nn.Module):
    """A parametrisation: the weight times ``bound``."""

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.bound = bound

    def forward(self, weight: Tensor) -> Tensor:
        return self.bound * weight


def bound_layers(net: nn.Module, bound: float | None) -> None:
    r"""Give every linear map and convolution in ``net`` the spectral norm ``bound``; ``None`` leaves them alone.

    The weight becomes bound · W / σ(W), σ estimated by one step of power iteration at each forward pass in training.
    Of a convolution, W is the kernel as a matrix (outputs × everything else), as in Miyato, Kataoka, Koyama, Yoshida,
    *Spectral Normalization for Generative Adversarial Networks*, 2018, arXiv:1802.05957: the norm of the map itself is
    at most the square root of the number of its taps times that.

    Raises:
        ConfigError: a bound that is not positive.
    """
    if bound is None:
        return
    if not (math.isfinite(bound) and bound > 0):
        raise ConfigError(f"the spectral norm of a layer is bounded by a positive number, got {bound!r}; 3 is a start")
    for layer in list(net.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.utils.parametrizations.spectral_norm(layer)
            nn.utils.parametrize.register_parametrization(layer, "weight", _Scaled(float(bound)))


def image_shape(shape: Sequence[int], net: str) -> tuple[int, int, int]:
    """``shape`` as (channels, height, width) of an image that ``net`` can work on.

    Raises:
        ConfigError: it is no image, or smaller than 4 × 4.
    """
    if len(shape) != 3 or min(shape[1:]) < 4:
        raise ConfigError(
            f"{net} works on images (channels, height, width) of at least 4 × 4, got samples of shape "
            f"{tuple(shape)}; use the 'mlp' nets for features and smaller images"
        )
    channels, height, width = shape
    return channels, height, width
