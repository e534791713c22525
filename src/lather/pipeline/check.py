"""Whether a run directory is whole: every file in it is read as those that use it read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lather.errors import LatherError, RunError

__all__ = ["Part", "check_run"]


@dataclass(frozen=True)
class Part:
    """What was found about one part of a run.

    Attributes:
        name: file or part.
        state: ``"ok"``, ``"missing"`` (not there, and needed only for what ``words`` says) or ``"bad"``.
        words: what was found, and the way out where something is wrong.
    """

    name: str
    state: Literal["ok", "missing", "bad"]
    words: str


def check_run(path: str | Path) -> list[Part]:
    """Read every part of a run directory and verify its checksums; nothing is changed and nothing is executed.

    Args:
        path: the run directory.

    Returns:
        One line for each part: the configuration, weights, checkpoint, metrics, samplers, latents, report, and files
        that a killed process left.

    Raises:
        RunError: there is no such directory.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunError(f"{path} is not a directory; give the directory of a run")
    retrain = f"train again: lather train --out ANOTHER {_source(path)}"
    measure = f"measure again: lather audit {path}"
    parts = [
        _read("config.json", path, _config, needed="nothing can be done without it", remedy=retrain),
        _weights(path, retrain),
        _checkpoint(path, retrain),
        _read("metrics.jsonl", path, _metrics, needed="loss curves", remedy="delete it"),
    ]
    parts += [
        _read(f"{name}.json", path, _sampler, needed="drawing", remedy=None)
        for name in ("prior", "repaired")
        if any((path / f"{name}.{ending}").exists() for ending in ("json", "safetensors"))
    ]
    parts.append(_read("latents.safetensors", path, _latents, needed="latents of held-out data", remedy=measure))
    parts.append(_read("report.json", path, _report, needed="the report", remedy=measure))
    return [*parts, *_leftovers(path)]


def _read(name: str, folder: Path, read: Callable[[Path], str], *, needed: str, remedy: str | None) -> Part:
    file = folder / name
    if not file.exists() and name != "prior.json" and name != "repaired.json":
        fatal = name == "config.json"
        return Part(name, "bad" if fatal else "missing", f"not there; {needed}" + (f"; {remedy}" if fatal else ""))
    try:
        return Part(name, "ok", read(file))
    except (LatherError, OSError, UnicodeDecodeError) as error:
        return Part(name, "bad", str(error) + (f"; {remedy}" if remedy else ""))


def _config(file: Path) -> str:
    from lather.train import Settings, read_config

    config = read_config(file.parent)
    Settings.from_dict(config["training"])
    return f"format {config['schema']}, written by Lather {config.get('lather', '?')}"


def _weights(path: Path, remedy: str) -> Part:
    from lather.train import open_run
    from lather.train.checkpoint import load_tensors

    name, resumable = "model.safetensors", (path / "last.ckpt" / "state.json").is_file()
    if not (path / name).exists():
        words = f"not finished; go on with: lather train --resume {path}" if resumable else f"not there; {remedy}"
        return Part(name, "missing" if resumable else "bad", words)
    try:
        tensors = load_tensors(path / name)
        if not _own_parts(path):
            open_run(path)
    except (LatherError, OSError) as error:
        again = f"make it from the checkpoint: delete it and run lather train --resume {path}" if resumable else remedy
        return Part(name, "bad", f"{error}; {again}")
    fit = "" if not _own_parts(path) else "; whether they fit your own networks was not checked"
    return Part(name, "ok", f"{sum(t.numel() for t in tensors.values())} numbers, as they were written{fit}")


def _own_parts(path: Path) -> bool:
    """Whether the model has networks of the user's own, which a configuration cannot rebuild."""
    from lather.train import read_config

    return '"custom":' in json.dumps(read_config(path)["model"])


def _checkpoint(path: Path, remedy: str) -> Part:
    from lather.train.checkpoint import load_checkpoint

    name = "last.ckpt"
    if not (path / name).exists():
        return Part(name, "missing", "not there; training cannot go on from here")
    try:
        _, state = load_checkpoint(path / name)
    except (LatherError, OSError) as error:
        return Part(name, "bad", f"{error}; training cannot go on from here, {remedy}")
    return Part(name, "ok", f"step {state.get('t')}, checksum as it was written")


def _metrics(file: Path) -> str:
    from lather.train.metrics import read_metrics

    rows = read_metrics(file)
    lines = sum(1 for _ in file.read_text(encoding="utf-8").splitlines())
    if len(rows) < lines - 1:  # the last line may have been cut by a kill
        raise RunError(f"{lines - len(rows)} of {lines} lines are no rows of numbers")
    return f"{len(rows)} rows"


def _sampler(file: Path) -> str:
    from lather.train.sampler import load_sampler

    return repr(load_sampler(file.parent, file.stem)).splitlines()[0]


def _latents(file: Path) -> str:
    from lather.train.checkpoint import load_tensors

    tensors = load_tensors(file)
    return ", ".join(f"{name} {tuple(value.shape)}" for name, value in tensors.items())


def _report(file: Path) -> str:
    from lather.auditing import Report

    return Report.load(file.parent).headline


def _leftovers(path: Path) -> list[Part]:
    stale = [file for place in (path, path / "last.ckpt") if place.is_dir() for file in place.glob(".*.tmp")]
    if not stale:
        return []
    names = ", ".join(sorted(file.name for file in stale))
    return [Part("leftovers", "ok", f"{names}: a process was killed while writing; --resume removes them")]


def _source(path: Path) -> str:
    from lather.files import read_json

    try:
        config: Any = read_json(path / "config.json")
        return str(config["data"]["load"]["source"])
    except (LatherError, KeyError, TypeError):
        return "DATA"
