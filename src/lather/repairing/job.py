"""The whole repair: fit, score, choose, audit again."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lather.auditing import Features, Report, measure_latents
from lather.data import Latents
from lather.data.latents import Array
from lather.errors import ConfigError, LatherError
from lather.pipeline.beside import dataset_for
from lather.pipeline.decoders import Decoder, run_of
from lather.pipeline.held_out import HeldOut
from lather.priors import Prior, make_prior
from lather.repairing.candidates import CANDIDATES, Fitted, find_candidates
from lather.repairing.choice import choose, improves
from lather.repairing.copies import CopyCheck
from lather.repairing.gaps import GapBench
from lather.repairing.material import Material, from_latents, from_run
from lather.repairing.pool import Pool
from lather.repairing.progress import Progress
from lather.repairing.result import Repair
from lather.repairing.scores import Score, score_prior
from lather.train import Run

__all__ = ["repair"]

_MOST = 20_000  # training latents


def repair(
    z: Array | Latents | Run | str | Path | None = None,
    *,
    mean: Array | str | None = None,
    std: Array | str | None = None,
    logvar: Array | str | None = None,
    prior: Prior | str | None = None,
    held_out: HeldOut | None = None,
    decoder: Decoder | Run | str | Path | None = None,
    data: Any = None,
    candidates: str | Sequence[str] | None = None,
    features: Features | None = None,
    key: str | None = None,
    most: int = _MOST,
    audit: bool = True,
    out: str | Path | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Repair:
    """Fit what the latents really follow, and say which fit to draw new ones from.

    Latents are taken in three parts that share no datum: candidates are fitted to the first, the second chooses how
    many components, how wide a kernel and when to stop, the third scores. For a run they are its training, validation
    and test data; otherwise ``held_out`` gives a third to choosing and the rest to scoring.

    Args:
        z: a trained run or its directory; or latents of *training* data of any model: an array or tensor (n, d) or
            (n, c, h, w), :class:`~lather.Latents`, or the path of a file.
        mean, std, logvar: Gaussian posteriors of the same data, of the shape of ``z``, which may then be left out; or,
            where ``z`` is a file, what they are called in it.
        prior: what latents have been drawn from so far, a prior or a name (default: N(0, I); for a run, what it has).
        held_out: latents of data that the encoder was not trained on, as for :func:`lather.audit`: an array, a pair
            (mean, std), :class:`~lather.Latents`, a path; or a mask or a share of ``z`` (default 0.3). A part of ``z``
            is a
            makeshift: an encoder that treats training data differently is found out only by data it never saw.
        decoder: to measure the sampling gap: a function or module, a run or its directory, or an ``.onnx`` file.
        data: what the held-out latents are of, in their order (what all of ``z`` is of, where ``held_out`` is a part
            of it). For a run, its dataset, if it cannot be read again from where it was.
        candidates: names from ``lather.repairing.CANDIDATES``; all by default.
        features: what images are compared by.
        key: array, matrix or column of the file ``z``.
        most: at most so many training latents are used.
        audit: whether to audit the held-out latents against the old and the new prior: two full reports, which takes
            about as long as the fits.
        out: directory to save to: the repaired prior as ``repaired.json`` and ``repaired.safetensors``, and what was
            found under ``repair/``. A run is saved in its own directory by default, latents are not saved.
        seed: of every random choice.
        progress: whether to show what is going on.

    Returns:
        The table, the winner and both reports; ``result.prior`` draws.

    Raises:
        ShapeError, DataError: latents that cannot be used; the message says where and what to do.
        ConfigError: arguments that do not go together.
        RunError: a run, or its data, that cannot be read.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> z = torch.randn(900, 2, generator=g) @ torch.tensor([[2.0, 1.0], [0.0, 0.5]])
        >>> result = repair(z, candidates=["gaussian", "mixture"], audit=False)
        >>> result.improved, [score.name for score in result.scores]
        (True, ['before', 'gaussian', 'mixture'])
    """
    names = find_candidates(candidates if candidates is None or isinstance(candidates, str) else list(candidates))
    if most < 1:
        raise ConfigError(f"a repair is fitted to latents, and most={most} leaves none")
    run = run_of(z)
    if run is not None:
        given: dict[str, object] = {"mean": mean, "std": std, "logvar": logvar, "prior": prior, "held_out": held_out}
        given |= {"decoder": decoder, "key": key}
        foreign = [name for name, value in given.items() if value is not None]
        if foreign:
            raise ConfigError(f"{', '.join(foreign)}: a run brings its own; leave it out")
        material = from_run(run, dataset_for(run, data), most, seed)
    else:
        first = _latents(z, key, {"mean": mean, "std": std, "logvar": logvar})
        law = prior if isinstance(prior, Prior) else make_prior(prior or "normal", first.d)
        material = from_latents(first, held_out, law, decoder=decoder, data=data, key=key, most=most, seed=seed)
    result = _repair(material, names, features, audit, seed, progress)
    folder = Path(out) if out is not None else run.path if run is not None else None
    if folder is not None:
        result.save(folder)
    return result


def _repair(
    material: Material, names: list[str], features: Features | None, audit: bool, seed: int, progress: bool
) -> Repair:
    started = time.perf_counter()
    with Progress(show=progress) as shown:
        shown.begin("what was drawn from so far")
        check = CopyCheck(material, seed)
        bench = GapBench(material, features, seed) if material.decoded else None
        blank = Score("before", choice=type(material.prior).__name__)
        before, old = score_prior(blank, material.prior, material, check, bench, seed)
        shown.end(_line(before))
        scores, pools = [before], {"before": old}
        for name in names:
            shown.begin(name)
            score = _fitted(name, material, seed, shown)
            if score.prior is not None:
                score, pools[name] = score_prior(score, score.prior, material, check, bench, seed)
            scores.append(score)
            shown.end(_line(score))
        winner = choose(scores[1:])
        reports: dict[str, Report] = {}
        for name, pool in (("before", old), ("after", pools[winner.name])) if audit else ():
            shown.begin(f"audit {name}")
            reports[name] = _audited(material, pool, features, seed)
            shown.end(f"audit {name}: {reports[name].headline}")
    return Repair(
        scores,
        winner,
        improves(winner, before),
        material,
        pools["before"],
        pools[winner.name],
        reports.get("before"),
        reports.get("after"),
        seed,
        time.perf_counter() - started,
    )


def _fitted(name: str, material: Material, seed: int, shown: Progress) -> Score:
    """The candidate, or why there is none."""
    candidate = CANDIDATES[name]
    started = time.perf_counter()
    try:
        found: Fitted = candidate.fit(material, seed, shown.share)
    except LatherError as error:
        return Score(name, reason=str(error))
    seconds = time.perf_counter() - started
    return Score(name, found.prior, found.choice, found.trials, seconds, bound=candidate.bound)


def _line(score: Score) -> str:
    if score.reason is not None:
        return f"{score.name}: {score.reason}"
    likelihood = "" if score.log_likelihood is None else f"  log-likelihood {score.log_likelihood:.2f}"
    gap = "" if score.gap is None else f"  sampling gap {score.gap.value:.3g}"
    return f"{score.name} ({score.choice}){likelihood}{gap}" if score.choice else f"{score.name}{likelihood}{gap}"


def _audited(material: Material, pool: Pool, features: Features | None, seed: int) -> Report:
    """Held-out latents against one prior, and what is decoded from each."""
    report = measure_latents(
        material.scoring,
        pool,
        data=material.data,
        decode=material.decode,
        means=material.scoring_mean,
        train_means=material.anchors[:5_000],
        train_stds=None if material.std is None else material.std[:5_000],
        labels=material.labels,
        label_names=material.classes,
        features=features,
        context={"source": material.origin, "split": f"{len(material.scoring)} held-out latents that score"},
        seed=seed,
    )
    return replace(report, prior=repr(pool.prior))


def _latents(z: Any, key: str | None, posteriors: dict[str, Any]) -> Latents:
    given = {name: value for name, value in posteriors.items() if value is not None}
    if isinstance(z, (str, Path)):
        arrays = [name for name, value in given.items() if not isinstance(value, (str, Path))]
        if arrays:
            raise ConfigError(f"{', '.join(arrays)}: the latents are a file, so name arrays of it, or other files")
        return Latents.read(z, key=key, **given)
    if key is not None:
        raise ConfigError(f"key={key!r} names a part of a file, but arrays were given; leave it out")
    if isinstance(z, Latents):
        if given:
            raise ConfigError(f"{', '.join(given)}: these are part of Latents: lt.Latents(z, mean=..., std=...)")
        return z
    return Latents(z, **given)
