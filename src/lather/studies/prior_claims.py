"""What the measurements say of the usual explanations of the prior."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lather.auditing.row import GREEN_FROM, RED_BELOW
from lather.studies.deciding import decided, verdict
from lather.studies.estimate import Estimate, estimate, short
from lather.studies.findings import Claim
from lather.studies.measured import FEW, Measured, by_seed, changes, of, seeds, series
from lather.studies.prior_kinds import GAN, LARGE, NORMAL, PLAIN, UNIT, VAE, WIDE

__all__ = ["conflict", "critic", "detection", "forced", "headline", "learned", "minuscule", "other"]

_MINUSCULE = 0.01  # of the share that reconstructions reach
_AS_GOOD = 1.1  # times the Fréchet distance under the normal prior


def _ratio(measured: Measured, kind: str, against: str, name: str) -> Estimate:
    a, b = by_seed(measured, kind, name), by_seed(measured, against, name)
    return estimate(a[seed] / b[seed] for seed in sorted(a.keys() & b.keys()) if b[seed] != 0)


def _few(measured: Measured) -> str:
    return FEW if seeds(measured) < 2 else ""


def detection(measured: Measured, kind: str) -> str:
    """n* of a kind: geometric mean over seeds, with the interval of its logarithm.

    Example:
        >>> detection({"AE": {"log n*": {0: 2.0, 1: 2.0, 2: 2.3}}}, "AE")
        '126 (46.7 to 339)'
    """
    log = of(measured, kind, "log n*")
    if math.isnan(log.mean):
        return "–"
    middle = short(10**log.mean)
    return middle if math.isnan(log.low) else f"{middle} ({short(10**log.low)} to {short(10**log.high)})"


def minuscule(measured: Measured, own: float) -> Claim:
    """Whether random latents of an autoencoder without a prior decode to data hardly ever."""
    sources = ("N(0, I)", "box", "fitted Gaussian")
    ends = by_seed(measured, PLAIN, "reconstructions share")
    signs = []
    for source in sources:
        found = by_seed(measured, PLAIN, f"{source} share")
        signs.append(decided(estimate(_MINUSCULE * ends[s] - found[s] for s in sorted(ends.keys() & found.keys()))))
    shares = ", ".join(f"{of(measured, PLAIN, f'{source} share')} ({source})" for source in sources)
    evidence = (
        f"Without any prior, the share of random latents that decode to something that looks like data is {shares}; of "
        f"reconstructions it is {of(measured, PLAIN, 'reconstructions share')}, of real pictures {short(own)}; of "
        f"draws from the normal prior that latents were matched with, {of(measured, NORMAL, 'its prior share')}. "
        "Latents have to be looked for where they are: the box and the fitted Gaussian take no more than their range, "
        "or their mean and covariance."
    )
    if any(
        of(measured, PLAIN, f"{source} share").mean > of(measured, PLAIN, "reconstructions share").mean
        for source in sources
    ):
        evidence += (
            " Where random latents pass more often than reconstructions, the test is being fooled by sharp pictures "
            "that are no data: look at them below before believing that number."
        )
    return Claim(
        "Without a prior nobody knows which latents to decode: the chance that a random one gives a picture is "
        "minuscule.",
        verdict(signs),
        evidence + _few(measured),
    )


def forced(measured: Measured) -> Claim:
    """Whether a VAE's latents follow N(0, I), by the number of latents that show that they do not."""
    logs = by_seed(measured, VAE, "log n*")
    normal = decided(estimate(logs.values()), margin=math.log10(GREEN_FROM))
    not_normal = decided(estimate(-value for value in logs.values()), margin=-math.log10(RED_BELOW))
    found = verdict([True if normal else False if not_normal else None])
    if found == "not decided" and normal is False and not_normal is False:
        found = "holds in part"
    evidence = (
        f"It takes {detection(measured, VAE)} latents of held-out pictures to tell those of the VAE from N(0, I) (up "
        f"to {RED_BELOW} is plainly not normal, from {GREEN_FROM} on is close), and {detection(measured, NORMAL)} "
        "where "
        f"the batch was matched with it. The KL of a VAE compares each picture's own posterior with the prior; it also "
        f"pays for what the latent tells of the picture, and says nothing of how all posteriors together fill the "
        "space."
    )
    return Claim(
        "The KL term forces the latents of a VAE to be normal, so that one may draw from N(0, I).",
        found,
        evidence + _few(measured),
    )


def other(measured: Measured, kinds: Sequence[str]) -> Claim:
    """Whether samples under other priors are as good as under the normal one, all else equal."""
    others = [kind for kind in kinds if kind != NORMAL]
    ratios = {kind: _ratio(measured, kind, NORMAL, "frechet") for kind in others}
    signs = [decided(estimate(_AS_GOOD - value for value in ratio.values)) for ratio in ratios.values()]
    evidence = (
        "With the same recipe (energy distance), networks and steps, the Fréchet distance of samples from data, "
        "relative to that under the normal prior, is "
        + ", ".join(f"{ratio} ({kind.removeprefix('matched: ')})" for kind, ratio in ratios.items())
        + f"; up to {_AS_GOOD:g} counts as as good. Reconstruction errors: "
        + series(measured, [PLAIN, *kinds], "error")
        + "."
    )
    return Claim(
        "Any other distribution would do as well, with a loss that measures the distance from it.",
        verdict(signs),
        evidence + _few(measured),
    )


def learned(measured: Measured, kinds: Sequence[str]) -> Claim:
    """Whether priors that learn along give a higher likelihood bound and better samples."""
    rich = [kind for kind in kinds if kind.removeprefix("VAE: ") in ("mixture", "VampPrior", "flow")]
    likelihood = changes(measured, rich, "iwae", against=VAE, less=False)
    samples = changes(measured, rich, "frechet", against=VAE)
    gains = ", ".join(
        f"{short(of(measured, kind, 'iwae').mean - of(measured, VAE, 'iwae').mean)} nats and "
        f"{_ratio(measured, kind, VAE, 'frechet')} times the Fréchet distance ({kind.removeprefix('VAE: ')})"
        for kind in rich
    )
    return Claim(
        "A prior that learns along with the VAE (a mixture, VampPrior, a flow) is better than a fixed normal one.",
        verdict([*likelihood, *samples]),
        f"Against the VAE with a normal prior, whose importance-weighted bound is {of(measured, VAE, 'iwae')} nats, "
        "they "
        f"gain in bound and come to: {gains}." + _few(measured),
    )


def conflict(measured: Measured) -> Claim:
    """How much of a VAE's blur goes when the KL goes, against what a larger latent and wider networks give."""

    def change(kind: str, against: str, name: str = "mean") -> Estimate:
        a, b = by_seed(measured, kind, name), by_seed(measured, against, name)
        return estimate(a[seed] - b[seed] for seed in sorted(a.keys() & b.keys()))

    def part(vae: str) -> Estimate:
        a, b = by_seed(measured, PLAIN, "mean"), by_seed(measured, vae, "mean")
        return estimate((a[s] - b[s]) / (1 - b[s]) for s in sorted(a.keys() & b.keys()) if b[s] < 1)

    of_unit, of_best = part(UNIT), part(VAE)
    signs = [decided(estimate(value - 0.5 for value in e.values)) for e in (of_unit, of_best)]
    evidence = (
        f"Sharpness is the variance of the Laplacian, relative to data. Reconstructions of the VAE reach "
        f"{of(measured, VAE, 'mean')} with the best σ and {of(measured, UNIT, 'mean')} with σ = 1, where the KL weighs "
        f"most; the autoencoder of the same size, which has no KL, {of(measured, PLAIN, 'mean')}. So dropping the KL "
        f"brings back {of_best} (best σ) and {of_unit} (σ = 1) of what is missing. What remains is the squared error, "
        f"which answers with the mean of all pictures that a latent may stand for: with a larger latent the "
        f"autoencoder's sharpness changes by {change(LARGE, PLAIN)}, with networks three times as wide by "
        f"{change(WIDE, PLAIN)}. Decoding a draw of the posterior in place of its mean changes it by "
        f"{estimate(v - by_seed(measured, VAE, 'mean')[s] for s, v in by_seed(measured, VAE, 'draw').items())}."
    )
    return Claim(
        "VAEs blur because the KL conflicts with the reconstruction.",
        verdict(signs),
        evidence + _few(measured),
    )


def critic(measured: Measured) -> Claim:
    """Whether a critic brings sharpness nearer to that of data: too sharp counts like too blurred."""

    def away(kind: str, name: str) -> Mapping[int, float]:
        return {seed: abs(math.log(max(v, 1e-6))) for seed, v in by_seed(measured, kind, name).items()}

    signs = []
    for name in ("mean", "sample"):
        a, b = away(UNIT, name), away(GAN, name)
        signs.append(decided(estimate(a[seed] - b[seed] for seed in sorted(a.keys() & b.keys()))))
    return Claim(
        "With a critic in place of the squared error (VAE-GAN) pictures come nearer to the sharpness of data.",
        verdict(signs),
        f"Relative to data, reconstructions of the VAE-GAN have a sharpness of {of(measured, GAN, 'mean')} and its "
        f"samples {of(measured, GAN, 'sample')}; those of the VAE with σ = 1 {of(measured, UNIT, 'mean')} and "
        f"{of(measured, UNIT, 'sample')}. It is compared by distance from 1: too sharp is wrong, too. The KL is in "
        f"both, and with equal weight. The Fréchet distance of samples is {of(measured, GAN, 'frechet')} against "
        f"{of(measured, UNIT, 'frechet')}." + _few(measured),
    )


def headline(
    claims: Mapping[str, Claim], measured: Measured, kinds: Sequence[str], variational: Sequence[str]
) -> list[str]:
    """The answer."""
    first = {
        "holds": "Nothing but convenience speaks for the normal prior here: all others that were tried do as well.",
        "holds in part": "The prior need not be normal: some others give samples as good, and some do not.",
        "fails": "The prior need not be normal, but no other that was tried does as well with the same recipe.",
        "not decided": "Whether another prior is as good as the normal one was not decided.",
    }[claims["other"].verdict]
    by_frechet = sorted(
        (kind for kind in [*kinds, *variational] if math.isfinite(of(measured, kind, "frechet").mean)),
        key=lambda kind: of(measured, kind, "frechet").mean,
    )
    spread = ""
    if by_frechet:
        best, worst = by_frechet[0], by_frechet[-1]
        spread = (
            f"Samples were nearest to data with “{best}” (Fréchet distance {of(measured, best, 'frechet')}) and "
            f"farthest with “{worst}” ({of(measured, worst, 'frechet')}); by the number of samples it takes to see "
            f"that the latents do not follow their prior, the first has n* = {detection(measured, best)} and the "
            f"second {detection(measured, worst)}."
        )
    free, kept, ends = (
        of(measured, PLAIN, "fitted Gaussian share"),
        of(measured, NORMAL, "its prior share"),
        of(measured, PLAIN, "reconstructions share"),
    )
    third = (
        f"A prior is needed to know where to draw, and fitting one afterwards is another way: without any, {free} of "
        f"the draws from a Gaussian fitted to the latents decode to something like data, against {kept} from a normal "
        f"prior that was trained for, and {ends} of reconstructions."
    )
    fourth = {
        "holds": "Blur comes mostly from the KL.",
        "holds in part": "Blur comes mostly from the KL in one of the two VAEs only; elsewhere from the squared error.",
        "fails": "Blur does not come mostly from the KL: an autoencoder without one keeps most of it.",
        "not decided": "Where blur comes from was not decided.",
    }[claims["conflict"].verdict]
    return [sentence for sentence in (first, spread, third, fourth) if sentence]
