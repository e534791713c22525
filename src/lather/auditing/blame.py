"""The blame table: how far each set of images is from real ones, by every metric, and which step costs most."""

from __future__ import annotations

from typing import Any

from lather.auditing.fidelity import REMEDIES, TITLES, colour, gap_rows
from lather.auditing.gap import METRICS, SamplingGap
from lather.auditing.neighbours import NEAREST, coverage_null
from lather.auditing.row import Row
from lather.priors.base import Prior

__all__ = ["IMAGE_KEYS", "image_rows"]

IMAGE_KEYS = (
    *("fidelity_reconstruction", "fidelity_posterior", "fidelity_prior"),
    *("kid_reconstruction", "kid_posterior", "kid_prior"),
    *("precision", "recall", "density", "coverage", "gap", "blame"),
)

_COLUMNS = {
    "frechet": "Fréchet distance",
    "kernel": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
}
_STEPS = {
    "decoder": "what the decoder cannot do",
    "noise": "latent noise",
    "gap": "sampling where the encoder puts no data",
}


def image_rows(gap: SamplingGap, *, fitted: Prior | None = None, prior: Prior | None = None) -> list[Row]:
    """All rows about sets of images, by key in the order of ``IMAGE_KEYS``.

    Precision, recall, density and coverage of what is generated take colours by what they lose against two sets of real
    data of the same size, as the sampling gap does: green where the loss lies within its noise (two deviations over
    re-splits) or below 10% of the value among real data, red from 50% on. Values *above* those of real data are
    no fault and stay green: samples that keep to the most typical data have a high precision, and it is recall and
    coverage that tell.

    Args:
        gap: what was measured.
        fitted: what generated data came from, where that is not the model's own prior.
        prior: the model's own prior, where ``fitted`` is given.
    """
    labels = {
        "real": "other real data",
        "reconstruction": "reconstructions",
        "posterior": "decodes of held-out latents",
        "prior": "generated from the prior" if fitted is None else f"generated from the fitted {type(fitted).__name__}",
        "unfitted": f"generated from {prior!r}",
    }
    labels = {name: label for name, label in labels.items() if name in gap.scores}
    rows = gap_rows(gap, fitted=fitted)
    rows += [_kernel_row(gap, name, labels) for name in ("reconstruction", "posterior", "prior")]
    rows += [_reach_row(gap, metric, labels, fitted) for metric in ("precision", "recall", "density", "coverage")]
    rows.append(_blame_row(gap, labels, fitted))
    by_key = {row.key: row for row in rows}
    return [by_key[key] for key in IMAGE_KEYS]


def _kernel_row(gap: SamplingGap, name: str, labels: dict[str, str]) -> Row:
    score, real = gap.scores[name]["kernel"], gap.scores["real"]["kernel"]
    return Row(
        f"kid_{name}",
        TITLES[f"kid_{name}"],
        effect=score.value,
        null=real.high,
        low=score.low,
        high=score.high,
        meaning=f"{_capitalised(labels[name])}: {score.value:.3g}. Two sets of real data of this size come to "
        f"{real.value:.2g} (0 on average over all such sets, whatever their size).",
        details={"n": gap.paired, "features": gap.features, "table": _table(gap, "kernel", labels)},
    )


_MEANINGS = {
    "precision": "{:.0%} of what is generated lies among real data; of other real data {:.0%} do.",
    "recall": "{:.0%} of real data lie among what is generated; among other real data {:.0%} do.",
    "density": "What is generated lies in {:.2f} neighbourhoods of real data where one would be right; other real data "
    "in {:.2f}.",
    "coverage": "{:.0%} of real data have something generated in their neighbourhood; {:.0%} have other real data "
    "there.",
}


def _reach_row(gap: SamplingGap, metric: str, labels: dict[str, str], fitted: Prior | None) -> Row:
    score, real, change = gap.scores["prior"][metric], gap.scores["real"][metric], gap.steps["whole"][metric]
    error = (change.high - change.low) / 4
    lost = max(-change.value, 0.0) / real.value if real.value > 0 else 0.0
    verdict = colour(-change.high, lost)
    meaning = _MEANINGS[metric].format(score.value, real.value)
    costliest = min(_STEPS, key=lambda step: gap.steps[step][metric].value)
    if verdict != "green":
        meaning += f" Most of what is missing is lost to {_STEPS[costliest]}."
    return Row(
        metric,
        TITLES[metric],
        effect=score.value,
        null=real.value - 2 * error,
        z=change.value / error if error > 0 else None,
        low=score.low,
        high=score.high,
        verdict=verdict,
        meaning=meaning,
        remedy=_remedy(costliest, fitted),
        details={
            "more_is_better": True,
            "real": list(real),
            "change": list(change),
            "lost": lost,
            "k": NEAREST,
            "n": gap.paired,
            "features": gap.features,
            "table": _table(gap, metric, labels),
            **({"expected": 1.0} if metric == "density" else {}),
            **({"expected": coverage_null(gap.paired, gap.paired)} if metric == "coverage" else {}),
        },
    )


def _blame_row(gap: SamplingGap, labels: dict[str, str], fitted: Prior | None) -> Row:
    scores, whole = gap.scores, gap.steps["whole"]["frechet"]
    generated, real = scores["prior"]["frechet"].value, scores["real"]["frechet"].value
    cost = {metric: {step: max(gap.steps[step][metric].value, 0.0) for step in _STEPS} for metric in _COLUMNS}
    costliest, by_kernel = (max(_STEPS, key=cost[metric].__getitem__) for metric in ("frechet", "kernel"))
    total = sum(cost["frechet"].values())
    shares = {step: cost["frechet"][step] / total if total > 0 else 0.0 for step in _STEPS}
    blamed = whole.low > 0 and gap.steps[costliest]["frechet"].low > 0
    words = f"Generated data are {generated:.3g} away from real data, other real data {real:.3g} (Fréchet distance)."
    if not blamed:
        words += " No step stands out from the noise of the measurement."
    else:
        rest = " and ".join(f"{shares[step]:.0%} to {_STEPS[step]}" for step in _STEPS if step != costliest)
        words += f" The largest part, {shares[costliest]:.0%}, is due to {_STEPS[costliest]}; {rest}."
        if by_kernel != costliest and gap.steps[by_kernel]["kernel"].low > 0:
            words += f" By the kernel distance the largest part is due to {_STEPS[by_kernel]}."
    return Row(
        "blame",
        TITLES["blame"],
        effect=shares[costliest] if blamed else 0.0,
        meaning=words,
        remedy=_remedy(costliest, fitted) if blamed else "",
        details={
            "step": costliest if blamed else None,
            "shares": shares,
            "n": {metric: gap.n if metric == "frechet" else gap.paired for metric in METRICS},
            "splits": gap.splits,
            "features": gap.features,
            "table": {
                "columns": ["set", *_COLUMNS.values()],
                "rows": [[label, *(scores[name][m].value for m in _COLUMNS)] for name, label in labels.items()],
            },
            "steps": {
                "columns": ["step", *_COLUMNS.values()],
                "rows": [[_STEPS[step], *(gap.steps[step][m].value for m in _COLUMNS)] for step in _STEPS],
            },
        },
    )


def _table(gap: SamplingGap, metric: str, labels: dict[str, str]) -> dict[str, Any]:
    """The metric of every set with its interval, real data first."""
    return {
        "columns": ["set", _COLUMNS[metric], "low", "high"],
        "rows": [[label, *gap.scores[name][metric]] for name, label in labels.items()],
    }


def _remedy(step: str, fitted: Prior | None) -> str:
    return REMEDIES["fitted" if step == "gap" and fitted is not None else step]


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
