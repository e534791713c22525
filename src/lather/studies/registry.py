"""Which studies there are, and how one is run."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lather.errors import ConfigError
from lather.studies.findings import Findings
from lather.studies.plan import Plan

__all__ = ["STUDIES", "Entry", "study"]


@dataclass(frozen=True)
class Entry:
    """A study by name.

    Attributes:
        question: what it answers.
        place: module and function, imported when it runs.
    """

    question: str
    place: str

    def load(self) -> Callable[[Plan], Findings]:
        """The function that runs it."""
        module, _, name = self.place.partition(":")
        found: Callable[[Plan], Findings] = getattr(importlib.import_module(module), name)
        return found


STUDIES: dict[str, Entry] = {
    "noise": Entry("What does noise in the latent space buy?", "lather.studies.noise:noise"),
    "prior": Entry("Why a normal prior, could it be another?", "lather.studies.prior:prior"),
    "gaussian": Entry(
        "What do we mean by Gaussian latents, and how important is it?", "lather.studies.gaussian:gaussian"
    ),
    "dimension": Entry("Why does sampling break in large latent spaces?", "lather.studies.dimension:dimension"),
}


def study(
    name: str,
    *,
    data: str | Mapping[str, Any] = "mnist",
    quick: bool = True,
    seeds: int | None = None,
    out: str | Path | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    progress: bool = True,
) -> Findings:
    """Answer one of the questions by experiment, and leave a page with its plots and numbers.

    Trainings are ordinary run directories in ``out/runs``; those that are finished are not run again, so that a study
    that was stopped goes on, and one with more seeds only adds to what there is.

    Args:
        name: ``"noise"``, ``"prior"``, ``"gaussian"`` or ``"dimension"``.
        data: what :func:`lather.load` reads (pictures), or its keyword arguments with ``source``.
        quick: a few minutes on two cores; ``False`` for the whole study, see its page in the documentation.
        seeds: trainings of each kind (default: 1 for a quick study, else 3). Intervals need at least two.
        out: directory for the page, the numbers and the runs (default: ``studies/NAME-DATA``, with ``-quick``).
        engine, workers, address: where trainings run, see :func:`lather.compare`.
        progress: tell on the terminal what is done.

    Raises:
        ConfigError: no such study, or settings out of range.
        DataError: the data cannot be used, or are no pictures.
    """
    if name not in STUDIES:
        raise ConfigError(f"no study is called {name!r}; there are: {', '.join(STUDIES)}")
    count = (1 if quick else 3) if seeds is None else seeds
    if count < 1:
        raise ConfigError(f"seeds={seeds}: at least one training of each kind is needed")
    load = {"source": data} if isinstance(data, str) else dict(data)
    if "source" not in load:
        raise ConfigError("data= is a name, a path, or keyword arguments of lather.load with a source")
    folder = Path("studies") / f"{name}-{Path(str(load['source'])).stem}{'-quick' if quick else ''}"
    plan = Plan(
        {"seed": 0, **load},
        Path(out) if out is not None else folder,
        quick=quick,
        seeds=count,
        engine=engine,
        workers=workers,
        address=address,
        progress=progress,
    )
    _check(plan)
    started = time.perf_counter()
    findings = STUDIES[name].load()(plan)
    findings = replace(
        findings,
        conditions={**_conditions(plan, time.perf_counter() - started), **findings.conditions},
        failures=[*findings.failures, *plan.failures],
    )
    return replace(findings, path=findings.save(plan.out))


def _check(plan: Plan) -> None:
    from lather.errors import DataError

    if plan.data.kind != "image":
        raise DataError(
            f"studies look at pictures, and {plan.load['source']} holds features of shape {plan.data.shape}; "
            "give pictures, such as digits or mnist"
        )


def _conditions(plan: Plan, seconds: float) -> dict[str, Any]:
    import torch

    from lather import __version__

    data = plan.data
    return {
        "data": f"{data.name}, {len(data.train)} training, {len(data.test)} held-out pictures",
        "size": "quick" if plan.quick else "full",
        "seeds": plan.seeds,
        "Lather": __version__,
        "PyTorch": torch.__version__,
        "cores": os.cpu_count(),
        "minutes (without runs that were there)": round(seconds / 60, 1),
    }
