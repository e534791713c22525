"""What the measurements answer, and what they say of the usual explanations. Every sentence follows from numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from lather.studies.deciding import above, apart, less
from lather.studies.dimension_lines import Line
from lather.studies.estimate import Estimate, estimate, short
from lather.studies.findings import Claim
from lather.studies.large_latent import Ideal
from lather.studies.sources import AROUND, PRIOR, REPAIRED

__all__ = ["dimension_answer", "dimension_claims"]

Verdict = Literal["holds", "holds in part", "fails", "not decided"]


def dimension_answer(lines: Sequence[Line], ideal: Sequence[Ideal]) -> list[str]:
    """Sentences, the first of them the headline."""
    if not lines:
        return ["Nothing could be trained, so nothing was measured."]
    last = max(lines, key=lambda line: line.d)
    return [_headline(last), _rate(lines), _idle(lines), _coordinates(last), *_exact(ideal)]


def dimension_claims(lines: Sequence[Line], ideal: Sequence[Ideal]) -> list[Claim]:
    """Usual explanations with their verdicts."""
    if not lines:
        return []
    first, last = min(lines, key=lambda line: line.d), max(lines, key=lambda line: line.d)
    return [
        _soap_bubble(last),
        _thinner(lines, ideal),
        _near_normal(last),
        _low_kl(first, last),
        _new_data(last),
        _around(last),
    ]


# the answer ------------------------------------------------------------------------------------------------------


def _headline(line: Line) -> str:
    """Who is to blame at the largest size: the draw, or the decoder?"""
    prior, own, mended = (line.distances.get(name) for name in (PRIOR, "posteriors", REPAIRED))
    assert prior is not None
    assert own is not None
    where = f"At d = {line.label}"
    worse = less(own, prior)
    if worse is None:
        return (
            f"{where} it was not decided whether drawing costs: decodes of N(0, I) lie {prior} from data, decodes of "
            f"new data's latents {own}, which differ too little, or too differently from seed to "
            f"seed; more seeds may tell."
        )
    if not worse:
        return (
            f"{where} sampling is not what breaks: decodes of new data's own latents ({own} from data) are no better "
            f"than decodes of N(0, I) ({prior}), so what is lost is lost in the decoder or by latent noise."
        )
    numbers = f"decodes of N(0, I) lie {prior} from data, decodes of new data's latents {own}"
    if mended is None or less(mended, prior) is not True:
        return (
            f"{where} drawing costs: {numbers}; no prior that was fitted to the latents mends it for certain, so "
            "whether the dimension or the mismatch is to blame is open."
        )
    start = f"Because the encoder puts data where the prior seldom draws: {where[0].lower()}{where[1:]}, {numbers}"
    share = (prior.mean - mended.mean) / (prior.mean - own.mean)
    much = "nearly all" if share > 0.8 else "most" if share > 0.5 else "part"
    blame = (
        "it is the mismatch that costs, not the number of dimensions" if share > 0.5 else "so much the mismatch costs"
    )
    return (
        f"{start}. Drawing from a prior fitted to the latents ({mended}) takes away {much} of the difference at the "
        f"same dimension with the same decoder: {blame}."
    )


def _rate(lines: Sequence[Line]) -> str:
    packing = [line.label for line in lines if line.regime == "packing"]
    covering = [line.label for line in lines if line.regime == "covering"]
    said = []
    if covering:
        said.append(f"at d = {_list(covering)} a latent spends less, so that posteriors overlap")
    if packing:
        said.append(f"at d = {_list(packing)} a latent spends more, so that posteriors cannot fill the prior together")
    told = ", ".join(f"{line.rate} at d = {line.label}" for line in lines)
    where = f"That is, {'; '.join(said)}." if said else "All of them are near it."
    ordered = sorted(lines, key=lambda line: line.d)
    lead = (
        "What posteriors can cover together goes with the rate R, not with the number of coordinates: "
        if _follows_rate(ordered) and not _grows(ordered)
        else "What posteriors can cover together depends on the rate R: "
    )
    return (
        f"{lead}R is {told}; telling {math.exp(lines[0].log_n):.0f} training data apart takes log N = "
        f"{lines[0].log_n:.1f} nats. {where}"
    )


def _grows(ordered: Sequence[Line]) -> bool:
    """Whether every larger size spends more."""
    return all(a.rate.mean < b.rate.mean for a, b in pairwise(ordered))


def _idle(lines: Sequence[Line]) -> str:
    last = max(lines, key=lambda line: line.d)
    share = last.idle.mean / last.d
    if share < 0.1:
        return (
            f"Few coordinates are idle (less than 0.01 nats): {last.idle} of {last.d} at d = {last.label}. The others "
            f"share what the model spends, {short(last.per_dimension)} nats each."
        )
    fullest = min(lines, key=lambda line: (line.idle.mean / line.d, -line.d))
    ratio = last.rate.mean / max(fullest.rate.mean, 1e-9)
    change = "about the same as" if 0.8 < ratio < 1.25 else f"{ratio:.2g} times that"
    return (
        f"Beyond what the model can use, coordinates stay idle: {last.idle} of {last.d} say nothing at d = "
        f"{last.label}, where the rate is {change} at d = {fullest.label} ({last.rate} against {fullest.rate} nats)."
    )


def _coordinates(line: Line) -> str:
    share = f"{line.passing.mean:.0%} of its coordinates pass as N(0, 1)"
    if line.passing.mean > 0.7 and line.n_star.mean < 250:
        return (
            f"Single coordinates hide it: at d = {line.label}, {share} at 1000 latents, mean σ is {line.width} and μ "
            f"has an RMS of {line.centre}; yet all coordinates together are told from the prior with "
            f"{_latents(line.n_star)}."
        )
    return (
        f"At d = {line.label}, {share} at 1000 latents, and all coordinates together are told from the prior with "
        f"{_latents(line.n_star)}."
    )


def _exact(ideal: Sequence[Ideal]) -> list[str]:
    above_log_n = [one for one in ideal if one.rate > one.log_n + 3]
    below = [one for one in ideal if one.rate < one.log_n - 3]
    if not above_log_n or not below:
        return []
    few, many = below[-1], above_log_n[-1]
    return [
        "Even perfect latents pay this price: where every single latent is exactly N(0, I), the training posteriors' "
        "union "
        f"differs from the prior in {few.union.variation:.0%} of its mass at d = {few.d} (R = {few.rate:.1f} < log N = "
        f"{few.log_n:.1f}) and {many.union.variation:.0%} at d = {many.d} (R = {many.rate:.1f}). New data miss it as "
        "much "
        f"({many.union.held_out:.0%} inside, of prior draws {many.union.prior:.0%}), so this alone harms no decoder "
        "that "
        "generalises."
    ]


# the claims ------------------------------------------------------------------------------------------------------


def _soap_bubble(line: Line) -> Claim:
    """Disjoint supports: TV of the union near 1. And does it matter: are new data on the bubbles' side?"""
    far, inside = above(line.variation, 0.9), above(line.held_out_inside, 0.5)
    verdict: Verdict
    if far is None or (far and inside is None):
        verdict, words = "not decided", "Over seeds it goes either way."
    elif not far:
        verdict, words = "fails", "They overlap."
    elif inside:
        verdict, words = "holds", "New data lie on the bubbles' side, so the prior misses what data need."
    else:
        verdict, words = (
            "holds in part",
            "But new data miss these bubbles, too: that the prior misses them says little.",
        )
    return Claim(
        "N(0, I) is a soap bubble that misses the bubbles around data: their supports are disjoint.",
        verdict,
        f"At d = {line.label} the union of training posteriors and N(0, I) differ in {_percent(line.variation)} of "
        "their "
        f"mass; {_percent(line.held_out_inside)} of new data's latents and {_percent(line.prior_inside)} of prior "
        "draws "
        f"lie inside the union. {words}",
    )


def _thinner(lines: Sequence[Line], ideal: Sequence[Ideal]) -> Claim:
    """More dimensions, less overlap? Compared from the size with the largest rate on."""
    folk = "The higher the dimension, the thinner the bubbles, and the smaller the overlap."
    ordered = sorted(lines, key=lambda line: line.d)
    last = ordered[-1]
    peak = max(ordered[:-1], key=lambda line: line.variation.mean, default=last)
    told = ", ".join(f"{_percent(line.variation)} at d = {line.label} (R = {line.rate})" for line in ordered)
    evidence = f"The union of training posteriors and N(0, I) differ in {told} of their mass. "
    if peak is last:
        return Claim(folk, "not decided", evidence + "It takes two sizes to tell.")
    falls = apart(last.variation, peak.variation)
    if falls:
        verdict: Verdict = "fails"
        evidence += f"It is most at d = {peak.label} and less again at d = {last.label}: the rate decides. "
    elif _follows_rate(ordered) and falls is None:
        verdict = "holds in part"
        evidence += f"It grows while the rate does, and no more from d = {peak.label} on. "
    elif falls is None:
        verdict = "not decided"
        evidence += f"Whether it differs between d = {peak.label} and d = {last.label} is not certain. "
    else:
        verdict = "holds"
    if ideal:
        evidence += (
            "In the calculation with a known solution the rate grows with d, and there it is true beyond "
            f"R = log N: {ideal[0].union.variation:.0%} at d = {ideal[0].d}, {ideal[-1].union.variation:.0%} at "
            f"d = {ideal[-1].d}."
        )
    return Claim(folk, verdict, evidence.strip())


def _follows_rate(lines: Sequence[Line]) -> bool:
    """Whether sizes with a larger rate overlap less, by ranks."""
    from scipy.stats import spearmanr

    if len(lines) < 3:
        return False
    return float(spearmanr([line.rate.mean for line in lines], [line.variation.mean for line in lines])[0]) > 0.5


def _near_normal(line: Line) -> Claim:
    looks = line.centre.mean < 0.5 and line.width.mean > 0.7
    shows, costs = above(line.n_star, 250), above(line.gap, 0)
    verdict: Verdict
    if not looks:
        verdict = "not decided"
    elif shows is False and costs:
        verdict = "fails"
    elif shows and not costs:
        verdict = "holds"
    else:
        verdict = "not decided" if shows is None or costs is None else "holds in part"
    odd = "" if looks else " Here they are not near those of the prior, so this is no test of it."
    return Claim(
        "The encoder's μ is near 0 and σ near 1, so the latents follow the prior.",
        verdict,
        f"At d = {line.label} μ has an RMS of {line.centre} and σ a mean of {line.width}, and "
        f"{_percent(line.passing)} of "
        f"the coordinates pass as N(0, 1). Together they are told from it with {_latents(line.n_star)}, and sampling "
        "costs "
        f"{line.gap} in Fréchet distance.{odd}",
    )


def _low_kl(first: Line, last: Line) -> Claim:
    folk = "A low KL for each coordinate means that the prior is matched."
    evidence = (
        f"KL for each coordinate falls from {short(first.per_dimension)} nats at d = {first.label} to "
        f"{short(last.per_dimension)} at d = {last.label}; n* goes from {_latents(first.n_star)} to "
        f"{_latents(last.n_star)}, "
        f"the three-way AUC from {first.auc} to {last.auc}."
    )
    if last.per_dimension > first.per_dimension / 4:
        return Claim(folk, "not decided", f"{evidence} It does not fall enough here to tell.")
    seen = above(last.n_star, 250)
    better = apart(_off(last.auc), _off(first.auc))
    if seen is None:
        return Claim(folk, "not decided", evidence)
    if seen:
        return Claim(folk, "holds", evidence)
    extra = (
        f" What counts is their sum, {last.rate} nats against log N = {last.log_n:.1f}; idle coordinates thin it out."
    )
    return Claim(folk, "holds in part" if better else "fails", evidence + extra)


def _new_data(line: Line) -> Claim:
    """Relative to training latents themselves, which lie inside as often as anything can."""
    inside, own = line.held_out_inside, line.own_inside
    share = estimate([value / max(own.mean, 1e-9) for value in inside.values])
    many, few = above(share, 0.9), above(share, 0.5)
    verdict: Verdict = (
        "holds" if many else "fails" if few is False else "holds in part" if many is False and few else "not decided"
    )
    return Claim(
        "New data lie in the bubbles of the training data.",
        verdict,
        f"At d = {line.label} {_percent(inside)} of new data's latents lie where the training posteriors are denser "
        "than "
        f"the prior; of the training data's own latents {_percent(own)} do, of prior draws "
        f"{_percent(line.prior_inside)}.",
    )


def _around(line: Line) -> Claim:
    around, prior = line.distances.get(AROUND), line.distances.get(PRIOR)
    folk = "N(μ(x), I) around a picture decodes to good pictures although N(0, I) does not."
    if around is None or prior is None:
        return Claim(folk, "not decided", "It was not measured.")
    better = less(around, prior)
    verdict: Verdict = "holds" if better else "not decided" if better is None else "fails"
    evidence = (
        f"At d = {line.label} decodes of N(μ(x), I) lie {around} from data, of N(0, I) {prior}, of the posteriors "
    )
    evidence += f"themselves {line.distances['posteriors']}."
    if better:
        evidence += (
            " They have the same noise in every coordinate, so noise of size 1 is not what spoils pictures: "
            f"{_percent_of(line)}"
            " of the coordinates are idle, and there it changes nothing; what N(0, I) lacks is the right place in the "
            "few "
            "directions that carry the signal."
            if line.idle.mean > line.d / 4
            else " They have the same noise in every coordinate; what N(0, I) lacks is the right place."
        )
    return Claim(folk, verdict, evidence)


# words -----------------------------------------------------------------------------------------------------------


def _off(auc: Estimate) -> Estimate:
    return estimate([abs(value - 0.5) for value in auc.values])


def _percent(share: Estimate) -> str:
    half = f" ± {100 * share.half:.0f}" if share.half else ""
    return f"{100 * share.mean:.0f}{half}%"


def _percent_of(line: Line) -> str:
    return f"{line.idle.mean / line.d:.0%}"


def _latents(n: Estimate) -> str:
    return f"{n} latents" if math.isfinite(n.mean) else "no number of latents that was tried"


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
