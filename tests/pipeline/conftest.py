"""Reports of runs and files are tested for what they do; p-values have tests of their own."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def quick_nulls(few_draws: None) -> None:
    """Nulls of 99 draws."""
