"""What every study shares: estimates with intervals, a page that escapes what it shows, tables as CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lather.auditing.theme import Theme, blank
from lather.errors import ConfigError, DataError
from lather.studies import STUDIES, Claim, Findings, Picture, Section, Table, estimate, study


def test_an_estimate_is_students_interval() -> None:
    values = np.random.default_rng(0).normal(3, 2, 7)
    found = estimate(values)
    low, high = stats.t.interval(0.95, 6, values.mean(), values.std(ddof=1) / math.sqrt(7))
    assert (found.mean, found.low, found.high) == pytest.approx((values.mean(), low, high))


def test_one_value_has_no_interval_and_decides_nothing() -> None:
    one, two = estimate([1.0]), estimate([2.0, 2.1, 1.9])
    assert math.isnan(one.low)
    assert one.below(two) is None
    assert estimate([1.0, 1.1, 0.9]).below(two) is True
    assert two.below(estimate([1.0, 1.1, 0.9])) is False
    assert str(one) == "1"
    assert str(estimate([])) == "–"


def findings() -> Findings:
    def draw(theme: Theme):  # type: ignore[no-untyped-def]
        figure, axes = blank(theme)
        axes.plot([0, 1], [0, 1], color=theme.data)
        return figure

    rows = [
        {"model": "<script>alert(1)</script>", "gap": estimate([1.0, 2.0, 3.0]), "n": 3},
        {"model": "ae", "gap": None, "n": float("nan")},
    ]
    section = Section(
        "What was done", ["Words."], [Picture("line", "A line", "It rises.", draw)], [Table("t", "T", rows)]
    )
    claim = Claim("Everything is <b>fine</b>", "fails", "It is not.")
    return Findings(
        "noise", "Why & how?", ["Because."], [claim], [section], {"data": "digits"}, ["ae, seed 1: <i>no</i>"]
    )


def test_what_is_saved_can_be_read_by_people_and_programs(tmp_path: Path) -> None:
    page = findings().save(tmp_path).read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>fine" not in page
    assert "<i>no" not in page
    assert "Why &amp; how?" in page
    assert page.count("data:image/png;base64,") == 2  # light and dark
    assert "http" not in page.replace("http-equiv", "")
    saved = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    first, second = saved["tables"]["t"]["rows"]
    assert first["gap"]["values"] == [1.0, 2.0, 3.0]
    assert second == {"model": "ae", "gap": None, "n": None}
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as handle:
        lines = list(csv.reader(handle))
    assert lines[0] == ["model", "gap", "gap low", "gap high", "n"]
    assert float(lines[1][1]) == 2.0
    assert (tmp_path / "line.png").read_bytes().startswith(b"\x89PNG")


def test_rows_of_a_table_must_agree() -> None:
    with pytest.raises(ValueError, match="columns"):
        Table("t", "T", [{"a": 1}, {"b": 2}])


def test_wrong_questions_are_refused_with_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="noise, prior, gaussian, dimension"):
        study("sound", out=tmp_path)
    with pytest.raises(ConfigError, match="seeds=0"):
        study("noise", data="digits", seeds=0, out=tmp_path)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(200, 5)))
    with pytest.raises(DataError, match="pictures"):
        study("noise", data=str(tmp_path / "x.npy"), out=tmp_path)


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_can_be_loaded(name: str) -> None:
    assert callable(STUDIES[name].load())
