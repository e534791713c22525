"""Numbers with the uncertainty that few seeds leave; the same for every set of trainings."""

from __future__ import annotations

from lather.jobs.estimate import Estimate, estimate, short

__all__ = ["Estimate", "estimate", "short"]
