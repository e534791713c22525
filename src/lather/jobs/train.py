"""From a job to a finished run directory; the one function that every engine calls."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from lather.errors import ConfigError, TrainingError
from lather.jobs.job import Job

if TYPE_CHECKING:
    from lather.data import Dataset

__all__ = ["finished", "train_job"]


def finished(folder: Path) -> bool:
    """Whether a run directory holds a trained *and measured* model."""
    return (folder / "model.safetensors").is_file() and (folder / "report.json").is_file()


def train_job(job: Job, folder: Path, *, progress: bool = False, pictures: bool = True) -> Path:
    """Train and measure ``job`` in ``folder``, an ordinary run directory; go on where an earlier attempt stopped.

    Where another process is at the same job, wait until it is done with it.

    Args:
        job: what to train.
        folder: made if need be.
        progress: show the bar of the training.
        pictures: draw the figures of the report, which takes about five seconds; ``lather audit RUN`` draws them later.

    Raises:
        ConfigError: a job that asks for several devices: each has one process.
        LatherError: what load, assemble, fit and audit raise.
    """
    from lather.data import load

    if finished(folder):
        return folder
    if job.settings.get("devices", "auto") not in (1, "auto") or job.settings.get("nodes", 1) != 1:
        raise ConfigError(
            f"a job of many trains in one process on one device, got devices={job.settings.get('devices')}, "
            f"nodes={job.settings.get('nodes', 1)}; leave both out, or train it by itself with `lather train`"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        if not finished(folder):
            data = load(**{**job.load, "progress": False})
            _train(job, data, folder, progress=progress)
            _measure(job, data, folder, pictures=pictures)
    return folder


def _train(job: Job, data: Dataset, folder: Path, *, progress: bool) -> None:
    from lather.models import rebuild
    from lather.train import Settings, fit, read_config
    from lather.train.assemble import assemble

    if (folder / "model.safetensors").is_file():
        return
    settings = Settings(**{**job.settings, "devices": 1, "seed": job.seed})
    resume = (folder / "last.ckpt" / "state.json").is_file()
    if resume:
        model = rebuild(read_config(folder)["model"])
    else:
        model = assemble(
            job.recipe,
            data,
            job.latent,
            nets=job.nets,
            net_options=job.net_options,
            prior=job.prior,
            likelihood=job.likelihood,
            paper=job.paper,
            seed=job.seed,
            options=job.options,
            hold_z=job.hold_z,
            hold_n=job.hold_n,
        )
    notes = {"recipe": {"name": job.recipe, "paper": job.paper}, "data": {"load": dict(job.load)}}
    fit(model, data, out=folder, settings=settings, resume=resume, progress=progress, notes=notes)


def _measure(job: Job, data: Dataset, folder: Path, *, pictures: bool) -> None:
    from lather.pipeline import measure
    from lather.train import open_run

    run = open_run(folder)
    if run.model.sampler is not None and run.sampler is None:
        raise TrainingError(
            f"the model in {folder} is trained, but its latents are no sample to fit the sampler "
            f"{run.model.sampler!r} to; another recipe, weight or seed may make some that are"
        )
    measure(run, data, split=job.split, pictures=pictures)
