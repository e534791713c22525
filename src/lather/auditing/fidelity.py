"""Reconstruction, likelihood and the sampling gap as rows of a report."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lather.auditing.gap import CHUNK, SamplingGap, decoded
from lather.auditing.row import Row, Verdict
from lather.priors.base import Prior

__all__ = ["GAP_AMBER", "GAP_RED", "elbo_row", "gap_rows", "reconstruction_row", "unmeasured"]

GAP_AMBER = 0.10  #: share of the generated images' distance from real ones that the sampling gap may make up
GAP_RED = 0.50  #: beyond this share the gap outweighs everything else together

_TITLES = {
    "reconstruction_error": "reconstruction error",
    "elbo": "evidence lower bound",
    "fidelity_reconstruction": "reconstructions against real data",
    "fidelity_posterior": "decodes of held-out latents against real data",
    "fidelity_prior": "generated against real data",
    "gap": "sampling gap",
}


def unmeasured(key: str, reason: str) -> Row:
    """The row ``key`` with the reason why there is no number."""
    return Row(key, _TITLES[key], reason=reason)


@torch.no_grad()
def reconstruction_row(held_out: Tensor, means: Tensor, decode: Callable[[Tensor], Tensor]) -> Row:
    """Root-mean-square difference per value between held-out data and the decodes of their posterior means.

    ``details`` adds the share of the data's variance that is explained, and the squared error summed over a datum.
    """
    error = torch.zeros((), dtype=torch.float64)
    for x, z in zip(held_out.split(CHUNK), means.split(CHUNK), strict=True):
        error += (x.double().cpu() - decoded(decode, z, x.shape[1:]).double()).square().sum()
    values = held_out.numel()
    mean_square = float(error) / values
    variance = float(held_out.double().flatten(1).var(0, correction=0).mean())
    explained = 1 - mean_square / variance if variance > 0 else 0.0
    return Row(
        "reconstruction_error",
        _TITLES["reconstruction_error"],
        effect=mean_square**0.5,
        details={
            "mean_square": mean_square,
            "summed_square": float(error) / len(held_out),
            "explained": explained,
            "n": len(held_out),
        },
        meaning=f"Held-out data come back with a typical error of {mean_square**0.5:.3g} per value; "
        f"{max(explained, 0.0):.0%} of what varies between them survives the trip.",
    )


def elbo_row(elbo: float, *, likelihood: bool = True, tightened: float | None = None) -> Row:
    """Evidence lower bound in nats per datum, or the same sum with a cross entropy that is no likelihood.

    ``tightened``: by how much more an importance-weighted bound says, in nats per datum.
    """
    more = {} if tightened is None else {"tightened": tightened}
    beyond = "" if tightened is None else f" Many draws a datum, weighed by importance, add {tightened:.1f} nats."
    if not likelihood:
        return Row(
            "elbo",
            "cross-entropy bound",
            effect=elbo,
            meaning=f"Cross entropy and KL come to {-elbo:.1f} nats a datum. The data are not binary, so this bounds "
            "no likelihood; binarise them, or use a Gaussian likelihood, for one that does." + beyond,
            details={"likelihood": False, **more},
        )
    return Row(
        "elbo",
        _TITLES["elbo"],
        effect=elbo,
        meaning=f"Held-out data have a log likelihood of at least {elbo:.1f} nats each on average (higher is better; "
        "comparable only between models of the same likelihood)." + beyond,
        details={"likelihood": True, **more},
    )


def gap_rows(gap: SamplingGap, *, fitted: Prior | None = None) -> list[Row]:
    """The blame table as rows, Fréchet distances in the effects and kernel distances in ``details``.

    Args:
        gap: what was measured.
        fitted: what the draws came from, where that is not the model's own prior.
    """
    source = "the prior" if fitted is None else f"the fitted {type(fitted).__name__}"
    real = gap.scores["real"]["frechet"]
    rows = []
    for name, meaning in (
        (
            "reconstruction",
            "Reconstructions are {} as far from real data as other real data are: the decoder's limits.",
        ),
        ("posterior", "Decodes of noisy held-out latents are {} as far: what latent noise adds shows here."),
        ("prior", f"What the model generates from {source} is {{}} as far: this is what a user sees."),
    ):
        score = gap.scores[name]
        times = score["frechet"].value / real.value if real.value > 0 else float("inf")
        rows.append(
            Row(
                f"fidelity_{name}",
                _TITLES[f"fidelity_{name}"],
                effect=score["frechet"].value,
                null=real.high,
                low=score["frechet"].low,
                high=score["frechet"].high,
                meaning=meaning.format(f"{times:.{0 if times >= 10 else 1}f} times"),
                details={
                    "kernel": list(score["kernel"]),
                    "real": list(real),
                    "n": gap.n,
                    "features": gap.features,
                    **({"drawn_from": repr(fitted)} if fitted is not None and name == "prior" else {}),
                },
            )
        )
    step, prior = gap.steps["gap"]["frechet"], gap.scores["prior"]["frechet"]
    share = step.value / prior.value if prior.value > 0 else 0.0
    verdict = _colour(step.low, share)
    deviation = (step.high - step.low) / 4
    rows.append(
        Row(
            "gap",
            _TITLES["gap"],
            effect=step.value,
            null=2 * deviation,
            z=step.value / deviation if deviation > 0 else None,
            low=step.low,
            high=step.high,
            verdict=verdict,
            meaning=_sentence(step.low, share, fitted),
            remedy="Raise the weight of the matching term, or sample from a mixture or flow fitted to the latents."
            if fitted is None
            else "Fit the sampler to more latents, with more components, or match the latents with the prior.",
            details={
                "share": share,
                "kernel": list(gap.steps["gap"]["kernel"]),
                "noise": list(gap.steps["noise"]["frechet"]),
                "decoder": list(gap.steps["decoder"]["frechet"]),
                "n": gap.n,
                "splits": gap.splits,
                "features": gap.features,
                **({} if fitted is None else {"drawn_from": repr(fitted)}),
            },
        )
    )
    return rows


def _colour(low: float, share: float) -> Verdict:
    if low <= 0 or share < GAP_AMBER:
        return "green"
    return "red" if share >= GAP_RED else "amber"


def _sentence(low: float, share: float, fitted: Prior | None) -> str:
    if low <= 0:
        draws = "prior draws" if fitted is None else f"draws of the fitted {type(fitted).__name__}"
        return f"Images decoded from {draws} are as close to real ones as decodes of held-out latents."
    if fitted is not None:
        return (
            f"{share:.0%} of the distance between generated and real data comes from drawing from the fitted "
            f"{type(fitted).__name__} instead of the latents themselves; the rest is the decoder's and the latent "
            "noise's."
        )
    return (
        f"{share:.0%} of the distance between generated and real data comes from sampling where the encoder puts no "
        "data; the rest is the decoder's and the latent noise's."
    )
