"""What the measurements say of Gaussian latents. Every sentence follows from numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal

from lather.auditing.row import GREEN_FROM, RED_BELOW
from lather.studies.deciding import less
from lather.studies.estimate import short
from lather.studies.findings import Claim
from lather.studies.gaussian_lines import Drawn, Method
from lather.studies.latent_case import number
from lather.studies.match_case import Trap, samples
from lather.studies.relation import Relation

__all__ = ["gaussian_answer", "gaussian_claims"]

Verdict = Literal["holds", "holds in part", "fails", "not decided"]


def gaussian_answer(
    methods: Sequence[Method], draws: Sequence[Drawn], traps: Sequence[Trap], found: Mapping[str, Relation]
) -> list[str]:
    """Sentences, the first of them the headline."""
    if not methods:
        return ["Nothing could be trained, so nothing was measured."]
    return [_headline(draws), _how_gaussian(methods), *_own(methods), *_trap(traps, methods), _relations(found)]


def gaussian_claims(methods: Sequence[Method], draws: Sequence[Drawn], traps: Sequence[Trap]) -> list[Claim]:
    """Usual explanations with their verdicts."""
    if not methods:
        return []
    return [
        _they_match(methods),
        _needed(draws),
        _covering(methods),
        _own_is_enough(methods),
        _two_moments(traps, methods),
        _single_points(methods),
    ]


# the answer ------------------------------------------------------------------------------------------------------


def _best(one: Drawn) -> str:
    """What gives the smallest gap, among what was fitted."""
    return min((name for name in one.gaps if name != "before"), key=lambda name: one.gaps[name].mean)


def _mended(draws: Sequence[Drawn]) -> list[Drawn]:
    """Methods whose gap is certainly less than half with another prior and the same latents."""
    out = []
    for one in draws:
        if len(one.gaps) > 1:
            after = one.gaps[_best(one)]
            if less(after, one.gaps["before"]) and after.mean < 0.5 * one.gaps["before"].mean:
                out.append(one)
    return out


def _headline(draws: Sequence[Drawn]) -> str:
    mended = _mended(draws)
    if not draws:
        return "Whether Gaussian latents matter was not decided: no prior could be fitted to any."
    if not mended:
        return (
            "Here it matters what latents follow: no prior that was fitted to them afterwards takes away half of the "
            "sampling gap of any method."
        )
    one = max(mended, key=lambda one: one.gaps["before"].mean)
    best = _best(one)
    many = "all" if len(mended) == len(draws) else f"{len(mended)} of {len(draws)}"
    return (
        "Latents need not be Gaussian, they must be what is drawn from: with the same latents and the same decoder, "
        f"drawing from what the latents follow instead of the prior at least halves the sampling gap of {many} methods "
        f"tried ({one.label}: from {one.gaps['before']} to {one.gaps[best]}), while the latents stay as far from "
        "normal "
        f"as they were (n* {_count(one.normal.mean)})."
    )


def _how_gaussian(methods: Sequence[Method]) -> str:
    sizes = {one.label: one.normal.mean for one in methods if not math.isnan(one.normal.mean)}
    ordered = sorted(sizes, key=lambda label: sizes[label])
    if not ordered:
        return "No method's latents could be compared with a normal law."
    green = [label for label in ordered if sizes[label] >= GREEN_FROM]
    worst, best = ordered[0], ordered[-1]
    start = "“Gaussian” holds to a degree, and n* measures it: "
    told = f"{worst} is told from a normal law with {_count(sizes[worst])} latents, {best} with {_count(sizes[best])}"
    if green:
        return f"{start}{told}; {len(green)} of {len(ordered)} need {GREEN_FROM} or more."
    return f"{start}{told}. None of the {len(ordered)} passes as normal at {GREEN_FROM}."


def _own(methods: Sequence[Method]) -> list[str]:
    known = [one for one in methods if one.own.values]
    if not known:
        return []
    longer = [one for one in known if one.own.mean > 3 * one.n.mean]
    return [
        f"{len(longer)} of {len(known)} methods pass the statistic that they were trained on at least three times as "
        "long "
        "as the others: "
        + "; ".join(f"{one.label} {_count(one.own.mean)} by its own, {_count(one.n.mean)} overall" for one in known)
        + "."
    ]


def _trap(traps: Sequence[Trap], methods: Sequence[Method]) -> list[str]:
    told = [
        f"{trap.name} need {_count(samples(trap.mardia))} latents to be seen by Mardia's skewness and kurtosis and "
        f"{_count(samples(trap.report.detection_size))} by the audit" + _cost(trap)
        for trap in traps
        if _caught(trap)
    ]
    told += [
        f"{one.label} {_count(one.mardia.mean)} and {_count(one.normal.mean)} (sampling gap {one.gap})"
        for one in _passing(methods)
    ]
    return [f"A few moments are a trap: {'; '.join(told)}."] if told else []


def _passing(methods: Sequence[Method]) -> list[Method]:
    """Methods whose latents pass Mardia's test of 250, and are told from a normal law with fewer."""
    return [one for one in methods if one.mardia.values and one.mardia.mean >= RED_BELOW > one.normal.mean]


def _cost(trap: Trap) -> str:
    gap = number(trap.report, "gap")
    return "" if math.isnan(gap) else f" (sampling gap {short(gap)})"


def _caught(trap: Trap) -> bool:
    """Passes Mardia's test of 250 latents, and is told from N(0, I) with fewer."""
    return samples(trap.mardia) >= RED_BELOW > samples(trap.report.detection_size)


def _relations(found: Mapping[str, Relation]) -> str:
    known = {name: one for name, one in found.items() if not math.isnan(one.rho)}
    if not known:
        return "There are too few runs to say which measure goes with the sampling gap."
    sure = {name: one for name, one in known.items() if one.low > 0}
    runs = next(iter(known.values())).n
    told = "; ".join(f"{name} {one}" for name, one in sorted(known.items(), key=lambda item: -item[1].rho))
    lead = (
        f"Over {runs} runs the sampling gap goes with: "
        if sure
        else f"Over {runs} runs no measure goes with the sampling gap for certain: "
    )
    return f"{lead}{told} (rank correlation with a 95% interval; 1: the worse, the larger the gap)."


# the claims ------------------------------------------------------------------------------------------------------


def _they_match(methods: Sequence[Method]) -> Claim:
    known = [one for one in methods if one.own.values and not math.isnan(one.n.mean)]
    folk = "Methods that match the whole batch give latents from the prior."
    if not known:
        return Claim(folk, "not decided", "None was trained.")
    green = sum(one.n.mean >= GREEN_FROM for one in known)
    red = sum(one.n.mean < RED_BELOW for one in known)
    verdict: Verdict = "holds" if green == len(known) else "fails" if red == len(known) else "holds in part"
    return Claim(
        folk,
        verdict,
        f"Of {len(known)} methods {red} are told from their prior with fewer than {RED_BELOW} latents and {green} need "
        f"{GREEN_FROM} or more: "
        + ", ".join(f"{one.label} {_count(one.n.mean)}" for one in sorted(known, key=lambda one: one.n.mean))
        + ".",
    )


def _needed(draws: Sequence[Drawn]) -> Claim:
    folk = "To sample, latents have to be Gaussian."
    if not draws:
        return Claim(folk, "not decided", "No prior was fitted to any latents.")
    mended = _mended(draws)
    verdict: Verdict = "fails" if len(mended) > len(draws) / 2 else "holds in part" if mended else "holds"
    told = "; ".join(
        f"{one.label} {one.gaps['before']} from its prior, {one.gaps[_best(one)]} from the {_best(one)}"
        for one in draws
        if len(one.gaps) > 1
    )
    return Claim(
        folk,
        verdict,
        f"Sampling gaps with the same latents: {told}. The latents were as little normal after as before; only what is "
        "drawn from was changed.",
    )


def _covering(methods: Sequence[Method]) -> Claim:
    """A uniform prior, matched with the same statistic, instead of N(0, I)."""
    folk = "Latents need no normal law, only an even covering of some region."
    named = {one.label: one for one in methods}
    cube = next((one for one in methods if one.label.endswith("uniform cube")), None)
    normal = None if cube is None else named.get(cube.recipe)
    if cube is None or normal is None:
        return Claim(folk, "not decided", "No method was trained with a uniform prior.")
    worse = less(normal.gap, cube.gap)
    verdict: Verdict = "not decided" if worse is None else "fails" if worse else "holds"
    evidence = (
        f"{normal.label} with a uniform prior: sampling gap {cube.gap}, generated pictures {cube.generated} from "
        "data; with "
        f"N(0, I): {normal.gap} and {normal.generated}. Its latents are told from a normal law with "
        f"{_count(cube.normal.mean)}, from the cube with {_count(cube.n.mean)}."
    )
    if worse is None:
        evidence += " No difference of the gaps is certain."
    return Claim(folk, verdict, evidence)


def _own_is_enough(methods: Sequence[Method]) -> Claim:
    folk = "If the loss is at its floor, the latents match."
    ratios = [one.own.mean / one.n.mean for one in methods if one.own.values and one.n.mean == one.n.mean]
    if not ratios:
        return Claim(folk, "not decided", "No method was trained on a statistic.")
    middle = median(ratios)
    verdict: Verdict = "fails" if middle > 3 else "holds" if middle < 1.5 else "holds in part"
    return Claim(
        folk,
        verdict,
        f"Their own statistic needs {_times(middle)} as many latents to see the difference as the test that sees it "
        "first "
        f"(median of {len(ratios)} methods): a small loss says that this statistic is blind to what is left.",
    )


def _two_moments(traps: Sequence[Trap], methods: Sequence[Method]) -> Claim:
    folk = "Mardia's test of skewness and kurtosis verifies that latents are normal."
    known = [trap for trap in traps if trap.mardia is not None and trap.report.detection_size is not None]
    if not known:
        return Claim(folk, "not decided", "It was not measured.")
    real = [one.label for one in _passing(methods)]
    real += [trap.name for trap in known if _caught(trap) and not math.isnan(number(trap.report, "gap"))]
    made_up = [trap for trap in known if _caught(trap)]
    verdict: Verdict = "fails" if real else "holds in part" if made_up else "holds"
    told = "; ".join(
        f"{trap.name}: Mardia {_count(samples(trap.mardia))}, audit {_count(samples(trap.report.detection_size))}"
        f"{_cost(trap)}"
        for trap in known
    )
    told += "".join(
        f"; {one.label}: Mardia {_count(one.mardia.mean)}, audit {_count(one.normal.mean)} (sampling gap {one.gap})"
        for one in _passing(methods)
    )
    end = (
        f" {_names(real)} would pass as normal."
        if real
        else " Of real encoders it sees the difference; it takes a made-up law to deceive it."
        if made_up
        else ""
    )
    return Claim(folk, verdict, f"Latents needed by each: {told}.{end}")


def _single_points(methods: Sequence[Method]) -> Claim:
    """By holes, which are what covering means, and by what they cost; against the median method."""
    folk = "A VAE tests single posteriors and not the whole, so it covers the prior worse than methods that match it."
    vae = next((one for one in methods if one.label == "vae"), None)
    others = [one for one in methods if one.own.values and one.label == one.recipe]
    if vae is None or not others:
        return Claim(folk, "not decided", "There is nothing to compare.")
    middle = (len(others) - 1) // 2
    by_holes = sorted(others, key=lambda one: one.holes.mean)[middle]
    by_gap = sorted(others, key=lambda one: one.gap.mean)[middle]
    worse = {less(by_holes.holes, vae.holes), less(by_gap.gap, vae.gap)}
    verdict: Verdict = (
        "not decided"
        if None in worse
        else "holds in part"
        if len(worse) == 2
        else "holds"
        if True in worse
        else "fails"
    )
    return Claim(
        folk,
        "not decided" if None in worse else verdict,
        f"{_percent(vae.holes.mean)} of the vae's prior draws fall in holes, of those of the median method "
        f"({by_holes.label}) {_percent(by_holes.holes.mean)}; its sampling gap is {vae.gap}, the median {by_gap.gap} "
        f"({by_gap.label}). It pays with latent noise: reconstructions lie {vae.reconstruction} from data, those of "
        f"{by_gap.label} {by_gap.reconstruction}.",
    )


# words -----------------------------------------------------------------------------------------------------------


def _count(n: float) -> str:
    if math.isnan(n):
        return "an unknown number"
    if math.isinf(n):
        return "more than were tried"
    return f"{n:.0f}" if n < 1000 else f"{round(n, -2):.0f}"


def _times(ratio: float) -> str:
    return "more times" if math.isinf(ratio) else f"{ratio:.2g} times"


def _names(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _percent(share: float) -> str:
    return f"{share:.0%}" if not math.isnan(share) else "an unknown share"
