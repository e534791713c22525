"""``lather compare``: recipes side by side."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from lather.cli.options import DataOptions, PartOptions, parse_latent
from lather.cli.tables import JSON
from lather.train.settings import Settings

if TYPE_CHECKING:
    from lather.comparing import Comparison

__all__ = ["compare"]


def compare(
    *recipes: str,
    data: str = "digits",
    latent: str = "8",
    seeds: int = 3,
    parts: PartOptions = PartOptions(),  # noqa: B008
    reading: DataOptions = DataOptions(),  # noqa: B008
    settings: Annotated[Settings, Parameter(name="*", group="Training")] = Settings(),  # noqa: B008
    tune: Annotated[str | None, Parameter(group="Tuning")] = None,
    trials: Annotated[int, Parameter(group="Tuning")] = 20,
    spec: Annotated[int | None, Parameter(group="Tuning")] = None,
    engine: Annotated[Literal["local", "ray"], Parameter(group="Where")] = "local",
    workers: Annotated[int | None, Parameter(group="Where")] = None,
    address: Annotated[str | None, Parameter(group="Where")] = None,
    out: Path | None = None,
    pictures: bool = True,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    as_json: JSON = False,
) -> None:
    """Train recipes at several latent sizes with several seeds, and show which differences are certain.

    Each training is an ordinary run directory, with its report. Writes compare.html (scatters of distortion against n*
    and against the sampling gap, samples side by side), compare.csv (a row for each training), compare-means.csv,
    compare.json, and with the extra parquet the tables as Parquet. The same command goes on where it was stopped, and
    trains only what is new. Exit status 1 if a training failed.

    Parameters
    ----------
    recipes
        Names that `lather recipes` lists; with options of their own as cwae:weight=5.
    data
        A name (digits, mnist, fashion-mnist, kmnist, cifar10) or a path, as for `lather train`.
    latent
        Latent dimensions, one or several separated by commas: 2,8,32 or 8x8x4.
    seeds
        Trainings of each recipe at each size; --seed is that of the first. Intervals take two or more.
    tune
        Find the best value of this option, such as weight, for each recipe and size on validation data first (extra:
        optuna).
    trials
        Trainings that each search takes.
    spec
        Tune for the least distortion with an n* of at least so many, instead of for generated data that are nearest
        to real ones.
    engine
        Processes on this machine, or a Ray cluster (extra: ray). With Ray, --out must be on a file system that all of
        its machines share.
    workers
        Trainings at a time (default: one for every two cores; 0: one after the other in this very process).
    address
        Of a Ray cluster, such as auto or ray://HOST:10001 (default: $RAY_ADDRESS, else one on this machine).
    out
        Directory to write (default: runs/compare-DATA).
    pictures
        Draw the figures of each report, about five seconds of a core each.
    quiet
        No progress.
    """
    from lather.comparing import compare as run_compare

    comparison = run_compare(
        list(recipes),
        reading.arguments(data, settings.seed),
        latent=[parse_latent(size) for size in latent.split(",")],
        seeds=seeds,
        settings=settings,
        tune=tune,
        trials=trials,
        spec=spec,
        out=out,
        engine=engine,
        workers=workers,
        address=address,
        pictures=pictures,
        progress=not quiet,
        **parts.arguments(),
    )
    if as_json:
        print(json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _tell(comparison)
    if comparison.failed:
        sys.exit(1)


def _tell(comparison: Comparison) -> None:
    from lather.comparing.table import print_comparison

    print_comparison(comparison)
    folder = comparison.path
    print(f"\npage: {folder / 'compare.html'}\ntables: {folder / 'compare.csv'}, {folder / 'compare-means.csv'}")
    if not (folder / "compare.parquet").exists():
        print("no Parquet, which needs pyarrow: pip install 'lather[parquet]'")
