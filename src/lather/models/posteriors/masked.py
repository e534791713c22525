"""A network whose output for one coordinate looks at the coordinates before it only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["MaskedNet"]


class MaskedNet(nn.Module):
    r"""MADE: numbers for every coordinate of z from the coordinates before it and from a context h.

    Every unit has a degree; weights from a unit to one of lower degree (to one of no higher degree, in the last
    layer) are held at zero. The context is seen by all. The last layer starts at 0, and so does the output.

    Reference: Germain, Gregor, Murray, Larochelle, *MADE: Masked Autoencoder for Distribution Estimation*, 2015,
    arXiv:1502.03509.

    Args:
        d: coordinates.
        context: numbers in h.
        hidden: widths of the hidden layers, at least one.
        outputs: numbers for each coordinate.
        reverse: take the coordinates in the order d, …, 1.
    """

    def __init__(self, d: int, context: int, hidden: Sequence[int], outputs: int, *, reverse: bool = False) -> None:
        super().__init__()
        order = torch.arange(1, d + 1)
        order = order.flip(0) if reverse else order
        # degree 0 sees the context alone, which is all that the first coordinate's output may do
        degrees = [order, *(torch.arange(width) % d for width in hidden)]
        self.context = nn.Linear(context, hidden[0])
        self.layers = nn.ModuleList(
            _MaskedLinear(after[:, None] >= before) for before, after in itertools.pairwise(degrees)
        )
        self.last = _MaskedLinear(order.repeat(outputs)[:, None] > degrees[-1])
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.shape = (outputs, d)

    def forward(self, z: Float[Tensor, "*n b d"], h: Float[Tensor, "b c"]) -> Float[Tensor, "*n b outputs d"]:
        first, *rest = self.layers
        x = nn.functional.elu(first(z) + self.context(h))
        for layer in rest:
            x = nn.functional.elu(layer(x))
        return self.last(x).unflatten(-1, self.shape)


class _MaskedLinear(nn.Linear):
    """A linear layer with some weights held at zero.

    Args:
        mask: where weights are, (outputs, inputs).
    """

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight * self.mask, self.bias)
