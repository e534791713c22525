"""What seeds say together: means, intervals, bounds, and who is certainly best."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from scipy import stats

from lather.comparing.columns import column
from lather.comparing.contender import Contender, contenders
from lather.comparing.result import Comparison, Run, Standing
from lather.comparing.size import size_over_seeds
from lather.comparing.table import plain
from lather.comparing.words import caution, conclusions
from lather.divergences import DetectionSize
from lather.errors import ConfigError


def seen(n: float, tested: int = 10_000) -> DetectionSize:
    return DetectionSize(n, n / 2, n * 2, tested)


def unseen(tested: int) -> DetectionSize:
    return DetectionSize(math.inf, tested, math.inf, tested)


def standing(name: str, distortions: list[float | None], sizes: list[DetectionSize], d: int = 2) -> Standing:
    contender = Contender(name, (d,))
    runs = [
        Run(contender, i, Path(f"{name}-{i}"), "broken" if x is None else None, size, "red", {"distortion": x})
        for i, (x, size) in enumerate(zip(distortions, sizes, strict=True))
    ]
    return Standing(contender, runs)


def comparison(*standings: Standing) -> Comparison:
    return Comparison(Path("out"), "digits", standings)


def test_n_star_is_averaged_on_a_logarithmic_scale() -> None:
    values = [100.0, 300.0, 500.0]
    found = size_over_seeds(map(seen, values))
    logs = [math.log(value) for value in values]
    low, high = stats.t.interval(0.95, 2, sum(logs) / 3, stats.sem(logs))
    assert found is not None
    assert found.n == pytest.approx(math.prod(values) ** (1 / 3))
    assert (found.low, found.high) == pytest.approx((math.exp(low), math.exp(high)))
    assert size_over_seeds([]) is None


def test_one_seed_has_no_interval() -> None:
    found = size_over_seeds([seen(70)])
    assert found is not None
    assert (found.n, found.low, found.high) == (pytest.approx(70), None, None)
    assert str(found) == "70"
    lone = standing("ae", [0.5], [seen(70)])
    assert lone.interval(column("distortion")) is None
    assert "One seed" in str(caution(comparison(lone)))


def test_an_n_star_that_was_not_seen_is_a_bound() -> None:
    every = size_over_seeds([unseen(1000)] * 3)
    assert every is not None
    assert str(every) == "> 1000"
    assert (every.low, every.high) == (pytest.approx(500), math.inf)
    some = size_over_seeds([unseen(1000), seen(10)])
    assert some is not None
    assert (some.low, some.high, some.at_least, some.of) == (None, None, 1, 2)
    assert str(some) == "> 100"
    alone = size_over_seeds([unseen(1000)])
    assert alone is not None
    assert alone.low is None


def test_an_interval_does_not_go_below_what_is_possible() -> None:
    found = size_over_seeds([seen(2), seen(20)])
    assert found is not None
    assert found.low == 2


def test_best_is_named_only_where_it_is_certain() -> None:
    good = standing("good", [0.10, 0.11, 0.105], [seen(10)] * 3)
    poor = standing("poor", [0.50, 0.51, 0.505], [unseen(1000)] * 3)
    wild = standing("wild", [0.10, 0.60, 0.12], [seen(10), seen(900), seen(400)])
    distortion, size = column("distortion"), column("n_star")
    assert comparison(good, poor).best(distortion) == [good]
    assert comparison(good, poor).best(size) == [poor]
    assert comparison(good, wild).best(distortion) == []
    assert comparison(good).best(distortion) == []  # no rival
    assert comparison(good, standing("other", [0.9] * 3, [seen(10)] * 3, d=8)).best(distortion) == []  # nor here
    once = standing("once", [0.9], [seen(1)])
    assert comparison(good, once).best(distortion) == []  # one seed says nothing about its scatter
    said = conclusions(comparison(good, poor))
    assert "Least distortion: good, certainly (its interval is apart from all others)." in said
    assert "Least distortion: good; with these seeds it cannot be told from wild." in conclusions(
        comparison(good, wild)
    )
    twice = comparison(once, standing("other", [0.8], [seen(1)]))
    assert conclusions(twice)[0] == "Least distortion: other, but nothing is certain without intervals."


def test_failed_runs_are_counted_and_named() -> None:
    text = plain(comparison(standing("half", [0.1, None], [seen(5)] * 2), standing("none", [None], [seen(5)])))
    assert "1 of 2" in text
    assert "0 of 1" in text
    assert "failed: half, d = 2, seed 1: broken" in text


def test_contenders_are_checked_before_anything_is_trained() -> None:
    grid = contenders(["ae", "cwae:weight=5", "cwae"], [(2,), (4, 3, 3)], {})
    assert [c.label for c in grid][:3] == ["ae, d = 2", "cwae weight=5, d = 2", "cwae, d = 2"]
    assert grid[-1].dimensions == "3x3x4"
    for recipes, words in (
        (["nope"], "no recipe"),
        (["cwae:weigth=5"], "no option"),
        (["cwae:weight"], "cwae:weight=5"),
        (["ae", "ae"], "twice"),
        ([], "at least one"),
    ):
        with pytest.raises(ConfigError, match=words):
            contenders(recipes, [(2,)], {})
    with pytest.raises(ConfigError, match="no option"):
        contenders(["ae"], [(2,)], {"weight": 3})
