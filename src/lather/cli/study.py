"""``lather study``: the users' questions, answered by experiment."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from lather.cli.tables import JSON

if TYPE_CHECKING:
    from lather.studies import Findings

__all__ = ["study"]


def study(
    name: Literal["noise", "prior", "gaussian", "dimension"],
    *,
    data: str = "mnist",
    quick: bool = False,
    seeds: int | None = None,
    limit: int | None = None,
    out: Path | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    as_json: JSON = False,
) -> None:
    """Answer a question about latent spaces by experiment: a page with plots, the numbers behind them, and an answer.

    noise: what does noise in the latent space buy?
    prior: why a normal prior, could it be another?
    gaussian: what do we mean by Gaussian latents, and how important is it?
    dimension: why does sampling break in large latent spaces?

    A study that was stopped goes on where it stopped when it is called again.

    Parameters
    ----------
    name
        Which question.
    data
        Pictures: a name (mnist, digits, fashion-mnist, cifar10) or a path.
    quick
        Fewer and shorter trainings: minutes instead of hours on two cores.
    seeds
        Trainings of each kind; intervals need at least two (default: 1 with --quick, else 3).
    limit
        Use at most so many samples of each set, chosen at random.
    out
        Directory to write (default: studies/NAME-DATA, with -quick).
    engine
        Where trainings run: processes on this machine, or a Ray cluster (extra: ray).
    workers
        Trainings at a time.
    address
        Of a Ray cluster (default: one on this machine).
    quiet
        No progress.
    """
    from lather.studies import study as run_study

    load = {"source": data} if limit is None else {"source": data, "limit": limit}
    findings = run_study(
        name,
        data=load,
        quick=quick,
        seeds=seeds,
        out=out,
        engine=engine,
        workers=workers,
        address=address,
        progress=not quiet,
    )
    if as_json:
        print(json.dumps(findings.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    _tell(findings)


def _tell(findings: Findings) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout)
    console.print(Text(findings.question, style="bold"))
    for sentence in findings.answer:
        console.print(Text(sentence), soft_wrap=False)
    for claim in findings.claims:
        colour = {"holds": "green", "holds in part": "yellow", "fails": "red", "not decided": "dim"}[claim.verdict]
        console.print(
            Text.assemble((f"\n{claim.verdict}: ", f"bold {colour}"), (f"“{claim.folk}” ", "bold"), claim.evidence)
        )
    for failure in findings.failures:
        console.print(Text(f"failed: {failure}", style="red"))
    console.print(f"\npage: {findings.path}", soft_wrap=True, highlight=False)
