"""``lather train``: from data to model, samples and report in one command."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lather.cli.tables import JSON
from lather.errors import ConfigError, RunError
from lather.train.settings import Settings

if TYPE_CHECKING:
    from lather.data import Dataset
    from lather.train import Epoch, Run

__all__ = ["parse_latent", "parse_options", "train"]


@Parameter(name="*", group="Data")
@dataclass(frozen=True)
class DataOptions:
    """How to read the data."""

    validation: str | None = None
    """Held out during training: a share below 1, a number of samples, or a path (default: 10%, at most 10 000)."""
    test: str | None = None
    """Held out for measuring: likewise (default: the data's own test set, else 10%)."""
    image_size: int | None = None
    """Side to which pictures are cropped and resized."""
    channels: Literal[1, 3] | None = None
    """1 for greyscale, 3 for RGB (default: what the pictures have)."""
    columns: str | None = None
    """Feature columns of a table, separated by commas (default: all numeric ones)."""
    label: str | None = None
    """Label column of a table."""
    key: str | None = None
    """Array of a .npz, or matrix of a .h5ad (X, obsm/X_pca)."""
    binarize: bool = False
    """Pixels to 0 and 1, for a Bernoulli likelihood that is one."""
    limit: int | None = None
    """Use at most so many samples of each set, chosen at random."""

    def arguments(self, source: str, seed: int) -> dict[str, Any]:
        """Keyword arguments of :func:`lather.load`, JSON-ready."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["columns"] = self.columns.split(",") if self.columns else None
        for name in ("validation", "test"):
            given[name] = _share(given[name])
        return {"source": source, "seed": seed, **{k: v for k, v in given.items() if v not in (None, False)}}


@Parameter(name="*", group="Model")
@dataclass(frozen=True)
class ModelOptions:
    """What to train."""

    recipe: str = "cwae"
    """Objective, by name; `lather recipes` lists them."""
    latent: str = "8"
    """Latent dimensions: a number, or HxWxC for maps, such as 8x8x4."""
    prior: str | None = None
    """What latents should follow; `lather priors` lists them (default: the recipe's, mostly normal)."""
    nets: Literal["auto", "mlp", "conv", "residual"] = "auto"
    """Networks: auto takes conv for pictures and mlp for features and tiny pictures."""
    net: Annotated[list[str] | None, Parameter(negative="")] = None
    """Option of the networks, NAME=VALUE, such as width=64 or hidden=512,512. May be repeated."""
    likelihood: str | None = None
    """squared-error, bernoulli, gaussian, gaussian-learned, gaussian-unit or laplace (default: the recipe's)."""
    set: Annotated[list[str] | None, Parameter(negative="")] = None
    """Option of the recipe, NAME=VALUE, such as weight=50. May be repeated."""
    paper: bool = False
    """The paper's own weights instead of those that match the prior."""
    hold_z: float | None = None
    """In place of a weight: hold matching terms at most so many sd of chance above the noise of a batch, such as 2."""
    hold_n: int | None = None
    """In place of a weight: hold matching terms where it takes so many latents to see the difference (n*)."""


def train(
    data: str = "digits",
    *,
    out: Path | None = None,
    resume: Path | None = None,
    model: ModelOptions = ModelOptions(),
    reading: DataOptions = DataOptions(),
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
        if (data, out, model, reading, audit_every) != ("digits", None, ModelOptions(), DataOptions(), None):
            raise ConfigError("--resume takes everything from the run itself; leave out the data and the other options")
        return _resume(resume, settings, tensorboard=tensorboard, quiet=quiet, as_json=as_json)

    shape = parse_latent(model.latent)
    how = reading.arguments(data, settings.seed)
    dataset = load(**how, progress=not quiet)
    network = assemble(
        model.recipe,
        dataset,
        shape,
        nets=model.nets,
        net_options=parse_options(model.net, "--net"),
        prior=model.prior,
        likelihood=model.likelihood,
        paper=model.paper,
        seed=settings.seed,
        options=parse_options(model.set, "--set"),
        hold_z=model.hold_z,
        hold_n=model.hold_n,
    )
    folder = out if out is not None else _free(Path("runs") / f"{dataset.name}-{model.recipe}-{model.latent}")
    notes: dict[str, Any] = {"recipe": {"name": model.recipe, "paper": model.paper}, "data": {"load": how}}
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


def parse_latent(text: str) -> tuple[int, ...]:
    """``"8"`` as (8,), ``"4x6x16"`` (height × width × channels) as torch's (16, 4, 6).

    Example:
        >>> parse_latent("8"), parse_latent("4x6x16")
        ((8,), (16, 4, 6))
    """
    try:
        sizes = tuple(int(part) for part in text.lower().split("x"))
    except ValueError:
        sizes = ()
    if len(sizes) not in (1, 3) or min(sizes) < 1:
        raise ConfigError(f"--latent takes a number such as 8, or HEIGHTxWIDTHxCHANNELS such as 8x8x4, got {text!r}")
    return sizes if len(sizes) == 1 else (sizes[2], sizes[0], sizes[1])


def parse_options(pairs: Sequence[str] | None, flag: str) -> dict[str, Any]:
    """``["weight=5", "hidden=64,64"]`` as ``{"weight": 5, "hidden": (64, 64)}``.

    Example:
        >>> parse_options(["weight=5", "hidden=64,32", "kind=gradient"], "--set")
        {'weight': 5, 'hidden': (64, 32), 'kind': 'gradient'}
    """
    options = {}
    for pair in pairs or []:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{flag} takes NAME=VALUE, such as {flag} weight=5, got {pair!r}")
        parts = tuple(_number(part) for part in value.split(","))
        options[name.replace("-", "_")] = parts if len(parts) > 1 else parts[0]
    return options


def _number(text: str) -> Any:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _share(text: str | None) -> Any:
    return None if text is None else _number(text)
