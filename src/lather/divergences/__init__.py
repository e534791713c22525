"""Divergences between a batch of latents and a prior, one file per method."""

from __future__ import annotations

from lather.divergences.algebra import DivergenceSum, Log, Weighted
from lather.divergences.base import Divergence

__all__ = ["Divergence", "DivergenceSum", "Log", "Weighted"]
