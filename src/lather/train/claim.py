"""A run directory belongs to one training at a time, and is gone on with only by the same one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lather.errors import LatherError, RunError
from lather.files import sweep, write_json
from lather.train.alone import Alone
from lather.train.run import read_config

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["claimed"]


@contextlib.contextmanager
def claimed(fabric: Fabric | Alone, folder: Path, config: dict[str, Any], *, resume: bool) -> Iterator[dict[str, Any]]:
    """:func:`_held` on the first process; where that fails, all stop instead of waiting for it."""
    with contextlib.ExitStack() as stack:
        failure: LatherError | OSError | None = None
        if fabric.global_rank == 0:
            try:
                config = stack.enter_context(_held(folder, config, resume=resume))
            except (LatherError, OSError) as error:
                failure = error
        failed: Any = fabric.all_reduce(torch.tensor(float(failure is not None), device=fabric.device), reduce_op="sum")
        if failed > 0:
            raise failure or RunError(f"the first process could not use {folder}; its message says why")
        yield config


@contextlib.contextmanager
def _held(folder: Path, config: dict[str, Any], *, resume: bool) -> Iterator[dict[str, Any]]:
    """Hold the run directory for this process; yield the configuration that is now in it."""
    from filelock import FileLock, Timeout

    if not resume and folder.exists() and (not folder.is_dir() or not _unused(folder)):
        what = "a run" if (folder / "config.json").exists() else "something else"
        raise RunError(
            f"{folder} already holds {what}; choose another directory with out=, or go on with a run there: "
            f"resume=True (lather train --resume {folder})"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise RunError(f"another process is training in {folder}; wait for it, or choose another directory") from None
    except OSError as error:
        raise RunError(f"cannot write to {folder}: {error}") from error
    try:
        for place in (folder, folder / "last.ckpt"):
            sweep(place)
        if resume:
            config = _compare(folder, read_config(folder), config)
        write_json(folder / "config.json", config)
        yield config
    finally:
        lock.release()


def _unused(folder: Path) -> bool:
    """Whether nothing is lost by starting here: no files, or those of a run that ended before its first step."""
    begun = (folder / "last.ckpt" / "state.json", folder / "model.safetensors")
    if any(path.exists() for path in begun):
        return False
    first = {".lock", "config.json", "metrics.jsonl", "last.ckpt", "error.txt"}
    return all(entry.name in first or entry.match(".*.tmp") for entry in folder.iterdir())


def _compare(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """The configuration to go on with; refuses another model, other data or other settings."""
    different = [f"model.{key}" for key in now["model"] if before["model"].get(key) != now["model"][key]]
    if before["data"].get("fingerprint") != now["data"]["fingerprint"]:
        different.append("data")
    free = {"epochs", "log_every", "checkpoint_seconds", "devices", "accelerator", "nodes", "microbatch"}
    old, new = before["training"], now["training"]
    different += [
        f"{key} ({old.get(key)} before, {new[key]} now)" for key in new if old.get(key) != new[key] and key not in free
    ]
    if new["epochs"] < old.get("epochs", 0):
        different.append(f"epochs ({old['epochs']} before, {new['epochs']} now)")
    if different:
        raise RunError(
            f"{folder} cannot be resumed with something else than it was started with: {'; '.join(different)}; "
            f"`lather train --resume {folder}` takes everything from the run itself"
        )
    return {**before, "training": new}
