"""Measuring a trained model from arrays: the whole job in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from lather.auditing.blame import IMAGE_KEYS, image_rows
from lather.auditing.bubbles import Bubbles
from lather.auditing.energy import energy_row, sampler_row
from lather.auditing.features import Features
from lather.auditing.fidelity import reconstruction_row, unmeasured
from lather.auditing.gap import CHUNK, decoded, sampling_gap
from lather.auditing.geometry import geometry_rows
from lather.auditing.inputs import FEWEST, check_latents, shuffled
from lather.auditing.ladder import ladder_rows
from lather.auditing.likelihood import bits_row, bounds_row, elbo_row
from lather.auditing.pairs import mmd_small_row, pair_distance_row
from lather.auditing.plotdata import plot_data
from lather.auditing.plots.pictures import picture_data
from lather.auditing.posterior_side import posterior_side
from lather.auditing.radius import radius_row
from lather.auditing.regions import strays_row
from lather.auditing.report import Report
from lather.auditing.row import Row, judge
from lather.auditing.sbc import sbc_rows, unmeasured_sbc
from lather.auditing.slices import per_axis_row
from lather.auditing.stream import LatentSums, rows_of, whole_rows
from lather.errors import DataError, ShapeError
from lather.priors.base import Prior

__all__ = ["measure_latents"]

_STREAM = 0x5EED_0F_1A7E_2  # far from the seeds that people choose
MOST_LATENTS = 20_000  #: latents that are held in memory together; of more, one pass says what it can
MOST_IMAGES = 4_000  #: held-out data that are decoded; two halves of 2000 settle a Fréchet distance to a few per cent


def measure_latents(
    latents: Tensor,
    prior: Prior,
    *,
    data: Tensor | None = None,
    decode: Callable[[Tensor], Tensor] | None = None,
    means: Tensor | None = None,
    stds: Tensor | None = None,
    train_means: Tensor | None = None,
    train_stds: Tensor | None = None,
    encode: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None,
    sample_x: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    labels: Tensor | None = None,
    label_names: Sequence[str] = (),
    elbo: float | None = None,
    elbo_is_likelihood: bool = True,
    bounds: Mapping[int, float] | None = None,
    bits_per_dim: tuple[float, str] | None = None,
    features: Features | None = None,
    context: Mapping[str, Any] | None = None,
    sampler: Prior | None = None,
    further: Sequence[Row] = (),
    reasons: Mapping[str, str] | None = None,
    sums: LatentSums | None = None,
    seed: int = 0,
) -> Report:
    """Compare held-out latents with the prior, and what is decoded from each with held-out data.

    Only ``latents`` and ``prior`` are needed; whatever else is missing leaves its rows in the report with the
    reason. Rows, in this order: what posteriors spend (``rate``, ``overlap``, ``two_draw``); the match with the prior
    (``three_way``, ``ladder_1`` … ``ladder_4``, ``radius``, ``pair_distance``, ``energy``, ``mmd_small``, ``per_axis``,
    ``signal``, ``holes``, ``crowding``, ``strays``); ``memorisation``; ``sbc``, ``sbc_radius``;
    ``reconstruction_error``, ``elbo``, ``iwae``, ``bits_per_dim``; sets of images by Fréchet and kernel distance
    (``fidelity_…`` and ``kid_…`` of ``reconstruction``, ``posterior`` and ``prior``), ``precision``, ``recall``,
    ``density``, ``coverage``, ``gap``, ``blame``; and the geometry (``effective_rank``, ``two_nn``,
    ``active_units``). Samples are shuffled first (test sets come sorted by class). Of more than 20 000 latents, mean,
    covariance, radius, axes and strays are those of all of them, taken in one pass, as are two rows that there are only
    then, along random directions (``per_slice``, ``waves``, after ``per_axis``); the other rows look at a random part
    (``details["n"]``), and at most 4000 data are decoded.

    Args:
        latents: one posterior draw (for a deterministic encoder: the code) of each held-out datum, (n, d) or
            (n, h, w, c), n ≥ 20. Of *held-out* data: latents of training data flatter the model.
        prior: what latents should follow, and where generation samples from unless there is a ``sampler``.
        data: the held-out data themselves, (n, *shape), in the order of ``latents``.
        decode: latents (m, d) → mean images (m, *shape), of the range of ``data``; called under ``no_grad`` on
            at most 256 latents at a time, with the device and dtype of ``latents``.
        means: posterior means, shaped like ``latents``; for a deterministic encoder leave it out.
        stds: posterior standard deviations, shaped like ``means``, of Gaussians with independent coordinates.
        train_means, train_stds: the same of *training* data (N, d), for the rate budget, the three-way test, holes and
            memorisation; for a deterministic encoder ``train_means`` alone.
        encode: data (m, *shape) → means and standard deviations (m, d), for ``sbc``.
        sample_x: latents (m, d), generator → data drawn from p(x|z), for ``sbc``.
        labels: class of each datum, (n,) integers, for the map only; −1 where unknown.
        label_names: names of the classes 0, 1, ….
        elbo: evidence lower bound of the held-out data in nats per datum, where the model has one.
        elbo_is_likelihood: whether it bounds a log likelihood; ``False`` for a cross entropy of data that are not
            binary, which is then reported under its own name.
        bounds: importance-weighted bounds in nats per datum by the number of draws, ``{1: …, 8: …, 64: …}``; at 1 the
            ELBO.
        bits_per_dim: −log₂ P(x) of a held-out datum over its numbers, at most, where data are discrete; and how it
            was found, as the end of a sentence.
        features: images → (n, f), what image sets are compared by; see :mod:`lather.auditing.features`.
        sampler: what new latents are drawn from where that is not ``prior``, such as a mixture fitted to them: the gap,
            the generated images and the fidelity of what is generated are then those of ``sampler``, and say so.
        context: JSON-ready facts to keep in the report (data, recipe, epochs …).
        further: rows to append, judged already.
        reasons: why ``sbc``, ``elbo``, ``iwae`` or ``bits_per_dim`` were not given, in place of a general reason.
        sums: over the whole sample, where ``latents`` are only a random part of it: rows that one pass can fill are
            then those of the whole.
        seed: source of every random choice.

    Raises:
        ShapeError: shapes that do not go together.
        DataError: NaN or infinite values, all latents identical, too few samples.

    Example:
        >>> from lather.priors.normal import StandardNormal
        >>> g = torch.Generator().manual_seed(0)
        >>> report = measure_latents(1.5 * torch.randn(400, 2, generator=g), StandardNormal(2))
        >>> report.verdict, report.rows["ladder_2"].verdict, report.rows["gap"].reason
        ('red', 'red', 'no decoder was given')
    """
    generator = torch.Generator().manual_seed(seed)
    reasons = reasons or {}
    source = prior if sampler is None else sampler
    if source.d != prior.d:
        raise ShapeError(f"the sampler has d={source.d} and the prior d={prior.d}; they must agree")
    z = check_latents(latents, prior)
    n = len(z)
    _check_beside(latents, data, means, stds, labels)
    training = None if train_means is None else Bubbles(train_means, train_stds)
    if training is not None and training.d != prior.d:
        raise ShapeError(f"training posteriors have d={training.d} and the prior d={prior.d}; they must agree")
    order = shuffled(n, generator)[:MOST_LATENTS]
    every, z = z, z[order].double()
    split = torch.Generator().manual_seed((seed + 3 * _STREAM) % 2**63)
    if sums is not None:
        whole, n = rows_of(sums, z, prior, generator=split), sums.n
    else:
        whole = whole_rows(every, z, prior, seed=seed, generator=split) if n > len(z) else {}
    # a stream of its own: a user may have drawn the latents themselves from this very seed
    own = torch.Generator(device=prior.like.device).manual_seed((seed + _STREAM) % 2**63)
    sides = [None if x is None else x.detach().flatten(1)[order.to(x.device)].cpu().double() for x in (means, stds)]
    drawn = torch.Generator().manual_seed((seed + 2 * _STREAM) % 2**63)
    side = posterior_side(z, prior, training, *sides, generator=drawn, prior_generator=own)
    tests = [
        *side.get("three_way"),
        *ladder_rows(z, prior),
        radius_row(z, prior, generator=own),
        pair_distance_row(z, prior, generator=own),
        energy_row(z, prior, generator=own),
        mmd_small_row(z, prior, generator=own),
        per_axis_row(z, prior, generator=own),
        *(whole[key] for key in ("per_slice", "waves") if key in whole),
        *side.get("signal", "holes", "crowding"),
        strays_row(z, prior, generator=own),
    ]
    tests = [whole.get(row.key, row) for row in tests]
    if sampler is not None:  # the latents need not follow the prior, so a remedy for that would mislead
        tests = [*(replace(row, remedy="") for row in tests), sampler_row(z, sampler, generator=own)]
    rows = [*tests, *side.get("memorisation"), *_calibration(encode, sample_x, prior, own, reasons.get("sbc"))]

    few = order[:MOST_IMAGES]
    draws = latents.detach()[few.to(latents.device)]
    codes = draws if means is None else means.detach()[few.to(means.device)].to(draws)
    shown = None if data is None else data[few.to(data.device)].detach().cpu().float()
    evidence = [
        unmeasured("elbo", reasons.get("elbo", "this model has no likelihood bound"))
        if elbo is None
        else elbo_row(elbo, likelihood=elbo_is_likelihood),
        unmeasured("iwae", reasons.get("iwae", "no importance-weighted bounds were given"))
        if bounds is None
        else bounds_row(bounds, likelihood=elbo_is_likelihood),
        unmeasured("bits_per_dim", reasons.get("bits_per_dim", "no likelihood of discrete data was given"))
        if bits_per_dim is None
        else bits_row(*bits_per_dim),
    ]
    rows += _decoded_rows(decode, shown, draws, codes, prior, sampler, evidence, features, generator)

    plots, arrays = plot_data(
        z,
        prior,
        {row.key: row for row in rows},
        side.scores,
        tested=z if training is not None else z[len(z) // 2 :],
        means=sides[0],
        stds=sides[1],
        labels=None if labels is None else labels.cpu()[order],
        label_names=label_names,
        decode=None if decode is None or shown is None else _decoder(decode, latents, shown.shape[1:]),
        generator=own,
    )
    more_plots, more_arrays = _pictures(decode, shown, codes, source, own)
    plots |= more_plots
    arrays |= more_arrays
    if sampler is not None:
        plots["sampler"] = repr(sampler)
    about = side.get("rate", "overlap", "two_draw")  # they describe, and count as no test
    judged = [*about, *judge(rows), *geometry_rows(z, prior, means=sides[0], generator=own), *further]
    return Report(
        n, z.shape[1], repr(prior), seed, {row.key: row for row in judged}, dict(context or {}), plots, arrays
    )


def _calibration(
    encode: Callable[[Tensor], tuple[Tensor, Tensor]] | None,
    sample_x: Callable[[Tensor, torch.Generator], Tensor] | None,
    prior: Prior,
    generator: torch.Generator,
    reason: str | None,
) -> list[Row]:
    if encode is None or sample_x is None:
        return unmeasured_sbc(reason or "it needs a Gaussian encoder and a decoder that data can be drawn from")
    return sbc_rows(encode, sample_x, prior, generator=generator)


def _check_beside(
    latents: Tensor, data: Tensor | None, means: Tensor | None, stds: Tensor | None, labels: Tensor | None
) -> None:
    n = len(latents)
    for name, tensor in (("data", data), ("means", means), ("stds", stds), ("labels", labels)):
        if tensor is not None and len(tensor) != n:
            raise ShapeError(f"{name} has {len(tensor)} samples, latents {n}; they go together, row by row")
    for name, tensor in (("means", means), ("stds", stds)):
        if tensor is not None and tensor.shape != latents.shape:
            raise ShapeError(
                f"{name} have shape {tuple(tensor.shape)}, latents {tuple(latents.shape)}; they must agree"
            )
    if stds is not None and not bool((stds > 0).all()):
        raise DataError("stds hold values that are not positive; for a deterministic encoder leave them out")
    for name, tensor in (("data", data), ("means", means), ("stds", stds)):
        if tensor is not None and tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(f"{name} holds NaN or infinite values; check the data and the encoder")


def _decoded_rows(
    decode: Callable[[Tensor], Tensor] | None,
    data: Tensor | None,
    draws: Tensor,
    means: Tensor,
    prior: Prior,
    sampler: Prior | None,
    evidence: list[Row],
    features: Features | None,
    generator: torch.Generator,
) -> list[Row]:
    if decode is None or data is None:
        reason = "no decoder was given" if decode is None else "no held-out data were given"
        return [unmeasured("reconstruction_error", reason), *evidence, *(unmeasured(key, reason) for key in IMAGE_KEYS)]
    rows = [reconstruction_row(data, means, decode), *evidence]
    if len(data) < 2 * FEWEST:
        reason = f"{len(data)} held-out data are too few to split in two; {2 * FEWEST} are needed"
        return [*rows, *(unmeasured(key, reason) for key in IMAGE_KEYS)]
    source, unfitted = (prior, None) if sampler is None else (sampler, prior)
    # means of binary data are grey, which alone would tell them from any real datum: compare the likeliest ones
    binary = bool(((data == 0) | (data == 1)).all())
    gap = sampling_gap(
        (lambda z: (decode(z) >= 0.5).float()) if binary else decode,
        data,
        draws,
        source,
        means=means,
        features=features,
        unfitted=unfitted,
        generator=generator,
    )
    return [*rows, *image_rows(gap, fitted=sampler, prior=unfitted)]


def _decoder(decode: Callable[[Tensor], Tensor], latents: Tensor, shape: torch.Size) -> Callable[[Tensor], Tensor]:
    """``decode`` for flat float64 latents: as it wants them, in the shape, dtype and place of ``latents``."""
    return lambda z: decoded(decode, z.to(latents).reshape(len(z), *latents.shape[1:]), shape)


@torch.no_grad()
def _pictures(
    decode: Callable[[Tensor], Tensor] | None,
    data: Tensor | None,
    means: Tensor,
    prior: Prior,
    generator: torch.Generator,
) -> tuple[dict[str, Any], dict[str, Any]]:
    if decode is None or data is None:
        return {}, {}
    m = min(CHUNK, len(data))
    codes = prior.sample(m, generator=generator).to(means).reshape(m, *means.shape[1:])
    return picture_data(data[:m], *(decoded(decode, z, data.shape[1:]) for z in (means[:m], codes)))
