"""Repairs are tested for what they do; p-values and pictures have tests of their own."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_reports(few_draws: None, no_pictures: None) -> None:
    """Nulls of 99 draws, pages without pictures."""
