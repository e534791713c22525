"""From a job to a finished run directory; the one function that every engine calls."""

from __future__ import annotations

from pathlib import Path

from lather.jobs.job import Job

__all__ = ["finished", "train_job"]


def finished(folder: Path) -> bool:
    """Whether a run directory holds a trained *and measured* model."""
    return (folder / "model.safetensors").is_file() and (folder / "report.json").is_file()


def train_job(job: Job, folder: Path, *, progress: bool = False) -> Path:
    """Train and measure ``job`` in ``folder``, an ordinary run directory; go on where an earlier attempt stopped.

    Raises:
        LatherError: what load, assemble, fit and audit raise.
    """
    if finished(folder):
        return folder
    from lather.data import load
    from lather.models import rebuild
    from lather.pipeline import measure
    from lather.train import Settings, fit, open_run, read_config
    from lather.train.assemble import assemble

    data = load(**{**job.load, "progress": False})
    if not (folder / "model.safetensors").is_file():
        settings = Settings(**{**job.settings, "seed": job.seed})
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
    measure(open_run(folder), data)
    return folder
