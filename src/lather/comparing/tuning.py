"""Search for the value of a recipe's option, on validation data, before the comparison on test data.

Every trial is a training like any other, in ``out/tuning``, with a seed that the comparison does not use. It is scored
on *validation* data: the test data of the comparison have no say in what is chosen. Without a spec the score is the
distance of generated data from real ones, which is large where the decoder is poor and where latents miss the prior, so
that it has a smallest value in between. With a spec it is the distortion, among the trials whose n* is at least so
large; those that miss it come behind, the nearest first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lather.auditing import Report
from lather.auditing.acceptance import accept
from lather.comparing.contender import Contender
from lather.comparing.result import Tuned
from lather.errors import ConfigError, MissingExtraError
from lather.jobs import Job, Outcome, carry_out, open_pool
from lather.jobs.cores import cores, share
from lather.train.recipes import Problem, find_recipe
from lather.train.seeds import seed_for

if TYPE_CHECKING:
    from lather.data import Dataset

__all__ = ["default_value", "score", "tune_all"]

_REACH = 30.0  # the search covers a thirtieth of the default to thirty times as much
_MISSED = 1e6  # what is added to scores where a spec is missed: more than any distortion


@dataclass
class _Search:
    """The search for one contender."""

    contender: Contender
    default: float
    study: Any


def tune_all(
    grid: Sequence[Contender],
    base: Job,
    option: str,
    folder: Path,
    *,
    trials: int,
    spec: int | None,
    seed: int,
    progress: bool,
    **how: Any,
) -> tuple[list[Contender], list[Tuned], list[str], dict[Contender, str]]:
    """Tune ``option`` for every contender whose recipe has it and was not given one.

    The search is Optuna's, with a tree-structured Parzen estimator, log-uniform from 1/30 of the default to 30 times
    as much; the first trial is the default. It is kept in ``folder/tuning.log`` and goes on from there; each choice
    is a function of the trials before it alone.

    Args:
        grid: all contenders.
        base: what is common to their trainings.
        option: name of the option.
        folder: of the comparison.
        trials: trainings of each search.
        spec: smallest n*, or ``None``.
        seed: of the trainings, one that the comparison does not use.
        progress: show what is done.
        **how: engine, workers and address.

    Returns:
        The grid with the values that were found; what was found; sentences on what was not tuned; and the contenders
        all of whose trials failed, with the last error.

    Raises:
        ConfigError: no contender has such an option, or it is no number.
        MissingExtraError: Optuna is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtraError("optuna", "optuna", f"tuning {option}") from None
    if base.hold_z is not None or base.hold_n is not None:
        raise ConfigError("hold_z and hold_n find weights themselves; tune something without them, or leave out tune")
    if trials < 1:
        raise ConfigError(f"trials is a number of trainings, 1 or more, got {trials}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    defaults = _defaults(grid, base, option)
    folder.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(folder / "tuning.log"), _lock(folder))
    )
    searches = [
        _Search(contender, default, _study(optuna, storage, contender, base, option, spec, seed, default))
        for contender, default in defaults.items()
    ]
    errors: dict[Contender, str] = {}
    at_once = max((how.get("workers") or share(cores(), None)[0]) // len(searches), 1)
    begun = any(_ended(search.study) < trials for search in searches)
    with open_pool(**(how if begun else {"workers": 0}), pictures=False, progress=progress) as pool:
        while todo := [search for search in searches if _ended(search.study) < trials]:
            asked = [
                (search, *trial)
                for search in todo
                for trial in _ask(optuna, search, option, seed, min(at_once, trials - _ended(search.study)))
            ]
            jobs = [_trial_job(base, search.contender, option, value, seed) for search, _, value in asked]
            outcomes = carry_out(jobs, folder / "tuning", progress=progress, pool=pool)
            for (search, number, _), outcome in zip(asked, outcomes, strict=True):
                error = _tell(optuna, search.study, number, outcome, spec)
                if error is not None:
                    errors[search.contender] = error
    return _results(optuna, grid, searches, option, spec, errors)


def _defaults(grid: Sequence[Contender], base: Job, option: str) -> dict[Contender, float]:
    """The contenders that can be tuned, with the default of the option."""
    from lather.data import load

    data = load(**{**base.load, "progress": False})
    found = {}
    for contender in grid:
        given = {**base.options, **dict(contender.own)}
        if option in find_recipe(contender.recipe).options and option not in given:
            found[contender] = default_value(contender, option, data, paper=base.paper, given=given)
    if not found:
        have = sorted({name for c in grid for name in find_recipe(c.recipe).options})
        raise ConfigError(
            f"none of these recipes has an option {option!r} that is still open; they have: {', '.join(have) or 'none'}"
        )
    return found


def default_value(
    contender: Contender, option: str, data: Dataset, *, paper: bool = False, given: dict[str, Any] | None = None
) -> float:
    """The default of a recipe's option as a number.

    Where it depends on the data (``None`` in the recipe's signature), it is found from the weights of the objective,
    which are linear in it.

    Raises:
        ConfigError: the option is no positive number.
    """
    recipe = find_recipe(contender.recipe)
    stated = recipe.options[option]
    if isinstance(stated, (int, float)) and not isinstance(stated, bool) and stated > 0:
        return float(stated)
    problem = Problem(math.prod(data.shape), math.prod(contender.latent), len(data.train), tuple(data.shape))

    def weights(**changed: Any) -> list[float]:
        objective = recipe.design(problem, paper=paper, **{**(given or {}), **changed}).objective
        return list(getattr(objective, "weights", [1.0]))

    if stated is None and option == "weight":
        usual, one, two = weights(), weights(weight=1.0), weights(weight=2.0)
        if len(usual) == len(one) == len(two):
            for at_default, at_one, at_two in zip(usual, one, two, strict=True):
                value = 1 + (at_default - at_one) / (at_two - at_one) if at_two != at_one else 0.0
                if value > 0:
                    return value
    raise ConfigError(
        f"option {option!r} of recipe {contender.recipe!r} has no positive number as its default (it is {stated!r}): "
        "that leaves nothing to search around; tune another, or give recipes with values, such as "
        f"{contender.recipe}:{option}=…"
    )


def _lock(folder: Path) -> Any:
    from optuna.storages.journal import JournalFileOpenLock

    return JournalFileOpenLock(str(folder / "tuning.log"))


def _study(
    optuna: Any,
    storage: Any,
    contender: Contender,
    base: Job,
    option: str,
    spec: int | None,
    seed: int,
    default: float,
) -> Any:
    """The study of these settings, with the default as its first trial."""
    digest = _trial_job(base, contender, option, default, seed).digest
    name = f"{contender.recipe}-{contender.dimensions}-{option}-{digest}{'' if spec is None else f'-{spec}'}"
    study = optuna.create_study(storage=storage, study_name=name, load_if_exists=True)
    if not study.trials:
        study.enqueue_trial({option: default})
    return study


def _ended(study: Any) -> int:
    return sum(trial.state.is_finished() for trial in study.trials)


def _ask(optuna: Any, search: _Search, option: str, seed: int, count: int) -> list[tuple[int, float]]:
    """Numbers and values of the next trials: those that were begun and not ended come before new ones."""
    study = search.study
    begun = [t for t in study.trials if t.state == optuna.trial.TrialState.RUNNING and option in t.params]
    asked = [(trial.number, trial.params[option]) for trial in begun]
    low, high = search.default / _REACH, search.default * _REACH
    while len(asked) < count:
        study.sampler = optuna.samplers.TPESampler(seed=seed_for(seed, len(study.trials)) % 2**32)
        trial = study.ask()
        asked.append((trial.number, trial.suggest_float(option, low, high, log=True)))
    return asked


def _trial_job(base: Job, contender: Contender, option: str, value: float, seed: int) -> Job:
    options = {**base.options, **dict(contender.own), option: value}
    label = f"tuning {contender.label}, {option}={value:.3g}"
    return replace(
        base,
        recipe=contender.recipe,
        latent=contender.latent,
        seed=seed,
        options=options,
        split="validation",
        label=label,
    )


def score(report: Report, spec: int | None) -> float | None:
    """What a trial is worth, the smaller the better; ``None`` where the report lacks what it takes.

    Args:
        report: on validation data.
        spec: the n* that is wanted.
    """
    if spec is None:
        return report.rows["fidelity_prior"].effect
    distortion, size = report.rows["reconstruction_error"].effect, report.detection_size
    if distortion is None or size is None:
        return None
    return distortion if accept(report, spec).met else _MISSED * (1 + math.log(spec / size.n))


def _tell(optuna: Any, study: Any, number: int, outcome: Outcome, spec: int | None) -> str | None:
    """Put the outcome down; returns what went wrong, if anything."""
    error = outcome.error
    if error is None:
        report = Report.load(outcome.path)
        value = score(report, spec)
        if value is not None:
            study.tell(number, value)
            return None
        row = report.rows["fidelity_prior" if spec is None else "reconstruction_error"]
        error = f"nothing to score it by: {row.title}: {row.reason}"
    study.tell(number, state=optuna.trial.TrialState.FAIL)
    return error


def _results(
    optuna: Any,
    grid: Sequence[Contender],
    searches: Sequence[_Search],
    option: str,
    spec: int | None,
    errors: dict[Contender, str],
) -> tuple[list[Contender], list[Tuned], list[str], dict[Contender, str]]:
    found: dict[Contender, Contender] = {}
    tuned, failed = [], {}
    for search in searches:
        trials = search.study.trials
        done = [t for t in trials if t.state == optuna.trial.TrialState.COMPLETE]
        contender = replace(search.contender, tuned=option)
        if not done:
            found[search.contender] = contender
            failed[contender] = f"every trial failed: {errors.get(search.contender, 'see the earlier call')}"
            continue
        best = min(done, key=lambda trial: (trial.value, trial.number))
        value = best.params[option]
        contender = replace(contender, own=(*contender.own, (option, value)))
        found[search.contender] = contender
        met = None if spec is None else best.value < _MISSED
        tried = [(t.params[option], t.value) for t in trials if option in t.params]
        tuned.append(Tuned(contender, value, search.default, best.value, met, tried))
    left = sorted({c.name for c in grid if c not in found})
    notes = [f"Not tuned, because {option} is given or no option of theirs: {', '.join(left)}."] if left else []
    return [found.get(contender, contender) for contender in grid], tuned, notes, failed
