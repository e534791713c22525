"""From recipes to a comparison: a grid of trainings, resumable, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from lather.comparing.contender import Contender, contenders
from lather.comparing.files import save
from lather.comparing.result import Comparison, Run, Standing, Tuned, read_run
from lather.data import load as read
from lather.errors import ConfigError
from lather.jobs import Job, Outcome, carry_out
from lather.train import Settings
from lather.train.recipes import find_recipe

__all__ = ["compare"]


def compare(
    recipes: str | Sequence[str],
    data: str | Path | Mapping[str, Any] = "digits",
    *,
    latent: int | Sequence[int | tuple[int, ...]] = 8,
    seeds: int = 3,
    nets: str = "auto",
    net_options: Mapping[str, Any] | None = None,
    prior: str | None = None,
    likelihood: str | None = None,
    options: Mapping[str, Any] | None = None,
    paper: bool = False,
    hold_z: float | None = None,
    hold_n: int | None = None,
    settings: Settings | None = None,
    tune: str | None = None,
    trials: int = 20,
    spec: int | None = None,
    out: str | Path | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    pictures: bool = True,
    progress: bool = True,
    **changes: Any,
) -> Comparison:
    """Train every recipe at every latent size with every seed, and compare what comes of it.

    Each training is an ordinary run directory in ``out``. What is finished there is not trained again, so that the same
    call goes on after Ctrl-C or a crash, and more recipes, latents or seeds add to what there is.

    Args:
        recipes: names that ``lather recipes`` lists; with options of their own as ``"cwae:weight=5"``.
        data: a name or path, or keyword arguments of :func:`lather.load` with ``source``.
        latent: sizes of the latent: d, or shapes (c, h, w); one or several.
        seeds: trainings of each recipe and latent; the first has the seed of ``settings``. Intervals take two.
        nets, net_options, prior, likelihood, options, paper, hold_z, hold_n: for all recipes, see
            :func:`lather.assemble`.
        settings: how to train; see :class:`~lather.Settings`.
        tune: name of a recipe option, such as ``"weight"``, to be tuned on validation data for every recipe that has
            it and was not given one, at every latent (extra ``optuna``).
        trials: trainings that a search takes.
        spec: where an option is tuned: take the least distortion with an n* of at least so many. Without, take what
            generates the data nearest to real ones.
        out: directory to write (default: ``runs/compare-DATA``).
        engine, workers, address: where trainings run, see :func:`lather.jobs.carry_out`.
        pictures: draw the figures of each report.
        progress: show what is done.
        **changes: single settings by name, such as ``epochs=5``.

    Returns:
        The comparison; print it for the table. ``compare.html``, ``compare.csv`` and ``compare.json`` are in ``out``.
        Failed trainings are in ``.failed``, each with its error.

    Raises:
        ConfigError: an unknown recipe, option or setting.
        DataError: data that cannot be read.
        MissingExtraError: ``tune`` without Optuna, ``engine="ray"`` without Ray.
        KeyboardInterrupt: after Ctrl-C; the same call goes on.
    """
    load = _load(data)
    read(**load, progress=progress)  # what cannot be read shows here, once, and not in every training
    if seeds < 1:
        raise ConfigError(f"seeds is a number of trainings, 1 or more, got {seeds}")
    settings = Settings.from_dict({**(settings or Settings()).to_dict(), **changes})
    options = dict(options or {})
    base = Job(
        recipe="",
        load={"seed": settings.seed, **load},
        nets=nets,
        net_options=dict(net_options or {}),
        options=options,
        prior=prior,
        likelihood=likelihood,
        paper=paper,
        hold_z=hold_z,
        hold_n=hold_n,
        settings=_different(settings),
    )
    grid = contenders([recipes] if isinstance(recipes, str) else list(recipes), _shapes(latent), options, paper=paper)
    folder = Path(out) if out is not None else Path("runs") / f"compare-{_name(load['source'])}"
    how: dict[str, Any] = {"engine": engine, "workers": workers, "address": address, "progress": progress}
    tuned: list[Tuned] = []
    notes: list[str] = []
    failed: dict[Contender, str] = {}
    if tune is not None:
        from lather.comparing.tuning import tune_all

        grid, tuned, notes, failed = tune_all(
            grid, base, tune, folder, trials=trials, spec=spec, seed=settings.seed + seeds, **how
        )
    elif spec is not None:
        raise ConfigError(f"spec={spec} says what tuning should reach; it goes with tune='weight' (--tune weight)")
    numbers = range(settings.seed, settings.seed + seeds)
    todo = [(contender, seed) for contender in grid if contender not in failed for seed in numbers]
    outcomes = carry_out([_job(base, *one) for one in todo], folder, pictures=pictures, **how)
    runs = {one: _run(*one, outcome) for one, outcome in zip(todo, outcomes, strict=True)}
    for contender, error in failed.items():
        runs |= {(contender, s): Run(contender, s, folder / _job(base, contender, s).name, error) for s in numbers}
    standings = [Standing(contender, [runs[contender, seed] for seed in numbers]) for contender in grid]
    comparison = Comparison(folder, _name(load["source"]), standings, tuned, [*notes, *_samplers(grid)])
    save(comparison)
    return comparison


def _samplers(grid: Sequence[Contender]) -> list[str]:
    """Which recipes are not drawn from the prior that n* is about."""
    names = dict.fromkeys(c.name for c in grid if find_recipe(c.recipe).design(784, **dict(c.own)).sampler is not None)
    if not names:
        return []
    return [
        f"Drawn from a sampler that is fitted to the latents after training, not from the prior: {', '.join(names)}. "
        "What they generate can be good although n* is small."
    ]


def _job(base: Job, contender: Contender, seed: int) -> Job:
    options = {**base.options, **dict(contender.own)}
    return replace(
        base, recipe=contender.recipe, latent=contender.latent, seed=seed, options=options, label=contender.label
    )


def _run(contender: Contender, seed: int, outcome: Outcome) -> Run:
    if outcome.error is not None:
        return Run(contender, seed, outcome.path, outcome.error)
    return read_run(contender, seed, outcome.path)


def _load(data: str | Path | Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of ``load``, as plain data."""
    if isinstance(data, str | Path):
        return {"source": str(data)}
    if isinstance(data, Mapping) and isinstance(data.get("source"), str | Path):
        return {**data, "source": str(data["source"])}
    raise ConfigError(
        f"compare reads its data in every process, by name or path (or by arguments of load, with source), and was "
        f"given {type(data).__name__}; save an array with numpy.save('data.npy', array) and give data='data.npy'"
    )


def _shapes(latent: int | Sequence[int | tuple[int, ...]]) -> list[tuple[int, ...]]:
    sizes = [latent] if isinstance(latent, int) else list(latent)
    return [(size,) if isinstance(size, int) else tuple(size) for size in sizes]


def _different(settings: Settings) -> dict[str, Any]:
    """What differs from the defaults; the seed belongs to each job."""
    usual = Settings().to_dict()
    return {key: value for key, value in settings.to_dict().items() if key != "seed" and value != usual[key]}


def _name(source: str) -> str:
    """What to call the data: the last part of a path, without what files are of."""
    return Path(source).name.split(".")[0] or "data"
