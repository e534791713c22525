"""The audit: from latents of any model, or a trained run, to a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lather.auditing import Features, Report, measure_latents
from lather.auditing.inputs import FEWEST
from lather.data import Dataset, Latents
from lather.data.latents import Array
from lather.errors import ConfigError, DataError
from lather.pipeline.beside import data_beside, dataset_for, rows_of
from lather.pipeline.decoders import Decoder, make_decoder
from lather.pipeline.held_out import HeldOut, divide
from lather.pipeline.runs import measure
from lather.priors import Prior, StandardNormal, make_prior
from lather.train import Run
from lather.train.seeds import reseed

__all__ = ["audit"]

_DRAWS = 7  # stream of random numbers: one draw of each posterior

Named = Array | str | Path


def audit(
    z: Array | Latents | Run | str | Path | None = None,
    *,
    mean: Named | None = None,
    std: Named | None = None,
    logvar: Named | None = None,
    prior: Prior | str | None = None,
    held_out: HeldOut | None = None,
    labels: Named | None = None,
    decoder: Decoder | Run | str | Path | None = None,
    data: Array | Dataset | str | Path | None = None,
    features: Features | None = None,
    key: str | None = None,
    columns: Sequence[str] | None = None,
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Report:
    """Do these latents follow the prior, where not, and what does it cost?

    Args:
        z: latents of any model as an array or tensor, (n, d) or (n, c, h, w); or :class:`~lather.Latents`; or the path
            of a file that holds them; or a trained run or its directory, which is then measured on its test data and
            keeps the report. May be left out where ``mean`` is given: one draw of each posterior is then audited.
        mean, std, logvar: Gaussian posteriors of the same data, of the shape of ``z``; ``logvar`` is log σ², in place
            of ``std``. Where ``z`` is a path: names of arrays in that file, or paths of others.
        prior: what latents should follow: a prior, or a name that ``lather priors`` lists (default: N(0, I)).
        held_out: latents of data that the model was not trained on: an array, a pair (mean, std), ``Latents``, a path;
            or, of the latents given first, a mask (n,) that is true for these, or a share between 0 and 1 to set aside
            at random. What was given first is then *training* data, and held-out latents are audited against the prior
            and against it. Without, all latents given are audited, and should be of held-out data.
        labels: class of each audited datum, for the map; where ``held_out`` is a mask or a share, of each one given.
            Where ``z`` is a path, also an array or column of that file, or the path of another.
        decoder: what makes data of latents: a function or module (m, \\*shape) → (m, ...), a run or its directory, or
            the path of an ``.onnx`` file (extra ``onnx``).
        data: the data that the audited latents are of, in the same order: an array, a path, the name of a dataset or a
            :class:`~lather.Dataset` (its test data); images in the range that the decoder returns. Where ``held_out``
            is a mask or a share, of all latents given. For a run: its dataset, where it cannot be found again.
        features: what image sets are compared by, see :mod:`lather.auditing.features`.
        key: array, matrix or column of the file ``z``.
        columns: of a table, the columns that are z.
        context: JSON-ready facts to keep in the report.
        seed: of every random choice: the same input and seed give the same report.

    Returns:
        The report; print it for the card, ``report.save(folder)`` writes the page. Sentences about odd input (constant
        dimensions, repeated latents, …) are in ``report.context["notes"]``.

    Raises:
        ShapeError, DataError: input that cannot be measured; the message says where and what to do.
        ConfigError: arguments that do not go together.
        RunError: a run, or its data, that cannot be read.
        MissingExtraError: a file format or decoder that needs a package that is not installed.

    Example:
        >>> z = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
        >>> audit(1.5 * z).verdict, audit(z, prior="normal").verdict
        ('red', 'green')
    """
    parts = {"mean": mean, "std": std, "logvar": logvar}
    if isinstance(z, Run) or _is_run(z):
        assert isinstance(z, (Run, str, Path))
        other: dict[str, object] = {**parts, "prior": prior, "held_out": held_out, "labels": labels}
        _refuse(
            {**other, "decoder": decoder, "key": key, "columns": columns, "context": context},
            "a run brings its own; to audit its latents in another way, give the file latents.safetensors in its "
            "directory",
        )
        return measure(z, dataset_for(z, data), features=features, seed=seed)

    file_labels = labels if isinstance(labels, (str, Path)) else None
    how = {"key": key, **parts, "labels": file_labels, "columns": columns}
    first = _latents(z, how)
    audited, training, chosen = divide(first, held_out, how, seed)
    _check_enough(audited)
    law = _prior(prior, audited)
    if labels is not None and file_labels is None:
        assert not isinstance(labels, (str, Path))
        audited = audited.labelled(rows_of(labels, chosen, "labels"))
    draws = audited.draws(reseed(torch.Generator(), seed, _DRAWS))
    codes = audited.z is None and audited.std is None  # means alone are codes, and z then says it all
    notes = [*audited.notes, *(_of_training(training) if training is not None else ())]
    given = dict(context or {})
    words = "" if training is None else f", against {len(training)} of training data"
    return measure_latents(
        audited.shaped(draws),
        law,
        data=data_beside(data, decoder, chosen, len(audited)),
        decode=None if decoder is None else make_decoder(decoder, audited.shape),
        means=None if codes or audited.mean is None else audited.shaped(audited.mean),
        stds=None if audited.std is None else audited.shaped(audited.std),
        train_means=None if training is None else training.centres,
        train_stds=None if training is None else training.std,
        labels=audited.labels,
        label_names=audited.classes,
        features=features,
        context={
            "source": audited.origin,
            "split": f"{len(audited)} latents{words}",
            **given,
            "notes": [*given.get("notes", ()), *notes],
        },
        seed=seed,
    )


def _is_run(z: object) -> bool:
    return isinstance(z, (str, Path)) and (Path(z).expanduser() / "config.json").is_file()


def _refuse(arguments: Mapping[str, object], why: str) -> None:
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ConfigError(f"{', '.join(given)}: {why}")


def _latents(z: Array | Latents | str | Path | None, how: Mapping[str, Any]) -> Latents:
    if isinstance(z, (str, Path)):
        arrays = {name: value for name, value in how.items() if isinstance(value, (torch.Tensor, np.ndarray))}
        _refuse(arrays, "the latents are a file, so name arrays of it or other files, or give z as an array, too")
        return Latents.read(z, **how)
    _refuse({name: how[name] for name in ("key", "columns")}, "these name parts of a file, but arrays were given")
    paths = {name: value for name, value in how.items() if isinstance(value, (str, Path))}
    _refuse(paths, "names and paths go with z=path; read files first, lt.Latents.read(path), or give arrays")
    posteriors = {name: how[name] for name in ("mean", "std", "logvar")}
    if isinstance(z, Latents):
        _refuse(posteriors, "these are part of Latents: lt.Latents(z, mean=..., std=...)")
        return z
    return Latents(z, **posteriors)


def _check_enough(audited: Latents) -> None:
    n, d = len(audited), audited.d
    if n < FEWEST:
        swap = f"these {n} rows of {d} look transposed: give z.T" if d >= FEWEST else "encode more held-out data"
        raise DataError(f"an audit needs at least {FEWEST} latents, got {n}; {swap}")


def _prior(prior: Prior | str | None, latents: Latents) -> Prior:
    if prior is None:
        return StandardNormal(latents.d)
    return make_prior(prior, latents.d) if isinstance(prior, str) else prior


def _of_training(training: Latents) -> list[str]:
    return [f"Of the training latents: {note}" for note in training.notes]
