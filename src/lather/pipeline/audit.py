"""The audit: from latents of any model, or a trained run, to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from lather.auditing import Features, Report, measure_latents
from lather.auditing.inputs import FEWEST
from lather.data import Dataset, Latents
from lather.data.latents import Array
from lather.errors import ConfigError, DataError, ShapeError
from lather.pipeline.runs import measure
from lather.priors import Prior, StandardNormal, make_prior
from lather.train import Run
from lather.train.seeds import reseed

__all__ = ["audit"]

_DRAWS, _SHARE = 7, 8  # streams of random numbers: posterior draws, and which latents are set aside

Source = Array | Latents | Run | str | Path
HeldOut = Array | Latents | tuple[Array, Array] | str | Path | float


def audit(
    z: Source | None = None,
    *,
    mean: Array | None = None,
    std: Array | None = None,
    logvar: Array | None = None,
    prior: Prior | str | None = None,
    held_out: HeldOut | None = None,
    labels: Array | None = None,
    decoder: Callable[[Tensor], Tensor] | Run | str | Path | None = None,
    data: Array | Dataset | str | Path | None = None,
    features: Features | None = None,
    key: str | None = None,
    context: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Report:
    """Do these latents follow the prior, where not, and what does it cost?

    Args:
        z: latents of any model as an array or tensor, (n, d) or (n, c, h, w); or :class:`~lather.Latents`; or the path
            of a file that holds them; or a trained run or its directory, which is then measured on its test data and
            keeps the report. May be left out where ``mean`` is given: one draw of each posterior is then audited.
        mean, std, logvar: Gaussian posteriors of the same data, of the shape of ``z``; ``logvar`` is log σ², in place of
            ``std``.
        prior: what latents should follow: a prior, or a name that ``lather priors`` lists (default: N(0, I)).
        held_out: latents of data that the model was not trained on: an array, a pair (mean, std), :class:`Latents`, a
            path; or, of the latents given first, a mask (n,) that is true for these, or a share between 0 and 1 to set
            aside at random. What was given first is then *training* data, and held-out latents are audited against
            the prior and against it. Without, all latents given are audited, and should be of held-out data.
        labels: class of each audited datum, for the map; where ``held_out`` is a mask or a share, of each datum given.
        decoder: what makes data of latents: a function or module (m, \\*shape) → (m, ...), a run or its directory, or the
            path of an ``.onnx`` file (extra ``onnx``).
        data: the data that the audited latents are of, in the same order: an array, a path, the name of a dataset or a
            :class:`~lather.Dataset` (its test data); images in the range that the decoder returns. Where ``held_out`` is
            a mask or a share, of all latents given. For a run: the dataset, if it cannot be found where it was.
        features: what image sets are compared by, see :mod:`lather.auditing.features`.
        key: array, matrix or column of the file ``z``.
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
    run = _run(z)
    if run is not None:
        foreign = {"mean": mean, "std": std, "logvar": logvar, "prior": prior, "held_out": held_out, "labels": labels}
        foreign |= {"decoder": decoder, "key": key}
        given = [name for name, value in foreign.items() if value is not None]
        if given:
            raise ConfigError(
                f"{', '.join(given)}: a run brings its own; to audit its latents in another way, give the file "
                "latents.safetensors in its directory"
            )
        return measure(run, _dataset(data), features=features, seed=seed)

    first = _latents(z, mean, std, logvar, key)
    audited, training, chosen = _split(first, held_out, seed)
    _check_enough(audited)
    law = _prior(prior, audited)
    generator = reseed(torch.Generator(), seed, _DRAWS)
    draws = audited.draws(generator)
    random = audited.std is not None or audited.z is not None
    if labels is not None:
        audited = audited.labelled(_rows(labels, chosen, first, "labels"))
    notes = [*audited.notes] if training is None else [*audited.notes, *_of_training(training)]
    about = {
        "source": audited.origin,
        "split": _words(audited, training),
        **(context or {}),
        "notes": [*(context or {}).get("notes", ()), *notes],
    }
    return measure_latents(
        _shaped(draws, audited),
        law,
        data=_rows(_tensor(data), chosen, first, "data"),
        decode=cast(Any, decoder),
        means=_shaped(audited.mean, audited) if random else None,
        stds=_shaped(audited.std, audited),
        train_means=None if training is None else training.mean if training.mean is not None else training.z,
        train_stds=None if training is None else training.std,
        labels=audited.labels,
        label_names=audited.classes,
        features=features,
        context=about,
        seed=seed,
    )


def _run(z: Source | None) -> Run | Path | None:
    """The run, or its directory, if ``z`` is one."""
    if isinstance(z, Run):
        return z
    if isinstance(z, (str, Path)) and (Path(z).expanduser() / "config.json").is_file():
        return Path(z).expanduser()
    return None


def _latents(z: Source | None, mean: Array | None, std: Array | None, logvar: Array | None, key: str | None) -> Latents:
    posteriors = {"mean": mean, "std": std, "logvar": logvar}
    if isinstance(z, (Latents, str, Path)):
        given = [name for name, value in posteriors.items() if value is not None]
        if given:
            raise ConfigError(
                f"{', '.join(given)}: for latents of a file, or Latents, these are part of it; see Latents.read(path, "
                "mean=..., std=...)"
            )
        if isinstance(z, Latents):
            return z
        return Latents.read(z, key=key)
    if key is not None:
        raise ConfigError(f"key={key!r} names a part of a file, but arrays were given; leave it out")
    assert not isinstance(z, Run)
    return Latents(z, mean=mean, std=std, logvar=logvar)


def _split(first: Latents, held_out: HeldOut | None, seed: int) -> tuple[Latents, Latents | None, Tensor | None]:
    """Audited latents, training latents if told apart, and which rows of the first are audited if they are a part."""
    if held_out is None:
        return first, None, None
    if isinstance(held_out, bool) or (isinstance(held_out, (int, float)) and not 0 < held_out < 1):
        raise ConfigError(f"held_out={held_out!r}: a share lies between 0 and 1, such as 0.2 for a fifth")
    mask = _mask(held_out, first, seed)
    if mask is not None:
        return first.some(mask), first.some(~mask), mask
    if isinstance(held_out, (str, Path)):
        other = Latents.read(held_out)
    elif isinstance(held_out, Latents):
        other = held_out
    elif isinstance(held_out, tuple):
        if len(held_out) != 2:
            raise ConfigError(f"held_out is a tuple of {len(held_out)}; give (mean, std), an array, or Latents")
        other = Latents(mean=held_out[0], std=held_out[1], origin="held-out latents")
    else:
        other = Latents(cast(Array, held_out), origin="held-out latents")
    if other.d != first.d:
        raise ShapeError(
            f"held-out latents have {other.d} dimensions and training latents {first.d}; both must come from one encoder"
        )
    return other, first, None


def _mask(held_out: HeldOut, first: Latents, seed: int) -> Tensor | None:
    """True for held-out rows of ``first``; ``None`` where held-out latents are others."""
    n = len(first)
    if isinstance(held_out, float):
        order = torch.randperm(n, generator=reseed(torch.Generator(), seed, _SHARE))
        mask = torch.zeros(n, dtype=torch.bool)
        mask[order[: round(held_out * n)]] = True
        return mask
    if not isinstance(held_out, (Tensor, np.ndarray)) or held_out.dtype not in (torch.bool, np.bool_):
        return None
    mask = torch.as_tensor(held_out).detach().cpu()
    if mask.shape != (n,):
        raise ShapeError(f"the mask held_out has shape {tuple(mask.shape)}; for {n} latents it must be ({n},)")
    return mask


def _check_enough(audited: Latents) -> None:
    n, d = len(audited), audited.d
    if n < FEWEST:
        swap = f"; these {n} of {d} dimensions look transposed: give z.T" if d >= FEWEST else ""
        raise DataError(f"an audit needs at least {FEWEST} latents, got {n}{swap or '; encode more held-out data'}")


def _prior(prior: Prior | str | None, latents: Latents) -> Prior:
    if prior is None:
        return StandardNormal(latents.d)
    return make_prior(prior, latents.d) if isinstance(prior, str) else prior


def _rows(values: Any, chosen: Tensor | None, first: Latents, what: str) -> Any:
    """What belongs to the audited rows, of values given for all."""
    if values is None or chosen is None:
        return values
    if len(values) != len(first):
        raise ShapeError(f"{what} has {len(values)} rows; give one for each of the {len(first)} latents")
    return values[chosen if isinstance(values, Tensor) else chosen.numpy()]


def _shaped(x: Tensor | None, latents: Latents) -> Any:
    return None if x is None else x.reshape(len(x), *latents.shape)


def _of_training(training: Latents) -> list[str]:
    return [f"Training latents: {note[:1].lower()}{note[1:]}" for note in training.notes]


def _words(audited: Latents, training: Latents | None) -> str:
    if training is None:
        return f"all {len(audited)} latents given"
    return f"{len(audited)} held-out latents, {len(training)} of training data"


def _dataset(data: Any) -> Dataset | None:
    if data is None or isinstance(data, Dataset):
        return data
    raise ConfigError("for a run, data= is the Dataset that it was trained on: lt.load(...)")


def _tensor(data: Any) -> Tensor | None:
    return None if data is None else torch.as_tensor(data)
