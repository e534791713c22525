"""Two audits side by side: which is better, where that cannot be said, and the page and card that say so."""

from __future__ import annotations

import io
import math

import pytest
import torch
from rich.console import Console

from lather.auditing import Report, Row, measure_latents
from lather.auditing.compare_card import plain_comparison, print_comparison
from lather.auditing.compare_page import render_comparison
from lather.auditing.comparison import better, compared, conclusion, differences
from lather.divergences.detection import DetectionSize
from lather.errors import DataError
from lather.priors import StandardNormal

pytestmark = pytest.mark.usefixtures("few_draws")

HOSTILE = "<b onclick=x>\x1b[2J"


@pytest.fixture(scope="module")
def pair() -> list[Report]:
    g = torch.Generator().manual_seed(2)
    z = torch.randn(400, 3, generator=g)
    return [
        measure_latents(scale * z, StandardNormal(3), context={"data": "same"}, further=[Row(f"own_{i}", "own row")])
        for i, scale in enumerate((1.0, 2.0))
    ]


def sized(n: float, low: float, high: float, tested: int = 1000) -> Row:
    return Row("radius", "r", effect=1.0, n_star=DetectionSize(n, low, high, tested), verdict="amber")


def test_better_only_where_intervals_are_apart() -> None:
    assert better([sized(100, 80, 120), sized(300, 200, 400)]) == 1
    assert better([sized(100, 80, 250), sized(300, 200, 400)]) is None
    unseen = sized(math.inf, 1000, math.inf)
    assert better([sized(100, 80, 120), unseen]) == 1
    assert better([unseen, unseen]) is None
    assert better([sized(5000, 3000, 9000, 10_000), unseen]) is None  # 1000 samples would not have seen it, either
    assert better([sized(10, 9, 11), sized(30, 20, 40), sized(100, 80, 120)]) == 2
    assert better([Row("elbo", "e", effect=-80.0), Row("elbo", "e", effect=-90.0)]) == 0
    assert better([Row("two_nn", "t", effect=3.0), Row("two_nn", "t", effect=5.0)]) is None
    assert better([Row("elbo", "e", effect=-80.0), Row("elbo", "e", reason="none")]) is None
    assert better([Row("elbo", "e", effect=-80.0), None]) is None


def test_pictures_of_other_data_are_not_compared() -> None:
    def report(data: str, value: float) -> Report:
        return Report(9, 2, "p", 0, {"elbo": Row("elbo", "bound", effect=value)}, {"data": data})

    (group,) = compared([report("a", -1.0), report("a", -2.0)], ["x", "y"])
    assert (group.rows[0].best, group.rows[0].words) == (0, "x")
    (group,) = compared([report("a", -1.0), report("b", -2.0)], ["x", "y"])
    assert (group.rows[0].best, group.rows[0].words) == (None, "")
    assert "data" in differences([report("a", 1.0), report("b", 1.0)], ["x", "y"])[0]


def test_the_page_shows_both_and_escapes_names(pair: list[Report]) -> None:
    page = render_comparison(pair, ["matched", HOSTILE])
    assert "<b " not in page
    assert "&lt;b onclick=x&gt;" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    for report in pair:
        assert report.headline in page
    assert "matched is harder to tell from its prior" in page
    for row in {**pair[0].rows, **pair[1].rows}.values():
        assert row.title[1:] in page
    assert page.count("not in this report") == 2
    assert page.count("<img ") == 14  # seven pictures of each


def test_the_card_shows_both(pair: list[Report]) -> None:
    text = plain_comparison(pair, ["matched", HOSTILE])
    assert "\x1b" not in text
    spread = next(line for line in text.splitlines() if "Spread and correlation" in line)
    assert "green" in spread
    assert "red" in spread
    assert spread.rstrip().endswith("matched")
    pipe, terminal = io.StringIO(), io.StringIO()
    print_comparison(pair, ["matched", "wide"], Console(file=pipe, force_terminal=False))
    assert pipe.getvalue() == plain_comparison(pair, ["matched", "wide"]) + "\n"
    print_comparison(pair, ["matched", HOSTILE], Console(file=terminal, force_terminal=True, width=120))
    assert "\x1b[2J" not in terminal.getvalue()
    assert "Spread and correlation" in terminal.getvalue()


def test_equal_reports_are_alike(pair: list[Report]) -> None:
    assert conclusion([pair[1], pair[1]], ["a", "b"]).startswith("None is clearly")
    assert all(row.best is None for group in compared([pair[1], pair[1]], ["a", "b"]) for row in group.rows)


def test_one_report_is_no_comparison(pair: list[Report]) -> None:
    with pytest.raises(DataError, match="at least two"):
        render_comparison(pair[:1], ["a"])
    with pytest.raises(DataError, match="as many names"):
        plain_comparison(pair, ["a"])
