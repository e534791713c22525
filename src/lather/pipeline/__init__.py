"""From a trained run, or latents of any model, to a report."""

from __future__ import annotations

from lather.pipeline.runs import measure, reload_data

__all__ = ["measure", "reload_data"]
