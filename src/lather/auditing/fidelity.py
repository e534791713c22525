"""Reconstruction and the sampling gap as rows of a report."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lather.auditing.gap import CHUNK, SamplingGap, decoded
from lather.auditing.row import Row, Verdict
from lather.priors.base import Prior

__all__ = ["GAP_AMBER", "GAP_RED", "REMEDIES", "TITLES", "colour", "gap_rows", "reconstruction_row", "unmeasured"]

GAP_AMBER = 0.10  #: share of the generated images' distance from real ones that the sampling gap may make up
GAP_RED = 0.50  #: beyond this share the gap outweighs everything else together

TITLES = {  # of all rows about decoded data
    "reconstruction_error": "reconstruction error",
    "elbo": "evidence lower bound",
    "iwae": "log likelihood, bounded with more and more draws",
    "bits_per_dim": "bits per dimension",
    "fidelity_reconstruction": "reconstructions against real data",
    "fidelity_posterior": "decodes of held-out latents against real data",
    "fidelity_prior": "generated against real data",
    "kid_reconstruction": "reconstructions against real data, kernel distance",
    "kid_posterior": "decodes of held-out latents against real data, kernel distance",
    "kid_prior": "generated against real data, kernel distance",
    "precision": "generated data that look real",
    "recall": "real data that can be generated",
    "density": "how typical generated data are",
    "coverage": "real data with a generated neighbour",
    "gap": "sampling gap",
    "blame": "which step costs most",
}

REMEDIES = {  # by the step of the sampling gap that costs most
    "decoder": "Give the decoder more capacity or train it longer; no prior or sampler will repair it.",
    "noise": "Lower the posterior noise (a smaller weight of the KL), or train longer, so that decodes stand it.",
    "gap": "Raise the weight of the matching term, or sample from what fits the latents (lather repair).",
    "fitted": "Fit the sampler to more latents, with more components, or match the latents with the prior.",
}


def unmeasured(key: str, reason: str) -> Row:
    """The row ``key`` with the reason why there is no number."""
    return Row(key, TITLES[key], reason=reason)


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
        TITLES["reconstruction_error"],
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
                TITLES[f"fidelity_{name}"],
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
    deviation = (step.high - step.low) / 4
    rows.append(
        Row(
            "gap",
            TITLES["gap"],
            effect=step.value,
            null=2 * deviation,
            z=step.value / deviation if deviation > 0 else None,
            low=step.low,
            high=step.high,
            verdict=colour(step.low, share),
            meaning=_sentence(step.low, share, fitted),
            remedy=REMEDIES["gap" if fitted is None else "fitted"],
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


def colour(low: float, share: float) -> Verdict:
    """Green: within the noise (``low`` ≤ 0), or a ``share`` below 10%; red from 50%; amber between."""
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
