"""Training from the outside: one call that can be interrupted and taken up again."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from lather.data import Dataset, load
from lather.errors import ConfigError, DataError, ShapeError, TrainingError
from lather.models import Autoencoder, describe
from lather.samplers.registry import find_sampler
from lather.train.alone import Alone
from lather.train.checkpoint import load_checkpoint, save_tensors
from lather.train.claim import claimed
from lather.train.loop import Epoch, batches_per_epoch, train
from lather.train.lost import noticing_loss
from lather.train.metrics import MetricsLog
from lather.train.opponents import Opponents
from lather.train.run import CONFIG_SCHEMA, Run, read_config
from lather.train.sampler import fit_sampler, save_sampler
from lather.train.settings import Settings
from lather.train.state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["fit"]


def fit(
    model: Autoencoder,
    data: Dataset | str | Path | Tensor | np.ndarray,
    *,
    out: str | Path | None = None,
    settings: Settings | None = None,
    resume: bool = False,
    progress: bool = True,
    tensorboard: bool = False,
    callbacks: Sequence[Callable[[Epoch], object]] = (),
    notes: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Run:
    """Train ``model`` on ``data``; then fit what new latents are drawn from, where that is not the prior.

    With ``out=`` a checkpoint is written after every epoch (of a second or more), atomically; Ctrl-C writes one at the
    step it came. ``resume=True`` goes on from there and, on a CPU, ends with bit for bit the weights of an
    uninterrupted run.

    With several ``devices`` the whole script is started once for each further process, and each runs it to its end;
    divergences compare the latents of all of them, so that results are those of one process up to rounding and
    noise. Only the first process writes, shows progress and calls ``callbacks``.

    Args:
        model: what to train, in place.
        data: a :class:`~lather.data.Dataset`, or anything that :func:`lather.load` reads: a name, a path, an array.
        out: run directory to write; must be empty or new, unless ``resume``.
        settings: how to train; see :class:`Settings`.
        resume: go on with the run in ``out``. Model, data and settings must be the same (``epochs`` may grow).
        progress: show a progress bar (a line an epoch where there is no terminal).
        tensorboard: also write TensorBoard files to ``out/tensorboard`` (extra ``tensorboard``).
        callbacks: called with an :class:`Epoch` after each epoch, before its checkpoint, on the first process; such as
            :class:`lather.AuditEvery`.
        notes: JSON-ready facts to keep in ``config.json``, such as the recipe's name.
        **changes: single settings by name, such as ``epochs=50, lr=3e-4``.

    Returns:
        The trained model with its record. The model is in eval mode.

    Raises:
        ConfigError: settings out of range, or ``compile=True`` where there is no compiler.
        RunError: ``out`` holds another run, or cannot be resumed.
        ShapeError: data that the encoder does not take.
        TrainingError: a loss that is not finite, the last good checkpoint is kept; another process of the training
            that is gone, likewise; or a trained model, which is kept, whose latents no sampler can be fitted to.
        KeyboardInterrupt: after Ctrl-C, with a checkpoint written.
    """
    if model.sampler is not None:
        find_sampler(model.sampler)  # so that a wrong name shows now and not after training
    dataset = data if isinstance(data, Dataset) else load(data)
    folder = None if out is None else Path(out)
    settings = _changed(settings or Settings(), changes).for_data(len(dataset.train))
    settings = _averaging(settings, model, dataset, folder if resume else None)
    fabric = _fabric(settings)
    config = _config(model, dataset, settings, notes or {})
    with contextlib.ExitStack() as stack:
        if folder is not None:
            config = stack.enter_context(claimed(fabric, folder, config, resume=resume))
        elif resume:
            raise ConfigError("resume=True goes on with a run directory; name it with out=")
        stack.enter_context(noticing_loss(fabric.world_size, folder))
        stack.enter_context(torch.random.fork_rng(devices=[fabric.device] if fabric.device.type == "cuda" else []))
        optimizer: torch.optim.Optimizer = torch.optim.AdamW(
            [p for p in model.parameters() if p.requires_grad],
            lr=settings.lr,
            weight_decay=settings.weight_decay,
            fused=fabric.device.type in ("cpu", "cuda"),
        )
        module, optimizer = fabric.setup(model, optimizer)
        _check_shapes(model, dataset, fabric.device, settings)
        if settings.compile:  # after the check, which would be compiled for its two samples
            _compile(model, fabric.device)
        state = TrainingState(model, optimizer, Opponents(model), _average(model, settings))
        if resume and folder is not None and (folder / "last.ckpt" / "state.json").exists():
            state.restore(*load_checkpoint(folder / "last.ckpt"))
            fabric.barrier()  # before the first process replaces what others still read
        writes = folder if fabric.global_rank == 0 else None
        log = stack.enter_context(MetricsLog(writes, keep=state.t if resume else 0, tensorboard=tensorboard))
        train(
            fabric,
            module,
            state,
            dataset,
            settings,
            folder=folder,
            log=log,
            progress=progress,
            callbacks=callbacks,
        )
        model.load_state_dict(state.best or state.averaged())
        try:
            sampler = fit_sampler(model, dataset, settings.seed)
        except DataError as error:
            if writes is not None:
                save_tensors(writes / "model.safetensors", model.state_dict())
            raise TrainingError(
                f"the model is trained{'' if folder is None else f' and kept in {folder}'}, but its latents are no "
                f"sample to fit the sampler {model.sampler!r} to ({error}); draw from its prior (--prior model)"
            ) from error
        if writes is not None:
            if sampler is not None:
                save_sampler(writes, sampler)
            save_tensors(writes / "model.safetensors", model.state_dict())  # last: it marks a run as finished
        fabric.barrier()
    return Run(model.eval(), folder, config, log.rows, sampler)


def _changed(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    unknown = sorted(set(changes) - set(settings.to_dict()))
    if unknown:
        raise ConfigError(
            f"unknown training settings: {', '.join(unknown)}; there are: {', '.join(settings.to_dict())}"
        )
    return replace(settings, **changes)


def _averaging(settings: Settings, model: Autoencoder, data: Dataset, resumed: Path | None) -> Settings:
    """With a held divergence and nothing else asked for, average the weights over the last 100 steps or so.

    (Over the last twentieth of a training that is shorter than 2000 steps; a ``resumed`` run goes on with what it had,
    so that its epochs may grow.)

    At a learning rate worth having, weights jitter, and latents with them: at d = 32 on MNIST z reads 6 in the middle
    of a training and 1 at its end, for the same weight of the divergence. A multiplier that believes the 6 overpays
    for the whole of the training. Averaged weights show early what the end will show.
    """
    if not model.objective.held():
        return settings
    if settings.patience is not None:
        raise ConfigError(
            f"patience={settings.patience} compares validation losses, and with {model.objective!r} their weights "
            "change from epoch to epoch, so the best would be the one with the least weight; leave patience out, "
            "or use fixed weights"
        )
    if settings.ema is None and resumed is not None and (resumed / "config.json").exists():
        return replace(settings, ema=read_config(resumed)["training"].get("ema"))
    if settings.ema is None:
        assert settings.epochs is not None  # settled by Settings.for_data
        steps = settings.epochs * batches_per_epoch(len(data.train), settings.batch_size)
        return replace(settings, ema=1 - 1 / min(max(steps // 20, 2), 100))
    return settings


def _fabric(settings: Settings) -> Fabric | Alone:
    accelerator, devices = settings.accelerator, settings.devices
    if accelerator == "auto" and not torch.cuda.is_available():
        accelerator = "cpu"  # "auto" would also take Apple's GPU, where float64 sums are not to be had
    if devices == "auto" and accelerator == "cpu":
        devices = 1
    several = settings.nodes > 1 or devices not in (1, "auto")
    if accelerator == "cpu" and not several and settings.precision == "32-true":
        return Alone()

    from lightning_fabric import Fabric

    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=settings.nodes,
        precision=settings.precision,
        strategy="ddp" if several else "auto",
    )
    processes = getattr(fabric.strategy, "num_processes", 1) * settings.nodes
    if settings.batch_size % processes:
        raise ConfigError(
            f"batch_size={settings.batch_size} cannot be shared equally by {processes} processes; make it a "
            f"multiple of {processes}"
        )
    fabric.launch()
    return fabric


def _config(model: Autoencoder, data: Dataset, settings: Settings, notes: Mapping[str, Any]) -> dict[str, Any]:
    from lather import __version__

    return {
        "schema": CONFIG_SCHEMA,
        "lather": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **notes,
        "data": {**dict(notes.get("data", {})), **data.describe()},
        "model": describe(model),
        "training": settings.to_dict(),
    }


def _average(model: Autoencoder, settings: Settings) -> AveragedModel | None:
    if settings.ema is None:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema), use_buffers=False)


def _compile(model: Autoencoder, device: torch.device) -> None:
    """Have torch.compile take the networks, from the next step on; it needs a C++ compiler for a CPU."""
    if device.type == "cpu":
        usual = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
        wanted = os.environ.get("CXX") or usual
        if shutil.which(shlex.split(wanted)[0]) is None:
            raise ConfigError(
                f"compile=True needs a C++ compiler on a CPU, and {wanted!r} is not to be found; install one (or name "
                "yours in the environment variable CXX), or leave compile out: on a CPU it makes these networks no "
                "faster"
            )
    model.encoder.compile()
    model.decoder.compile()


def _check_shapes(model: Autoencoder, data: Dataset, device: torch.device, settings: Settings) -> None:
    """Look at a few samples before training starts, so that a wrong network or range shows at once."""
    x = data.train.batch(slice(0, 256), device)
    model.likelihood.check(x)
    x = x[:2].double() if settings.precision == "64-true" else x[:2]
    training = model.training
    try:
        with torch.no_grad():
            model.eval().step(x)
    except ShapeError:
        raise
    except RuntimeError as error:
        raise ShapeError(
            f"the model does not take this data: samples have shape {data.shape} and the networks said: {error}"
        ) from error
    finally:
        model.train(training)
