"""What the measurements say of Gaussian latents. Every sentence follows from numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lather.auditing.row import GREEN_FROM, RED_BELOW
from lather.studies.counted import count
from lather.studies.deciding import Verdict, above, apart, less
from lather.studies.estimate import Estimate, estimate, short
from lather.studies.findings import Claim
from lather.studies.gaussian_lines import Drawn, Method
from lather.studies.latent_case import number
from lather.studies.match_case import Trap, samples
from lather.studies.relation import Relation

__all__ = ["gaussian_answer", "gaussian_claims"]


def gaussian_answer(
    methods: Sequence[Method], draws: Sequence[Drawn], traps: Sequence[Trap], found: Mapping[str, Relation]
) -> list[str]:
    """Sentences, the first of them the headline."""
    if not methods:
        return ["Nothing could be trained, so nothing was measured."]
    return [_headline(draws), _how_gaussian(methods), *_own(methods), *_trap(traps, methods), _relations(found)]


def gaussian_claims(
    methods: Sequence[Method], draws: Sequence[Drawn], traps: Sequence[Trap], batch: int = 128
) -> list[Claim]:
    """Usual explanations with their verdicts.

    Args:
        methods, draws, traps: what was measured.
        batch: how many latents a batch of training held.
    """
    if not methods:
        return []
    return [
        _they_match(methods),
        _needed(draws),
        _covering(methods),
        _own_is_enough(methods, batch),
        _two_moments(traps, methods),
        _single_points(methods),
    ]


# the answer ------------------------------------------------------------------------------------------------------


def _best(one: Drawn) -> str:
    """What gives the smallest gap, among what was fitted."""
    return min((name for name in one.gaps if name != "before"), key=lambda name: one.gaps[name].mean)


def _halved(one: Drawn) -> bool | None:
    """Whether some fitted prior less than halves the gap, compared training by training; ``None`` if undecided."""
    if len(one.gaps) < 2:
        return None
    before = one.gaps["before"]
    return less(one.gaps[_best(one)], estimate([0.5 * value for value in before.values]))


def _headline(draws: Sequence[Drawn]) -> str:
    mended = [one for one in draws if _halved(one)]
    if not draws:
        return "Whether Gaussian latents matter was not decided: no prior could be fitted to any."
    if not mended:
        if any(_halved(one) is None for one in draws):
            return (
                "Whether Gaussian latents matter was not decided: no prior that was fitted afterwards halves the "
                "sampling gap of any method for certain, nor fails to for certain."
            )
        return (
            "Here it matters what latents follow: no prior that was fitted to them afterwards takes away half of the "
            "sampling gap of any method."
        )
    one = max(mended, key=lambda one: one.gaps["before"].mean)
    best = _best(one)
    many = "all" if len(mended) == len(draws) else f"{len(mended)} of"
    return (
        "Latents need not be Gaussian, they must be what is drawn from: with the same latents and the same decoder, "
        "drawing from what the latents follow instead of the prior at least halves the sampling gap of "
        f"{many} {len(draws)} methods tried ({one.label}: from {one.gaps['before']} to {one.gaps[best]}), while the "
        f"latents stay as far from normal as they were ({one.normal} of them tell)."
    )


def _how_gaussian(methods: Sequence[Method]) -> str:
    sizes = {one.label: one.normal for one in methods if not math.isnan(one.normal.mean)}
    ordered = sorted(sizes, key=lambda label: sizes[label].mean)
    if not ordered:
        return "No method's latents could be compared with a normal law."
    green = [label for label in ordered if above(sizes[label], GREEN_FROM)]
    worst, best = ordered[0], ordered[-1]
    start = "“Gaussian” holds to a degree, and n* measures it: "
    if sizes[best].mean <= 2 * sizes[worst].mean:
        told = f"all are told from a normal law with {count(sizes[worst].mean)} to {count(sizes[best].mean)} latents"
    else:
        told = (
            f"{worst} is told from a normal law with {count(sizes[worst].mean)} latents, {best} with "
            f"{count(sizes[best].mean)}"
        )
    if green:
        return f"{start}{told}; {len(green)} of {len(ordered)} need {GREEN_FROM} or more."
    return f"{start}{told}. None of the {len(ordered)} passes as normal at {GREEN_FROM}."


def _own(methods: Sequence[Method]) -> list[str]:
    known = [one for one in methods if one.own.values]
    if not known:
        return []
    longer = [one for one in known if one.own.mean > 3 * one.n.mean]
    return [
        "Each method means something else by it. "
        f"{len(longer)} of {len(known)} pass the statistic that they were trained on with at least three times as many "
        "latents as it takes the test that sees the difference first: "
        + "; ".join(f"{one.label} {one.own} by its own, {one.n} overall" for one in known)
        + "."
    ]


def _trap(traps: Sequence[Trap], methods: Sequence[Method]) -> list[str]:
    told = [
        f"{trap.name} need {count(samples(trap.mardia))} latents to be seen by Mardia's skewness and kurtosis and "
        f"{count(samples(trap.report.detection_size))} by the audit" + _cost(trap)
        for trap in traps
        if _caught(trap)
    ]
    told += [f"{one.label} {one.mardia} and {one.normal} (sampling gap {one.gap})" for one in _passing(methods)]
    return [f"A few moments are a trap: {'; '.join(told)}."] if told else []


def _passing(methods: Sequence[Method]) -> list[Method]:
    """Methods whose latents pass Mardia's test of 250, and are told from a normal law with fewer."""
    return [one for one in methods if above(one.mardia, RED_BELOW) and above(one.normal, RED_BELOW) is False]


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
    sure = [name for name, one in known.items() if one.sure]
    first = next(iter(known.values()))
    told = "; ".join(f"{name} {one}" for name, one in sorted(known.items(), key=lambda item: -item[1].rho))
    runs = f"Over {first.n} runs of {first.groups} kinds"
    lead = (
        f"{runs} the sampling gap goes for certain with {len(sure)} of {len(known)} measures of mismatch "
        f"({_names(sure)})"
        if sure
        else f"{runs} no measure of mismatch goes with the sampling gap for certain"
    )
    return (
        f"{lead}: {told} (rank correlation with a 95% interval over kinds; 1: the worse, the larger the gap). A "
        "correlation over methods does not tell what would happen to one of them; the experiment above does."
    )


# the claims ------------------------------------------------------------------------------------------------------


def _they_match(methods: Sequence[Method]) -> Claim:
    known = [one for one in methods if one.own.values and not math.isnan(one.n.mean)]
    folk = "Methods that match the whole batch give latents from the prior."
    if not known:
        return Claim(folk, "not decided", "None was trained.")
    green = sum(above(one.n, GREEN_FROM) is True for one in known)
    red = sum(above(one.n, RED_BELOW) is False for one in known)
    verdict: Verdict = "holds" if green == len(known) else "fails" if red == len(known) else "holds in part"
    return Claim(
        folk,
        verdict,
        f"Of {len(known)} methods {red} are told from their prior with fewer than {RED_BELOW} latents and {green} need "
        f"{GREEN_FROM} or more: "
        + ", ".join(f"{one.label} {one.n}" for one in sorted(known, key=lambda one: one.n.mean))
        + ".",
    )


def _needed(draws: Sequence[Drawn]) -> Claim:
    folk = "To sample, latents have to be Gaussian."
    if not draws:
        return Claim(folk, "not decided", "No prior was fitted to any latents.")
    found = [_halved(one) for one in draws]
    faithful = [above(one.sizes[_best(one)], RED_BELOW) for one in draws if len(one.gaps) > 1]
    verdict: Verdict = (
        "fails"
        if sum(half is True for half in found) > len(draws) / 2
        else "holds in part"
        if True in found
        else "holds"
        if all(half is False for half in found) and all(faithful)
        else "not decided"
    )
    told = "; ".join(
        f"{one.label} {one.gaps['before']} from its prior, {one.gaps[_best(one)]} from the {_best(one)}"
        for one in draws
        if len(one.gaps) > 1
    )
    evidence = (
        f"Sampling gaps with the same latents: {told}. The latents were as little normal after as before; only what is "
        "drawn from was changed."
    )
    if verdict == "not decided":
        evidence += " What was fitted does not halve them, but it may be a poor fit, so it says nothing of the latents."
    return Claim(folk, verdict, evidence)


def _covering(methods: Sequence[Method]) -> Claim:
    """A uniform prior, matched with the same statistic, instead of N(0, I): does it cost anything that matters?

    What matters is a tenth of what matching N(0, I) takes off the gap of the plain autoencoder.
    """
    folk = "Latents need no normal law; an even covering of some region will do."
    named = {one.label: one for one in methods}
    cube = next((one for one in methods if one.label.endswith("uniform cube")), None)
    normal = None if cube is None else named.get(cube.recipe)
    plain = named.get("ae")
    if cube is None or normal is None or plain is None:
        return Claim(folk, "not decided", "No method was trained with a uniform prior, with N(0, I) and with none.")
    margin = max(0.1 * (plain.gap.mean - normal.gap.mean), 0.0)
    worse = apart(normal.gap, cube.gap, margin)
    verdict: Verdict = "not decided" if worse is None else "fails" if worse else "holds"
    evidence = (
        f"{normal.label} with a uniform prior: sampling gap {cube.gap}, generated pictures {cube.generated} from data; "
        f"with N(0, I): {normal.gap} and {normal.generated}; with no matching (ae): {plain.gap}. A difference of "
        f"{short(margin)}, a tenth of what matching takes away, would matter: "
        + (
            "whether there is one is not certain."
            if worse is None
            else "there is one."
            if worse
            else "there is none so large."
        )
        + f" Latents trained to fill the cube are told from it with {cube.n}, those trained to follow N(0, I) from "
        f"that with {normal.n}."
    )
    if above(cube.n, RED_BELOW) is False and above(normal.n, RED_BELOW) is False:
        evidence += " Neither prior is matched in a strict sense."
    return Claim(folk, verdict, evidence + _few(normal, cube))


def _own_is_enough(methods: Sequence[Method], batch: int) -> Claim:
    """A loss is at its floor where a batch of latents tells no more of a difference than one of prior draws."""
    folk = "If the matching loss is at its floor, the latents match."
    known = [one for one in methods if one.own.values and not math.isnan(one.n.mean)]
    floor = [one for one in known if above(one.own, batch)]
    if not floor:
        return Claim(folk, "not decided", "No method's loss reached the floor.")
    red = sum(above(one.n, RED_BELOW) is False for one in floor)
    green = sum(above(one.n, GREEN_FROM) is True for one in floor)
    verdict: Verdict = "fails" if red == len(floor) else "holds" if green == len(floor) else "holds in part"
    return Claim(
        folk,
        verdict,
        f"With a batch of {batch} the loss of {len(floor)} of {len(known)} methods is at its floor on new data: it "
        "takes more latents than that to tell them from prior draws by what they were trained on. Of these methods "
        f"{red} are told from their prior by another test with fewer than {RED_BELOW}: "
        + "; ".join(f"{one.label} {one.own} by its own, {one.n} overall" for one in floor)
        + ".",
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
        f"{trap.name}: Mardia {count(samples(trap.mardia))}, audit {count(samples(trap.report.detection_size))}"
        f"{_cost(trap)}"
        for trap in known
    )
    told += "".join(
        f"; {one.label}: Mardia {one.mardia}, audit {one.normal} (sampling gap {one.gap})" for one in _passing(methods)
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
    worse = {apart(by_holes.holes, vae.holes), apart(by_gap.gap, vae.gap)}
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
        verdict,
        f"{_percent(vae.holes)} of the vae's prior draws fall in holes, of those of the median method "
        f"({by_holes.label}) {_percent(by_holes.holes)}; its sampling gap is {vae.gap}, the median {by_gap.gap} "
        f"({by_gap.label}). Reconstructions, which another weight would change together with both, lie "
        f"{vae.reconstruction} from data, those of {by_gap.label} {by_gap.reconstruction}." + _few(vae, by_gap),
    )


# words -----------------------------------------------------------------------------------------------------------


def _few(*methods: Method) -> str:
    """What to add where trainings are compared of which there is one each."""
    if all(len(one.gap.values) > 1 for one in methods):
        return ""
    return " One training of each kind does not tell whether methods differ; --seeds 3 does."


def _names(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _percent(share: Estimate) -> str:
    half = f" ± {100 * share.half:.0f}" if share.half else ""
    return "an unknown share" if math.isnan(share.mean) else f"{100 * share.mean:.0f}{half}%"
