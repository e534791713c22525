"""Likelihood rows: what they say and what they refuse to say."""

from __future__ import annotations

import pytest

from lather.auditing.likelihood import bits_row, bounds_row, elbo_row
from lather.errors import DataError


def test_bounds_that_still_grow_and_bounds_that_have_levelled_off() -> None:
    row = bounds_row({64: -95.0, 1: -100.0, 8: -97.0})
    assert row.details["table"]["rows"] == [[1, -100.0], [8, -97.0], [64, -95.0]]
    assert (row.effect, row.details["gain"], row.details["last_step"]) == (-95.0, 5.0, 2.0)
    assert "the true value is higher" in row.meaning
    assert "5.0 more than the ELBO" in row.meaning
    assert "added only 0.05" in bounds_row({1: -100.0, 8: -97.0, 64: -96.95}).meaning


def test_bounds_that_fall_are_noise_and_said_to_be() -> None:
    row = bounds_row({1: -100.0, 8: -101.0})
    assert row.details["rises"] is False
    assert "noise hides the gain" in row.meaning


@pytest.mark.parametrize("bounds", [{}, {1: -3.0}, {8: -3.0, 64: -2.0}])
def test_one_bound_is_no_curve(bounds: dict[int, float]) -> None:
    with pytest.raises(DataError, match="K = 1 and at least one larger K"):
        bounds_row(bounds)


def test_a_cross_entropy_is_never_called_a_likelihood() -> None:
    for row in (elbo_row(-80.0, likelihood=False), bounds_row({1: -80.0, 8: -79.0}, likelihood=False)):
        assert "no likelihood" in row.meaning
        assert "cross-entropy" in row.title
    assert "at most 1.5 bits" in bits_row(1.5, "from somewhere").meaning
