"""``lather train``: from data to model, samples and report in one command."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from lather.cli.options import DataOptions, ModelOptions, PartOptions, parse_latent
from lather.cli.tables import JSON
from lather.errors import ConfigError, RunError
from lather.train.settings import Settings

if TYPE_CHECKING:
    from lather.data import Dataset
    from lather.train import Epoch, Run

__all__ = ["train"]


def train(
    data: str = "digits",
    *,
    out: Path | None = None,
    resume: Path | None = None,
    model: ModelOptions = ModelOptions(),  # noqa: B008
    parts: PartOptions = PartOptions(),  # noqa: B008
    reading: DataOptions = DataOptions(),  # noqa: B008
    settings: Annotated[Settings, Parameter(name="*", group="Training")] = Settings(),  # noqa: B008
    audit_every: int | None = None,
    tensorboard: bool = False,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    as_json: JSON = False,
) -> None:
    """Train a generative autoencoder, measure it on held-out data, and draw what it generates.

    Writes a run directory: the model, samples, reconstructions, a map of the latents, and a report that says how
    well they follow the prior. Ctrl-C (or a crash) leaves a run that `--resume` takes up where it stopped.

    Parameters
    ----------
    data
        A name (digits, mnist, fashion-mnist, kmnist, cifar10) or a path: IDX, .npy, .npz, .csv, .parquet, .h5ad, or a
        folder of pictures.
    out
        Run directory to write (default: runs/DATA-RECIPE-LATENT, numbered if that exists).
    resume
        Go on with the run in this directory; everything is taken from it, only --epochs may grow and --devices change.
    audit_every
        Measure how well validation latents follow the prior after every so many epochs, and keep the numbers with the
        losses (default: only at the end).
    tensorboard
        Also write TensorBoard files (extra: tensorboard).
    quiet
        No progress.
    """
    from lather.data import load
    from lather.train import fit
    from lather.train.assemble import assemble

    if resume is not None:
        given = (data, out, model, parts, reading, audit_every)
        if given != ("digits", None, ModelOptions(), PartOptions(), DataOptions(), None):
            raise ConfigError("--resume takes everything from the run itself; leave out the data and the other options")
        return _resume(resume, settings, tensorboard=tensorboard, quiet=quiet, as_json=as_json)

    shape = parse_latent(model.latent)
    how = reading.arguments(data, settings.seed)
    dataset = load(**how, progress=not quiet)
    network = assemble(model.recipe, dataset, shape, seed=settings.seed, **parts.arguments())
    folder = out if out is not None else _free(Path("runs") / f"{dataset.name}-{model.recipe}-{model.latent}")
    notes: dict[str, Any] = {"recipe": {"name": model.recipe, "paper": parts.paper}, "data": {"load": how}}
    if audit_every is not None:
        notes["audit_every"] = audit_every
    if not quiet:
        _say(f"{dataset!r}\n{network.objective!r}\n→ {folder}")
    with _stoppable(folder):
        run = fit(
            network,
            dataset,
            out=folder,
            settings=settings,
            progress=not quiet,
            tensorboard=tensorboard,
            callbacks=_callbacks(notes),
            notes=notes,
        )
    _finish(run, dataset, as_json=as_json)


def _resume(folder: Path, settings: Settings, *, tensorboard: bool, quiet: bool, as_json: bool) -> None:
    from lather.models import rebuild
    from lather.pipeline import reload_data
    from lather.train import fit, read_config

    config = read_config(folder)
    stored = Settings.from_dict(config["training"])
    given = {k: v for k, v in settings.to_dict().items() if v != getattr(Settings(), k)}
    fixed = sorted(set(given) - {"epochs", "devices", "accelerator", "nodes"})
    if fixed:
        raise ConfigError(
            f"--resume takes {', '.join(fixed)} from the run itself; only --epochs may change "
            "(and --devices, --accelerator and --nodes)"
        )
    if not (folder / "last.ckpt" / "state.json").exists():
        raise RunError(
            f"{folder} has no checkpoint: it was stopped before its first step; give the command that started it "
            f"again, with --out {folder}"
        )
    dataset = reload_data(config)
    with _stoppable(folder):
        run = fit(
            rebuild(config["model"]),
            dataset,
            out=folder,
            settings=replace(stored, **given),
            resume=True,
            progress=not quiet,
            tensorboard=tensorboard,
            callbacks=_callbacks(config),
        )
    _finish(run, dataset, as_json=as_json)


def _callbacks(config: Mapping[str, Any]) -> list[Callable[[Epoch], object]]:
    """What is called after epochs, by what ``config.json`` says."""
    from lather.pipeline.callback import AuditEvery

    return [] if config.get("audit_every") is None else [AuditEvery(config["audit_every"])]


def _finish(run: Run, dataset: Dataset, *, as_json: bool) -> None:
    """Measure and tell, on the first process only."""
    import torch.distributed as dist

    from lather.auditing.card import print_card
    from lather.pipeline import measure

    if dist.is_available() and dist.is_initialized() and dist.get_rank() != 0:
        return
    report = measure(run, dataset)
    if as_json:
        print(json.dumps({"run": str(run.path), **report.to_dict()}, indent=2, ensure_ascii=False))
        return
    print_card(report, pictures=sorted(run.path.glob("*.png")) if run.path else [])
    if run.path is not None:
        print(f"\nreport: {run.path / 'report.html'}\nmore samples: lather sample {run.path} -n 64")


@contextlib.contextmanager
def _stoppable(folder: Path) -> Iterator[None]:
    """Say how to go on after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        _say(f"\nstopped; go on with: lather train --resume {folder}")
        raise


def _say(text: str) -> None:
    """On the first process of a training only: the others run this very command, too."""
    if os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")) == "0":
        print(text, file=sys.stderr)


def _free(wanted: Path) -> Path:
    """``wanted``, or the first of wanted-2, wanted-3, … that does not exist."""
    path, number = wanted, 1
    while path.exists():
        number += 1
        path = wanted.with_name(f"{wanted.name}-{number}")
    return path
