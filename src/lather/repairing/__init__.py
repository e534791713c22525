"""Repair: fit what the latents really follow, score it on latents it never saw, and draw from that instead."""

from __future__ import annotations

from lather.repairing.candidates import CANDIDATES
from lather.repairing.job import repair
from lather.repairing.result import Repair
from lather.repairing.scores import Score

__all__ = ["CANDIDATES", "Repair", "Score", "repair"]
