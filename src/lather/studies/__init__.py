"""The questions that users ask of latent spaces, answered by experiment."""

from __future__ import annotations

from lather.studies.estimate import Estimate, estimate
from lather.studies.findings import Claim, Findings, Picture, Section, Table
from lather.studies.plan import Plan, Trained
from lather.studies.registry import STUDIES, study

__all__ = [
    "STUDIES",
    "Claim",
    "Estimate",
    "Findings",
    "Picture",
    "Plan",
    "Section",
    "Table",
    "Trained",
    "estimate",
    "study",
]
