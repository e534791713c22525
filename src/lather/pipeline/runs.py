"""After training: encode held-out data, measure, draw, and leave everything in the run directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from lather.auditing import Features, Report, measure_latents
from lather.auditing.inputs import FEWEST
from lather.data import Dataset, load
from lather.data.remarks import remarks
from lather.errors import RunError
from lather.holding import held_rows
from lather.models import Autoencoder
from lather.models.posteriors.distributions import Delta, DiagonalNormal
from lather.pipeline.evidence import evidence
from lather.train import Run, open_run
from lather.train.checkpoint import save_tensors
from lather.train.seeds import reseed

__all__ = ["measure", "reload_data"]

_TRAINING = 20_000  # posteriors of training data that held-out latents are compared with
_LATENTS = 6  # stream of random numbers for posterior draws


def reload_data(config: dict[str, Any]) -> Dataset:
    """The data that a run was trained on, read again from where they were.

    Raises:
        RunError: the run was trained on an array, or the data have changed since.
    """
    recorded = config["data"]
    how = recorded.get("load")
    if not isinstance(how, dict) or "source" not in how:
        raise RunError("this run was trained on data given as an array, which it did not keep; give the data again")
    data = load(**how)
    if data.fingerprint() != recorded.get("fingerprint"):
        raise RunError(
            f"the data at {how['source']} are not those the run was trained on: their fingerprint has changed"
        )
    return data


def measure(
    run: Run | str | Path,
    data: Dataset | None = None,
    *,
    features: Features | None = None,
    seed: int = 0,
    split: Literal["test", "validation"] = "test",
    pictures: bool = True,
) -> Report:
    """Measure a finished run on held-out data, its test data by default; what :func:`lather.audit` does with a run.

    In a run directory it leaves ``latents.safetensors``, ``report.json``, ``report.npz``, ``report.html`` and the
    pictures ``samples.png``, ``reconstructions.png``, ``losses.png``, ``latent_map.png``, ``radius.png``.

    Args:
        run: a run or its directory.
        data: the data it was trained on; read again from where they were if not given.
        features: what image sets are compared by, see :mod:`lather.auditing.features`.
        seed: of every random choice.
        split: the data it is measured on; validation data where something will be chosen by the outcome.
        pictures: without, the page has no figures and no pictures are written; the numbers are the same.

    Raises:
        RunError: the run or its data cannot be read.
        DataError: too few held-out data to measure anything.
    """
    run = run if isinstance(run, Run) else open_run(run)
    data = reload_data(run.config) if data is None else data
    model, test = run.model.eval(), getattr(data, split)
    device = next(model.parameters()).device
    dtype = next(model.parameters()).dtype
    x = test.batch(None, device).to(dtype)
    generator = reseed(torch.Generator(device=device), seed, _LATENTS)
    z, mean, std = _encoded(model, x, generator)

    def decode(latents: Tensor) -> Tensor:
        return model.decode(latents.to(device, dtype)).mean

    train_mean, train_std = _training(model, data, device, dtype)
    report = measure_latents(
        z,
        model.prior,
        data=x,
        decode=decode,
        means=mean if model.posterior.random else None,
        stds=std if train_std is not None else None,
        train_means=train_mean,
        train_stds=train_std,
        labels=test.labels,
        label_names=data.classes or (),
        features=features,
        context={**_context(run, data, split), "notes": list(remarks(z.flatten(1).cpu()))},
        further=held_rows(run, z[torch.randperm(len(z), generator=torch.Generator().manual_seed(seed)).to(z.device)]),
        sampler=run.sampler,
        seed=seed,
        **evidence(model, test, x, generator),
    )
    if run.path is not None:
        tensors = {"z": z, "mean": mean, "std": std}
        if test.labels is not None:
            tensors["labels"] = test.labels
        save_tensors(run.path / "latents.safetensors", tensors, {"split": split})
        report.save(run.path, pictures=pictures)
        if pictures:
            _draw(report, run.metrics, run.path)
    return report


@torch.no_grad()
def _encoded(model: Autoencoder, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A draw from every posterior (with its correlations), its centre and its standard deviations, each (n, d)."""
    parts = []
    for part in x.split(512):
        q = model.encode(part)
        parts.append((q.draw(generator), q.centre, q.stddev))
    z, mean, std = (torch.cat(column) for column in zip(*parts, strict=True))
    return z, mean, std


def _training(
    model: Autoencoder, data: Dataset, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor | None, Tensor | None]:
    """Posteriors of up to 20 000 training data, as means and deviations; points as means alone.

    ``None`` twice where posteriors are neither points nor Gaussians with independent coordinates.
    """
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(0))[:_TRAINING]
    means, stds, kinds = [], [], set()
    with torch.no_grad():
        for part in order.split(512):
            q = model.encode(data.train.batch(part, device).to(dtype))
            kinds.add(type(q))
            means.append(q.centre)
            stds.append(q.stddev)
    if len(order) < FEWEST or not kinds <= {Delta, DiagonalNormal} or len(kinds) > 1:
        return None, None
    return torch.cat(means), torch.cat(stds) if kinds == {DiagonalNormal} else None


def _context(run: Run, data: Dataset, split: str) -> dict[str, Any]:
    config = run.config
    last = [row for row in run.metrics if row["split"] == "validation"][-1:]
    return {
        "data": data.name,
        "source": data.source,
        "split": f"{split}, {len(getattr(data, split))} samples",
        "recipe": config.get("recipe", {}).get("name"),
        "objective": config["model"]["algebra"],
        "epochs": last[0]["epoch"] if last else None,
        "seconds": last[0].get("seconds") if last else None,
        "lather": config["lather"],
    }


def _draw(report: Report, metrics: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """All pictures, from the report alone."""
    from lather.auditing.curves import loss_curves
    from lather.auditing.grids import image_grid, reconstruction_grid, save_image
    from lather.auditing.plots import column_match, draw_map, draw_radius, ladder_bars
    from lather.auditing.theme import save

    arrays, words = report.arrays, report.plots
    figures = {"latent_map": draw_map(words, arrays), "radius": draw_radius(words, arrays)}
    bars = ladder_bars(list(report.rows.values()))
    if bars is not None:
        figures["ladder"] = bars
    if metrics:
        figures["losses"] = loss_curves(metrics)
    if words.get("pictures") == "images":
        save_image(image_grid(arrays["samples"][:64]), folder / "samples.png")
        pairs = reconstruction_grid(arrays["originals"][:32], arrays["reconstructions"][:32])
        save_image(pairs, folder / "reconstructions.png")
    else:
        figures["samples"] = column_match(arrays["originals"], arrays["samples"])
    for name, figure in figures.items():
        save(figure, folder / f"{name}.png")
