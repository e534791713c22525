"""Rows: Holm's adjustment, colours, and the way to JSON and back."""

from __future__ import annotations

import json
import math

import pytest

from lather.auditing.row import Row, judge, worst
from lather.divergences.detection import DetectionSize
from lather.errors import RunError


def test(key: str, p: float, n: float) -> Row:
    size = DetectionSize(n, n / 2, 2 * n, 1000)
    return Row(key, key, effect=1.0, p=p, n_star=size, meaning="bad", all_clear="good", remedy="do")


test.__test__ = False  # type: ignore[attr-defined]


def test_holm() -> None:
    rows = judge([test("a", 0.01, 100), test("b", 0.04, 100), test("c", 0.03, 100), Row("d", "d", reason="no data")])
    assert [r.p_adjusted for r in rows] == pytest.approx([0.03, 0.06, 0.06, None])
    assert [r.verdict for r in rows] == ["red", "green", "green", "grey"]
    assert [r.meaning for r in rows[:2]] == ["bad", "good"]
    assert rows[1].n_star is not None
    assert not rows[1].n_star.detected


@pytest.mark.parametrize(("n", "colour"), [(249, "red"), (251, "amber"), (4999, "amber"), (5001, "green")])
def test_colours_follow_the_detection_size(n: float, colour: str) -> None:
    (row,) = judge([test("a", 1e-6, n)])
    assert row.verdict == colour
    assert (row.remedy == "") == (colour == "green")


def test_worst() -> None:
    assert worst([Row("a", "a"), Row("b", "b", verdict="green"), Row("c", "c", verdict="amber")]) == "amber"
    assert worst([Row("a", "a")]) == "grey"


def test_json_round_trip() -> None:
    row = Row("a", "A", effect=0.5, p=1e-16, p_is_bound=True, n_star=DetectionSize(math.inf, 10.0, math.inf, 10))
    data = json.loads(json.dumps(row.to_dict(), allow_nan=False))
    assert Row.from_dict(data) == row
    with pytest.raises(RunError, match="damaged"):
        Row.from_dict({"key": "a"})


def test_detection_size_in_words() -> None:
    size = DetectionSize(12_345.0, 9_876.0, math.inf, 20_000)
    assert str(size).replace("\u202f", " ") == "≈ 12 300 (9 880 to ∞)"
    assert f"{size:short}".replace("\u202f", " ") == "≈ 12 300"
