"""What the study of noise says follows from its numbers: others give other sentences. All numbers here are made up."""

from __future__ import annotations

import pytest

from lather.studies import noise_claims as claims
from lather.studies.noise_kinds import CONTROL, ESCAPED, PLAIN, VARIATIONAL

KINDS = ["σ = 0.1", "σ = 1"]
Numbers = dict[str, dict[str, dict[int, float]]]


def numbers(name: str, seeds: int = 3, **of: float) -> Numbers:
    """``name`` for each kind: a scatter of one in a hundred that all share, and a tenth of it of their own."""
    found: Numbers = {}
    for i, (kind, value) in enumerate(of.items()):
        found[kind] = {name: {s: value * (1 + 0.01 * s + 0.001 * ((s + i) % 2)) for s in range(seeds)}}
    return found


def merged(*parts: Numbers) -> Numbers:
    found: Numbers = {}
    for part in parts:
        for kind, measures in part.items():
            found.setdefault(kind, {}).update(measures)
    return found


def decoder(low: float, high: float, *, raw: float = 0.01, seeds: int = 3) -> Numbers:
    """Changes of a pixel at the two sizes of noise, 0.1 without; ``raw`` that of the plain AE for an absolute step."""
    kinds = {PLAIN: 0.1, CONTROL: 0.1, KINDS[0]: low, KINDS[1]: high}
    return merged(
        numbers("relative change", seeds, **kinds),
        numbers("raw change", seeds, **{PLAIN: raw, CONTROL: 0.05, KINDS[0]: 0.05, KINDS[1]: 0.05}),
        numbers("spread", seeds, **{PLAIN: 50.0, CONTROL: 1.0, KINDS[0]: 1.0, KINDS[1]: 1.0}),
    )


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.05, 0.02, "holds"), (0.05, 0.15, "holds in part"), (0.12, 0.15, "fails"), (0.1, 0.15, "not decided")],
)
def test_robustness_is_judged_at_every_size_of_noise(low: float, high: float, expected: str) -> None:
    assert claims.robustness(decoder(low, high), KINDS).verdict == expected


def test_the_unit_of_a_step_can_turn_the_answer_round_and_the_page_says_so() -> None:
    trap = claims.robustness(decoder(0.05, 0.02), KINDS).evidence
    assert "50 times as wide" in trap
    assert "turn the answer round" in trap
    assert "turn the answer round" not in claims.robustness(decoder(0.05, 0.02, raw=0.3), KINDS).evidence


def test_one_seed_decides_nothing() -> None:
    claim = claims.robustness(decoder(0.05, 0.02, seeds=1), KINDS)
    assert claim.verdict == "not decided"
    assert "--seeds" in claim.evidence


def fit(held_out: tuple[float, float], gap: tuple[float, float]) -> Numbers:
    rest = {PLAIN: 0.03, CONTROL: 0.03, VARIATIONAL: 0.03}
    kinds = dict(zip(KINDS, held_out, strict=True)), dict(zip(KINDS, gap, strict=True))
    return merged(
        numbers("held-out", **{**rest, **kinds[0]}),
        numbers("gap", **{PLAIN: 0.01, CONTROL: 0.01, VARIATIONAL: 0.01, **kinds[1]}),
    )


def test_a_smaller_gap_is_no_better_model() -> None:
    better = claims.overfitting(fit((0.02, 0.02), (0.005, 0.005)), KINDS, 300)
    worse = claims.overfitting(fit((0.04, 0.05), (0.005, 0.001)), KINDS, 300)
    mixed = claims.overfitting(fit((0.02, 0.05), (0.005, 0.001)), KINDS, 300)
    assert [c.verdict for c in (better, worse, mixed)] == ["holds", "fails", "holds in part"]
    assert ["no better model" in c.evidence for c in (better, worse, mixed)] == [False, True, True]
    assert "Trained on 300 pictures" in better.evidence


def middles(a: float, b: float) -> Numbers:
    rest = {PLAIN: 0.3, CONTROL: 0.3, VARIATIONAL: 0.4}
    return merged(
        numbers("any share", **{**rest, KINDS[0]: a, KINDS[1]: b}),
        numbers("end share", **dict.fromkeys([*rest, *KINDS], 0.8)),
    )


def test_midpoints_are_compared_with_those_without_noise_and_with_their_ends() -> None:
    found = [claims.convexity(middles(a, b), KINDS, "any", 0.95) for a, b in ((0.5, 0.6), (0.5, 0.1), (0.2, 0.1))]
    assert [c.verdict for c in found] == ["holds", "holds in part", "fails"]
    assert claims.convexity(middles(0.31, 0.3), KINDS, "any", 0.95).verdict == "fails"  # hardly more is no more
    assert "is not data, with noise or without" in found[0].evidence


def moving(cosine: float, constant: float) -> Numbers:
    kinds = {"AE, falling rate": cosine, "AE, constant rate": constant, "noise, constant rate": constant}
    found = [numbers(name, **kinds) for name in ("last step", "first step", "last aligned")]
    return merged(*found, numbers("relative noise", **{"noise, constant rate": 0.2}))


def test_points_that_only_the_schedule_stops_do_not_settle_by_themselves() -> None:
    found = [claims.drift(moving(a, b)) for a, b in ((0.001, 0.002), (0.001, 0.05), (0.04, 0.05))]
    assert [c.verdict for c in found] == ["holds", "holds in part", "fails"]
    assert ["do not settle by themselves" in c.evidence for c in found] == [False, True, False]


def laws(wasserstein: float, fine: float, coarse: float) -> tuple[Numbers, Numbers]:
    """Distances of the first epoch, all 0.6, and of the last."""
    names = {"W₂": wasserstein, "JS at 0.01": fine, "JS at 0.1": coarse}
    first = merged(*(numbers(name, **{PLAIN: 0.6}) for name in names))
    return first, merged(*(numbers(name, **{PLAIN: value}) for name, value in names.items()))


def test_a_divergence_that_stands_still_beside_a_distance_that_falls() -> None:
    cases = ((0.2, 0.6, 0.1), (0.2, 0.6, 0.65), (0.6, 0.2, 0.5))
    found = [claims.supports(*laws(*case), "JS at 0.01", "JS at 0.1") for case in cases]
    assert [c.verdict for c in found] == ["holds", "holds in part", "fails"]
    assert "66.7%" in found[0].evidence


def law(noisy: float, still: float = 0.6) -> Numbers:
    return merged(numbers("noisy", model=noisy), numbers("still", model=still))


def test_latent_noise_makes_supports_overlap_only_if_the_divergence_says_so() -> None:
    found = [claims.stretched(law(js), "model", "noisy", "still", 0.02) for js in (0.05, 0.62, 0.31)]
    assert [c.verdict for c in found] == ["holds", "fails", "not decided"]


def test_the_headline_follows_the_verdicts() -> None:
    measured = merged(
        fit((0.04, 0.05), (0.005, 0.001)),
        numbers("noise", **{ESCAPED: 0.01, KINDS[1]: 0.5}),
    )
    good, bad = (
        {
            "robustness": claims.robustness(decoder(*values), KINDS),
            "overfitting": claims.overfitting(fit(values, values), KINDS, 300),
            "convexity": claims.convexity(middles(0.5, 0.6), KINDS, "any", 0.95),
            "stretched": claims.stretched(law(js), "model", "noisy", "still", 0.02),
        }
        for values, js in (((0.01, 0.02), 0.05), ((0.15, 0.2), 0.65))
    )
    first, last = (claims.headline(found, measured, KINDS) for found in (good, bad))
    assert "buys a decoder that answers less" in first[0]
    assert "does not buy a decoder" in last[0]
    assert "1.67 times" in first[1]
    assert "0.0101 of their spread, where it is 0.505 with" in first[2]
    assert first[3] != last[3]
