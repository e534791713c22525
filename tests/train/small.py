"""A small real training that all tests of the loop share: scikit-learn's digits, a tiny net."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from lather.data import Dataset, load
from lather.divergences import Energy, Sliced, Wasserstein1d
from lather.models import Autoencoder, Bernoulli, Match, PosteriorKL, Reconstruction, SquaredError
from lather.models.nets import build_nets
from lather.models.objective import Objective
from lather.priors import StandardNormal


def digits() -> Dataset:
    return load("digits")


def tiny(objective: Objective | None = None, *, seed: int = 0, dropout: float = 0.0) -> Autoencoder:
    """Digits at d = 4; draws on every source of randomness: latent noise, directions, and dropout if asked."""
    objective = objective or Reconstruction() + PosteriorKL() + 5 * Match(Sliced(Wasserstein1d(), directions=8))
    torch.manual_seed(seed)
    width = 8 if objective.density else 4
    encoder, decoder = build_nets("mlp", (1, 8, 8), (4,), (width,), hidden=(32,))
    if dropout:
        decoder = torch.nn.Sequential(torch.nn.Dropout(dropout), decoder)
    likelihood = Bernoulli() if objective.density else SquaredError(squash="sigmoid")
    return Autoencoder(encoder, decoder, prior=StandardNormal(4), objective=objective, likelihood=likelihood)


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def rows(path: Path, split: str, names: Sequence[str] = ("step", "loss")) -> list[tuple[object, ...]]:
    from lather.train.metrics import read_metrics

    return [tuple(row[name] for name in names) for row in read_metrics(path / "metrics.jsonl") if row["split"] == split]


PLAIN = Reconstruction() + 5 * Match(Energy())
