"""Sets of independent trainings: what each is, how they are spread over processes, and how each of them ended."""

from __future__ import annotations

from lather.jobs.engine import Outcome, carry_out, open_pool
from lather.jobs.job import Job
from lather.jobs.train import finished, train_job

__all__ = ["Job", "Outcome", "carry_out", "finished", "open_pool", "train_job"]
