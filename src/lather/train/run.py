"""A run: the directory that holds everything of one training, and the model in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lather.errors import ConfigError, RunError
from lather.files import looking_up, read_json
from lather.models import Autoencoder, rebuild
from lather.priors import Prior
from lather.train.budget import within
from lather.train.checkpoint import load_tensors
from lather.train.metrics import read_metrics
from lather.train.sampler import load_sampler

__all__ = ["CONFIG_SCHEMA", "Run", "open_run", "read_config"]

CONFIG_SCHEMA = 1


@dataclass(frozen=True)
class Run:
    """A finished training.

    Attributes:
        model: the trained autoencoder, in eval mode.
        path: its directory, or ``None`` if nothing was written.
        config: what ``config.json`` holds: data, recipe, model and training settings.
        metrics: the rows of ``metrics.jsonl``.
        sampler: what was fitted to the training latents to draw new ones from, ``None`` where the model's prior is
            meant for that: ``run.model.generate(64, prior=run.sampler)`` does right in both cases.
        repaired: what :func:`lather.repair` found to draw from instead, ``None`` where nothing was repaired.
    """

    model: Autoencoder
    path: Path | None
    config: dict[str, Any]
    metrics: list[dict[str, Any]]
    sampler: Prior | None = None
    repaired: Prior | None = None


def read_config(path: Path) -> dict[str, Any]:
    """``config.json`` of the run directory ``path``, checked.

    Raises:
        RunError: not a run directory, or one of another version.
    """
    path = Path(path)
    with looking_up(path, RunError):
        there = (path / "config.json").is_file()
    if not there:
        raise RunError(f"{path} is not a run directory: it has no config.json; `lather train --out {path}` makes one")
    config = read_json(path / "config.json")
    if not isinstance(config, dict) or not {"schema", "data", "model", "training"} <= set(config):
        raise RunError(f"{path / 'config.json'} is not the configuration of a run")
    wrong = [name for name in ("data", "model", "training") if not isinstance(config[name], dict)]
    if wrong:
        raise RunError(f"{path / 'config.json'} is damaged: {', '.join(wrong)} must be objects with names and values")
    if config["schema"] != CONFIG_SCHEMA:
        raise RunError(
            f"{path} was written in format {config['schema']} by Lather {config.get('lather', '?')}, and this version "
            f"reads format {CONFIG_SCHEMA}; install that version to use the run"
        )
    return config


def open_run(
    path: str | Path,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    custom: Mapping[str, Any] | None = None,
) -> Run:
    """Load a finished run. Nothing that is loaded is executed: weights are safetensors, the rest is JSON.

    Args:
        path: the run directory.
        encoder: the network, if the model was trained with one of your own; its weights are loaded into it.
        decoder: likewise.
        custom: your own parts of the objective, by the names in ``config.json``; see :func:`lather.rebuild`.

    Raises:
        RunError: not a run, not finished, damaged, or from another version.
        ConfigError: a configuration that does not fit, or a network of your own that was not given.
    """
    path = Path(path)
    config = read_config(path)
    weights = path / "model.safetensors"
    if not weights.is_file():
        if (path / "last.ckpt").is_dir():
            raise RunError(f"{path} is not finished; go on with: lather train --resume {path}")
        raise RunError(f"{path} holds no trained weights (model.safetensors is missing)")
    tensors = load_tensors(weights)
    try:
        with within(weights, path / "config.json"):
            model = rebuild(config["model"], encoder=encoder, decoder=decoder, custom=custom)
    except ConfigError as error:
        raise ConfigError(f"{path / 'config.json'}: {error}") from error
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ConfigError(
            f"{weights} does not fit the model that {path / 'config.json'} describes, as this version of Lather builds "
            f"it; a run of an earlier version needs that version, or is trained again: {error}"
        ) from error
    metrics = path / "metrics.jsonl"
    rows = read_metrics(metrics) if metrics.is_file() else []
    return Run(model.eval(), path, config, rows, load_sampler(path), load_sampler(path, "repaired"))
