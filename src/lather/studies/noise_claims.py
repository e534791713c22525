"""What the measurements say of the usual explanations of latent noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lather.studies.deciding import decided, difference, verdict
from lather.studies.estimate import Estimate, estimate, short
from lather.studies.findings import Claim
from lather.studies.measured import FEW, Measured, by_seed, changes, of, seeds, series
from lather.studies.noise_kinds import CONTROL, ESCAPED, PLAIN, VARIATIONAL
from lather.studies.noise_measures import STEP

__all__ = ["STILL", "convexity", "drift", "headline", "overfitting", "robustness", "stretched", "supports"]

_MORE = 0.05  # a share that rises by less than this has not risen
STILL = 0.01  # an epoch's step below this share of the latents' spread is no motion worth a name


def robustness(measured: Measured, kinds: Sequence[str]) -> Claim:
    """Against the same training with next to no noise, in units of the latents' spread."""
    found = verdict(changes(measured, kinds, "relative change", against=CONTROL))
    raw, relative = (
        of(measured, PLAIN, f"{how} change").mean / of(measured, kinds[-1], f"{how} change").mean
        for how in ("raw", "relative")
    )
    wider = of(measured, PLAIN, "spread").mean / of(measured, kinds[-1], "spread").mean
    evidence = (
        f"A step of {STEP:g} standard deviations of the latents changes a pixel by "
        f"{series(measured, [PLAIN, CONTROL, *kinds], 'relative change')}. The unit matters: latents of the plain "
        f"autoencoder are {short(wider)} times as wide as those at {kinds[-1]}. After a step of {STEP:g} in whatever "
        f"units the latents have, its output changes {short(raw)} times as much as at {kinds[-1]}, and after a step "
        f"relative to their spread {short(relative)} times as much."
    )
    if (raw > 1) != (relative > 1):
        evidence += " So the choice of the unit alone would turn the answer round."
    return Claim(
        "Noise makes the decoder robust: small changes in the latent space no longer change the output much.",
        found,
        evidence + (FEW if seeds(measured) < 2 else ""),
    )


def overfitting(measured: Measured, kinds: Sequence[str], n: int) -> Claim:
    """Whether *held-out* distortion falls, not only its distance from training distortion."""
    better, closer = (changes(measured, kinds, measure, against=CONTROL) for measure in ("held-out", "gap"))
    names = [PLAIN, CONTROL, *kinds, VARIATIONAL]
    evidence = (
        f"Trained on {n} pictures, the held-out squared error of a pixel is {series(measured, names, 'held-out')}; "
        f"the gap to training pictures is {series(measured, names, 'gap')}."
    )
    if any(closer) and not all(b for b, c in zip(better, closer, strict=True) if c):
        evidence += (
            " Where the gap shrinks and the held-out error does not, noise has only made the training pictures worse: "
            "a smaller gap is no better model."
        )
    return Claim(
        "Noise lessens the risk of overfitting.", verdict(better), evidence + (FEW if seeds(measured) < 2 else "")
    )


def convexity(measured: Measured, kinds: Sequence[str], middle: str, own: float) -> Claim:
    """Whether midpoints look more like data by at least ``_MORE``, and how much less than their ends do."""
    names = [PLAIN, CONTROL, *kinds, VARIATIONAL]
    base = by_seed(measured, CONTROL, f"{middle} share")
    signs = [decided(difference(by_seed(measured, kind, f"{middle} share"), base), margin=_MORE) for kind in kinds]
    lost = {kind: of(measured, kind, "end share").mean - of(measured, kind, f"{middle} share").mean for kind in names}
    known = {kind: value for kind, value in lost.items() if math.isfinite(value)}
    evidence = (
        f"Of midpoints between latents of two held-out pictures ({middle}), this share decodes to something that looks "
        f"like data: {series(measured, names, f'{middle} share')}; of the pictures' own reconstructions: "
        f"{series(measured, names, 'end share')}; of real pictures {short(own)}."
    )
    if known:
        least = min(known, key=lambda kind: known[kind])
        evidence += (
            f" Between an end and a midpoint, the share falls by {short(min(known.values()))} ({least}) to "
            f"{short(max(known.values()))}"
            + (": the middle between data is not data, with noise or without." if min(known.values()) > 0.05 else ".")
        )
    return Claim(
        "Noise makes the data space locally convex: what lies between data is data, too.",
        verdict(signs),
        evidence + (FEW if seeds(measured) < 2 else ""),
    )


def drift(measured: Measured) -> Claim:
    """Whether latents come to rest, and whether it is the learning rate that stops them."""
    cosine, constant = "AE, falling rate", "AE, constant rate"
    still = {kind: _still(of(measured, kind, "last step")) for kind in (cosine, constant)}
    found = verdict([still[cosine], still[constant]])
    evidence = (
        f"In the last epoch the latent of a training picture moves by {of(measured, cosine, 'last step')} of the "
        f"latents' spread where the learning rate falls to 0 (which stops everything), and by "
        f"{of(measured, constant, 'last step')} where it stays; in the second epoch it was "
        f"{of(measured, constant, 'first step')}. With the best common rotation and shift taken out, "
        f"{of(measured, constant, 'last aligned')} remain at a constant rate."
    )
    if still[constant] is False and still[cosine]:
        evidence += " So points do not settle by themselves: the schedule makes them."
    noise = of(measured, "noise, constant rate", "relative noise").mean
    step = of(measured, constant, "last step").mean
    if math.isfinite(noise) and math.isfinite(step) and step > 0:
        evidence += (
            f" A decoder without noise thus sees each datum wander by {short(step)} of the spread from epoch to epoch; "
            f"latent noise of {short(noise)} of the spread moves it {short(noise / step)} times as far, at every step."
        )
    return Claim(
        "As training goes on, each datum's point in the latent space moves less and less, until it stays put.",
        found,
        evidence + (FEW if seeds(measured) < 2 else ""),
    )


def _still(step: Estimate) -> bool | None:
    return decided(estimate(STILL - value for value in step.values))


def supports(first: Measured, last: Measured, fine: str, coarse: str) -> Claim:
    """Whether a divergence stands still where a distance still tells better from worse, and smoothing mends it.

    Args:
        first, last: distances of the plain autoencoder's law early and late in training.
        fine, coarse: names of the Jensen–Shannon divergences at the least smoothing, and at one that helps.
    """

    def moved(measure: str) -> Estimate:
        a, b = (m.get(PLAIN, {}).get(measure, {}) for m in (first, last))
        return estimate(1 - b[seed] / a[seed] for seed in sorted(a.keys() & b.keys()))

    w, f, c = moved("W₂"), moved(fine), moved(coarse)
    fallen = [
        {seed: 1 - last[PLAIN][m][seed] / first[PLAIN][m][seed] for seed in last.get(PLAIN, {}).get(m, {})}
        for m in ("W₂", fine, coarse)
    ]
    signs = [decided(difference(fallen[0], fallen[1])), decided(difference(fallen[2], fallen[1]))]
    evidence = (
        f"While an autoencoder learns a curve in the plane, the exact Wasserstein distance between the curve and what "
        f"it makes falls by {short(100 * w.mean)}%. The Jensen–Shannon divergence ({fine.removeprefix('JS at ')} of "
        f"smoothing) goes from {of(first, PLAIN, fine)} to {of(last, PLAIN, fine)} nats, of at most log 2 = 0.693, "
        f"which is {short(100 * f.mean)}% less; smoothed by {coarse.removeprefix('JS at ')} it falls by "
        f"{short(100 * c.mean)}%. The objective here never compares the two laws: it is a squared error for each "
        "picture, which has a gradient with noise and without, so this is a reason for noise in other methods."
    )
    return Claim(
        "Data and model have supports of low dimension that do not overlap; divergences then saturate, distances like "
        "Wasserstein's do not, and noise added to both helps.",
        verdict(signs),
        evidence + (FEW if seeds(last) < 2 else ""),
    )


def stretched(last: Measured, noise: str, fine: str, still: str, null: float) -> Claim:
    """Whether noise in the *latent* makes the model's support overlap with that of data.

    Judged within each model: its law with noisy latents against its law with the same latents left still.

    Args:
        last: distances of the laws of the models of the curve.
        noise: the kind that was trained with latent noise.
        fine: name of the divergence at the least smoothing, of the law with noisy latents.
        still: the same with the noise left out.
        null: what two samples of the data come to.
    """
    noisy, quiet = by_seed(last, noise, fine), by_seed(last, noise, still)
    # at least half of what separates the law from another sample of the data has to go
    signs = [
        decided(estimate(quiet[s] - noisy[s] - (quiet[s] - null) / 2 for s in sorted(noisy.keys() & quiet.keys())))
    ]
    evidence = (
        f"The law of an autoencoder with noise in its latents comes to {of(last, noise, fine)} nats from the curve, of "
        f"at most {math.log(2):.3f}; with the noise left out it is {of(last, noise, still)}, a change of "
        f"{difference(noisy, quiet)}; two samples of the curve come to {short(null)}. A decoder turns one latent "
        "dimension into a curve, however the latent is spread along it: noise in the latent moves points within the "
        "model's support and does not thicken it. What would is noise on the pictures."
    )
    return Claim(
        "Noise in the latent space stretches the model's distribution, so that it and the data are no longer disjoint.",
        verdict(signs),
        evidence + (FEW if seeds(last) < 2 else ""),
    )


def headline(claims: Mapping[str, Claim], measured: Measured, kinds: Sequence[str]) -> list[str]:
    """The answer: what noise buys, what it costs, and what it does not do."""
    words = {
        "holds": "buys {} at every size that was tried",
        "holds in part": "clearly buys {} at some sizes and not at others",
        "fails": "does not buy {}",
        "not decided": "has not been shown to buy {} (too little to decide)",
    }
    goods = {
        "robustness": "a decoder that answers less to small latent steps",
        "overfitting": "a better fit of pictures it has not seen",
        "convexity": "midpoints that look more like data",
    }
    parts = [words[claims[key].verdict].format(what) for key, what in goods.items()]
    first = f"Compared with the same training without it, latent noise {parts[0]}, {parts[1]}, and {parts[2]}."
    costs = [of(measured, kind, "held-out").mean / of(measured, CONTROL, "held-out").mean for kind in kinds]
    second = (
        "Its price with enough data is distortion: the held-out squared error is "
        + ", ".join(f"{short(cost)} times ({kind})" for kind, cost in zip(kinds, costs, strict=True))
        + f" that without noise, and "
        f"{short(of(measured, VARIATIONAL, 'held-out').mean / of(measured, CONTROL, 'held-out').mean)} times for the "
        "VAE, which chooses the size of its noise itself."
    )
    escaped, kept = (of(measured, kind, "noise").mean for kind in (ESCAPED, kinds[len(kinds) // 2]))
    third = (
        f"Noise of a fixed size means nothing by itself: without a loss on the norm of the codes the encoder spreads "
        f"them until the noise is {short(escaped)} of their spread, where it is {short(kept)} with that loss."
    )
    found = claims["stretched"].verdict
    fourth = {
        "holds": "Noise in the latent did make the model's law overlap with that of the data on a curve.",
        "fails": "It is not what makes data and model overlap: latent noise moves points within the decoder's surface "
        "and does not thicken it, and the squared error that is trained has no need of overlap.",
    }.get(found, "Whether it makes data and model overlap was not decided.")
    return [first, second, third, fourth]
