"""Recipes side by side: a grid of trainings, and which differences between them are certain."""

from __future__ import annotations

from lather.comparing.contender import Contender
from lather.comparing.result import Comparison, Run, Standing, Tuned
from lather.comparing.run import compare

__all__ = ["Comparison", "Contender", "Run", "Standing", "Tuned", "compare"]
