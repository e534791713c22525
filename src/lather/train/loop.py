"""The training loop: batches by index from one tensor, a step, a check, a checkpoint after epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lather.data import Dataset, Split
from lather.errors import TrainingError
from lather.models import Autoencoder
from lather.models.in_parts import backward_in_parts, check_parts, evaluate_in_parts
from lather.train.alone import Alone
from lather.train.checkpoint import save_checkpoint
from lather.train.gather import gather_latents
from lather.train.interrupt import Interrupts
from lather.train.metrics import Means, MetricsLog
from lather.train.progress import Progress
from lather.train.seeds import reseed, reseed_global
from lather.train.settings import Settings
from lather.train.state import TrainingState

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["Epoch", "batches_per_epoch", "train"]

# streams of random numbers; the second part of every seed
_ORDER, _SHARED, _NOISE, _VALIDATION, _GLOBAL, _OPPONENTS, _AGAINST = 1, 2, 3, 4, 5, 6, 7
_RESIDENT = 4 * 2**30  # bytes of stored data that are moved to an accelerator whole


@dataclass(frozen=True)
class Epoch:
    """What a callback sees after an epoch: the model as it is, and the validation losses.

    A callback may draw random numbers as it likes: every step sets its own streams anew.
    """

    number: int  #: counted from 1
    t: int
    model: Autoencoder  #: the average of its weights, where one is kept; leave it as it was found
    validation: dict[str, float]
    data: Dataset
    #: adds a row to ``metrics.jsonl`` and shows it: its kind (the row's ``split``), then numbers or words by name
    record: Callable[[str, Mapping[str, Any]], None]


def batches_per_epoch(n: int, batch_size: int) -> int:
    """Full batches in ``n`` samples; one smaller batch if there are fewer samples than that."""
    return max(n // batch_size, 1)


def train(
    fabric: Fabric | Alone,
    module: nn.Module,
    state: TrainingState,
    data: Dataset,
    settings: Settings,
    *,
    folder: Path | None,
    log: MetricsLog,
    progress: bool,
    callbacks: Sequence[Callable[[Epoch], object]] = (),
) -> None:
    """Run from ``state``'s position to the end, leaving the trained weights in ``state``.

    Args:
        fabric: launched; knows device, precision and processes.
        module: the model as Fabric wrapped it; ``state.model`` is the same without the wrapping.
        state: where to start; ends at the last step.
        data: what to train and validate on.
        settings: how.
        folder: run directory for checkpoints, or ``None``.
        log: takes the rows of metrics.
        progress: whether to show progress.
        callbacks: called after every epoch on the first process, before that epoch's checkpoint is written: what they
            record is on disk with it, and a resumed run has the same rows as an uninterrupted one.

    Raises:
        TrainingError: a loss that is not finite.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint of this very step is written.
    """
    n, first = len(data.train), fabric.global_rank == 0
    size = min(settings.batch_size, n) // fabric.world_size * fabric.world_size  # as many for every process
    batches = batches_per_epoch(n, size)
    assert settings.epochs is not None  # settled by Settings.for_data
    epochs, steps = settings.epochs, settings.epochs * batches
    split = _resident(data.train, fabric.device)
    opponents = state.opponents
    parameters = [p for p in module.parameters() if p.requires_grad]
    parameters += opponents.parameters() if opponents else []
    # all processes share one stream (directions, prior draws); latent noise differs between them
    shared, noise = (torch.Generator(device=fabric.device) for _ in range(2))
    # reading the loss costs nothing on a CPU and would stall other devices; several processes must stop as one
    cautious = fabric.device.type == "cpu" and fabric.world_size == 1
    means = Means()
    local = settings.match_scope == "local"
    if settings.microbatch is not None:
        check_parts(state.model)
    gather = partial(gather_latents, even=True) if fabric.world_size > 1 else None
    average = _mean_over(fabric) if fabric.world_size > 1 else None
    started, before = time.monotonic(), state.seconds

    def report(kind: str, values: Mapping[str, Any], *, epoch: int) -> None:
        state.seconds = before + time.monotonic() - started
        row = {"step": state.t, "epoch": epoch, "split": kind, **values, "seconds": round(state.seconds, 3)}
        if first:
            log.write(row)

    def record(kind: str, values: Mapping[str, Any]) -> None:
        report(kind, values, epoch=state.epoch)
        bar.note(state.epoch, kind, values)

    def flush() -> None:
        values = _mean_of_processes(means.take(), fabric)
        if values:
            _require_finite(values, state, folder, since=True)
            report("train", values, epoch=state.epoch + 1)

    def against(x: Tensor) -> dict[str, Tensor]:
        """Train what the model is trained against, on the batch that it is about to learn from."""
        if not opponents:
            return {}
        reseed(shared, settings.seed, _OPPONENTS, state.t)
        reseed(noise, settings.seed, _AGAINST, state.t, fabric.global_rank)
        reseed_global(fabric.device, settings.seed, _AGAINST, state.t, fabric.global_rank)
        with fabric.autocast():
            return opponents.train(x, t=state.t, generator=shared, noise=noise, gather=gather, average=average)

    def forward(x: Tensor) -> dict[str, Tensor]:
        how: dict[str, Any] = {"t": state.t, "generator": shared, "noise": noise, "gather": gather, "local": local}
        size = settings.microbatch
        if size is None or len(x) <= size:
            values: dict[str, Tensor] = module(x, **how)
            return values
        alone: Any = partial(fabric.no_backward_sync, module)  # type: ignore[arg-type]
        how |= {"backward": fabric.backward, "alone": alone, "autocast": fabric.autocast}
        x = x.double() if settings.precision == "64-true" else x  # as the wrapped module does
        return backward_in_parts(state.model, module, x, size, **how)

    saved = 0.0

    def checkpoint() -> None:
        nonlocal saved
        if fabric.device.type == "cpu":
            _require_finite_weights(parameters, state, folder)
        if folder is not None and first:
            log.sync()
            save_checkpoint(folder / "last.ckpt", state.tensors(), state.numbers(), t=state.t)
        saved = time.monotonic()
        fabric.barrier()

    with Interrupts() as interrupts, Progress(steps, state.t, epochs, show=progress and first) as bar:
        if state.t == 0:
            checkpoint()  # so that a run can be resumed from its first step on
        while state.epoch < epochs and not _exhausted(state, settings):
            module.train()
            order = torch.randperm(n, generator=reseed(torch.Generator(), settings.seed, _ORDER, state.epoch))
            while state.batch < batches:
                index = order[state.batch * size : (state.batch + 1) * size][fabric.global_rank :: fabric.world_size]
                x = split.batch(index, fabric.device)
                for group in state.optimizer.param_groups:
                    group["lr"] = settings.lr_at(state.t, steps)
                losses = against(x)
                reseed(shared, settings.seed, _SHARED, state.t)
                reseed(noise, settings.seed, _NOISE, state.t, fabric.global_rank)
                reseed_global(fabric.device, settings.seed, _GLOBAL, state.t, fabric.global_rank)
                state.optimizer.zero_grad(set_to_none=True)
                values = {**forward(x), **losses}
                if cautious and not all(math.isfinite(loss.item()) for loss in (values["loss"], *losses.values())):
                    _require_finite({name: value.item() for name, value in values.items()}, state, folder)
                if values["loss"].requires_grad:  # parts of a batch have been differentiated one by one
                    fabric.backward(values["loss"])
                if settings.clip is not None:
                    fabric.clip_gradients(module, state.optimizer, max_norm=settings.clip, error_if_nonfinite=False)
                state.optimizer.step()
                if state.average is not None:
                    state.average.update_parameters(state.model)
                state.batch += 1
                state.t += 1
                means.add(values)
                if state.t % settings.log_every == 0:
                    flush()
                bar.step(state.epoch, state.t, values)
                if _asked_to_stop(interrupts, fabric, state.t):
                    flush()
                    checkpoint()
                    raise KeyboardInterrupt
            flush()
            _share_buffers(state.kept, fabric)
            validation = validate(state.kept, data.validation, settings, fabric.device)
            validation = _mean_of_processes(validation, fabric)
            _require_finite(validation, state, folder)
            report("validation", validation, epoch=state.epoch + 1)
            state.model.objective.heed(validation)
            bar.epoch(state.epoch, state.t, validation, state.seconds)
            state.epoch, state.batch = state.epoch + 1, 0
            if settings.patience is not None:
                state.remember_best(validation["loss"])
            try:
                if first:
                    for callback in callbacks:
                        callback(Epoch(state.epoch, state.t, _unwrapped(state.kept), validation, data, record))
            finally:  # a callback that raises ends the training, which can then be resumed from here
                if fabric.world_size > 1 or state.epoch == epochs or _elapsed(saved, settings):
                    checkpoint()


@torch.no_grad()
def validate(model: nn.Module, split: Split, settings: Settings, device: torch.device) -> dict[str, float]:
    """Means of all terms over ``split`` in equal batches of about the training size, with the same noise every time."""
    training, plain = model.training, _unwrapped(model)
    model.eval()
    means = Means()
    shared = reseed(torch.Generator(device=device), settings.seed, _VALIDATION)
    for index in torch.arange(len(split)).tensor_split(max(round(len(split) / settings.batch_size), 1)):
        x = split.batch(index, device)
        if settings.precision == "64-true":
            x = x.double()
        annealed = 2**62
        if settings.microbatch is not None and len(x) > settings.microbatch:
            means.add(evaluate_in_parts(plain, x, settings.microbatch, t=annealed, generator=shared))
        else:
            means.add(model(x, t=annealed, generator=shared))
    model.train(training)
    return means.take()


def _mean_over(fabric: Fabric | Alone) -> Callable[[Tensor], Tensor]:
    def mean(values: Tensor) -> Tensor:
        result: Tensor = fabric.all_reduce(values, reduce_op="mean")  # type: ignore[assignment]
        return result

    return mean


def _mean_of_processes(values: dict[str, float], fabric: Fabric | Alone) -> dict[str, float]:
    """The same numbers on every process, so that all decide alike."""
    if fabric.world_size == 1 or not values:
        return values
    shared: Any = fabric.all_reduce(torch.tensor(list(values.values()), dtype=torch.float64, device=fabric.device))
    return dict(zip(values, shared.tolist(), strict=True))


def _share_buffers(model: nn.Module, fabric: Fabric | Alone) -> None:
    """Give every process the first one's buffers (running means of normalisation layers), as each step does."""
    if fabric.world_size > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)


def _resident(split: Split, device: torch.device) -> Split:
    """The split with its tensor on the device where that is an accelerator and the data fit."""
    if device.type == "cpu" or split.x.numel() * split.x.element_size() > _RESIDENT:
        return split
    return split.to(device)


def _exhausted(state: TrainingState, settings: Settings) -> bool:
    return settings.patience is not None and state.epoch - state.best_epoch >= settings.patience


def _elapsed(saved: float, settings: Settings) -> bool:
    return time.monotonic() - saved >= settings.checkpoint_seconds


def _asked_to_stop(interrupts: Interrupts, fabric: Fabric | Alone, t: int) -> bool:
    if fabric.world_size == 1:
        return interrupts.asked
    if t % 10:  # processes agree on the step to stop at; asking each other costs a message
        return False
    asked: Any = fabric.all_reduce(torch.tensor(float(interrupts.asked), device=fabric.device), reduce_op="sum")
    return bool(asked > 0)


def _unwrapped(model: nn.Module) -> Autoencoder:
    inner = model.module if isinstance(model, torch.optim.swa_utils.AveragedModel) else model
    assert isinstance(inner, Autoencoder)
    return inner


def _require_finite(
    values: dict[str, float], state: TrainingState, folder: Path | None, *, since: bool = False
) -> None:
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if not bad:
        return
    terms = [name for name in bad if name != "loss"] or bad
    shown = ", ".join(f"{name}={value:.4g}" for name, value in values.items())
    where = f"{'in the steps up to' if since else 'at'} step {state.t} (epoch {state.epoch + 1})"
    raise TrainingError(f"the loss stopped being a number {where}: {' and '.join(terms)} ({shown}).{_advice(folder)}")


def _require_finite_weights(parameters: list[nn.Parameter], state: TrainingState, folder: Path | None) -> None:
    total: Tensor = torch.stack([p.detach().abs().sum() for p in parameters]).sum()
    if not math.isfinite(total.item()):
        raise TrainingError(
            f"weights stopped being numbers by step {state.t} (epoch {state.epoch + 1}) although the losses were "
            f"finite: a gradient overflowed.{_advice(folder)}"
        )


def _advice(folder: Path | None) -> str:
    kept = ""
    if folder is not None and (folder / "last.ckpt" / "state.json").exists():
        kept = f" The last good checkpoint is kept in {folder / 'last.ckpt'}."
    return kept + " Try a lower learning rate (lr), gradient clipping (clip=1), or check the data's range."
