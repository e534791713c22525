"""What the study of priors says follows from its numbers: others give other sentences. All numbers here are made up."""

from __future__ import annotations

import math

import pytest

from lather.studies import prior_claims as claims
from lather.studies.prior_kinds import GAN, LARGE, NORMAL, PLAIN, UNIT, VAE, WIDE

Numbers = dict[str, dict[str, dict[int, float]]]


def numbers(**kinds: dict[str, float]) -> Numbers:
    """Three seeds of each number, a hundredth apart."""
    return {
        kind: {name: {s: value * (1 + 0.01 * s) for s in range(3)} for name, value in measures.items()}
        for kind, measures in kinds.items()
    }


@pytest.mark.parametrize(
    ("normal", "box", "fitted", "expected"),
    [(0.0, 0.0, 0.001, "holds"), (0.0, 0.1, 0.3, "holds in part"), (0.1, 0.2, 0.3, "fails")],
)
def test_minuscule_is_below_a_hundredth_of_what_reconstructions_reach(
    normal: float, box: float, fitted: float, expected: str
) -> None:
    shares = {"N(0, I) share": normal, "box share": box, "fitted Gaussian share": fitted, "reconstructions share": 0.7}
    found = claims.minuscule(numbers(**{PLAIN: shares, NORMAL: {"its prior share": 0.4}}), 0.95)
    assert found.verdict == expected
    assert "0.404" in found.evidence


@pytest.mark.parametrize(
    ("n", "expected"), [(20_000, "holds"), (1000, "holds in part"), (50, "fails"), (5_000, "not decided")]
)
def test_forced_goes_by_the_detection_size(n: int, expected: str) -> None:
    logs = {s: math.log10(n) + 0.01 * (s - 1) for s in range(3)}
    assert claims.forced({kind: {"log n*": logs} for kind in (VAE, NORMAL)}).verdict == expected


def test_one_training_does_not_say_that_latents_are_normal() -> None:
    assert claims.forced({VAE: {"log n*": {0: 1.0}}, NORMAL: {"log n*": {0: 4.0}}}).verdict == "not decided"


def families(cube: float, sphere: float) -> Numbers:
    kinds = {PLAIN: 200.0, NORMAL: 100.0, "matched: cube": cube, "matched: sphere": sphere}
    return numbers(**{kind: {"frechet": value, "error": 0.02} for kind, value in kinds.items()})


def test_other_priors_count_as_good_up_to_a_tenth_more() -> None:
    kinds = [NORMAL, "matched: cube", "matched: sphere"]
    found = [claims.other(families(*case), kinds) for case in ((105, 80), (105, 150), (130, 150))]
    assert [c.verdict for c in found] == ["holds", "holds in part", "fails"]
    assert "1.05" in found[0].evidence


def test_learned_priors_have_to_win_in_likelihood_and_in_samples() -> None:
    def vaes(bound: float, frechet: float) -> Numbers:
        return numbers(
            **{VAE: {"iwae": 300.0, "frechet": 100.0}, "VAE: flow": {"iwae": bound, "frechet": frechet}},
        )

    found = [claims.learned(vaes(*case), [VAE, "VAE: flow"]) for case in ((320, 50), (320, 150), (290, 150))]
    assert [c.verdict for c in found] == ["holds", "holds in part", "fails"]
    assert "20.2 nats" in found[0].evidence


def blurred(best: float, unit: float, plain: float) -> Numbers:
    values = {VAE: best, UNIT: unit, PLAIN: plain, LARGE: 0.8, WIDE: plain + 0.02}
    return numbers(**{kind: {"mean": value, "draw": value} for kind, value in values.items()})


def test_the_kl_is_to_blame_if_dropping_it_brings_back_most_of_what_is_missing() -> None:
    cases = ((0.3, 0.2, 0.9), (0.5, 0.1, 0.6), (0.45, 0.3, 0.5))
    found = [claims.conflict(blurred(*case)) for case in cases]
    assert [c.verdict for c in found] == ["holds", "holds in part", "fails"]


def test_too_sharp_is_as_wrong_as_too_blurred() -> None:
    def gan(mean: float, sample: float) -> Numbers:
        return numbers(
            **{
                GAN: {"mean": mean, "sample": sample, "frechet": 50.0},
                UNIT: {"mean": 0.4, "sample": 0.4, "frechet": 100.0},
            }
        )

    found = [claims.critic(gan(*case)).verdict for case in ((0.9, 1.1), (0.9, 5.0), (0.1, 5.0))]
    assert found == ["holds", "holds in part", "fails"]


def test_the_headline_follows_the_verdicts() -> None:
    measured = families(105, 80)
    for kind, shares in {
        PLAIN: {"fitted Gaussian share": 0.2, "reconstructions share": 0.7},
        NORMAL: {"its prior share": 0.4},
    }.items():
        measured[kind] |= numbers(x=shares)["x"]
    kinds = [NORMAL, "matched: cube", "matched: sphere"]
    answers = []
    for frechets, blur in (((105, 80), (0.3, 0.2, 0.9)), ((130, 150), (0.45, 0.3, 0.5))):
        found = {"other": claims.other(families(*frechets), kinds), "conflict": claims.conflict(blurred(*blur))}
        answers.append(claims.headline(found, measured, kinds, []))
    assert "do as well" in answers[0][0]
    assert "does as well" in answers[1][0]
    assert "matched: sphere" in answers[0][1]
    assert "0.202" in answers[0][2]
    assert answers[0][3] == "Blur comes mostly from the KL."
    assert answers[1][3].startswith("Blur does not come mostly from the KL")
