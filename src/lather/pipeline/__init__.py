"""From a trained run, or latents of any model, to a report."""

from __future__ import annotations

from lather.pipeline.audit import audit
from lather.pipeline.runs import measure, reload_data

__all__ = ["audit", "measure", "reload_data"]
