"""Numbers by kind of model, measure and seed, and how sentences and comparisons read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lather.studies.deciding import decided, difference
from lather.studies.estimate import Estimate, estimate
from lather.studies.findings import Value
from lather.studies.plan import Trained

__all__ = ["FEW", "Measured", "by_seed", "changes", "measure", "of", "row", "seeds", "series"]

#: kind of model → measure → seed → number
Measured = Mapping[str, Mapping[str, Mapping[int, float]]]

#: what to add to the evidence of a claim where there is one seed
FEW = " One training of each kind gives no interval, so nothing is decided; more seeds (--seeds 3) do."


def measure(
    trained: Mapping[str, Sequence[Trained]], what: Callable[[Trained], Mapping[str, float]]
) -> dict[str, dict[str, dict[int, float]]]:
    """``what`` of every training, by kind, measure and seed."""
    found: dict[str, dict[str, dict[int, float]]] = {kind: {} for kind in trained}
    for kind, runs in trained.items():
        for one in runs:
            for name, value in what(one).items():
                found[kind].setdefault(name, {})[one.job.seed] = value
    return found


def by_seed(measured: Measured, kind: str, name: str) -> Mapping[int, float]:
    """A measure of one kind for each seed; empty where all its trainings failed."""
    return measured.get(kind, {}).get(name, {})


def of(measured: Measured, kind: str, name: str) -> Estimate:
    """A measure of one kind over its seeds."""
    return estimate(by_seed(measured, kind, name).values())


def seeds(measured: Measured) -> int:
    """The largest number of seeds that anything was measured with."""
    return max((len(values) for kind in measured.values() for values in kind.values()), default=0)


def changes(
    measured: Measured, kinds: Sequence[str], name: str, *, against: str, less: bool = True
) -> list[bool | None]:
    """For each kind, whether the measure is less (or more) than that of ``against``, compared seed by seed."""
    base = by_seed(measured, against, name)
    found = []
    for kind in kinds:
        own = by_seed(measured, kind, name)
        found.append(decided(difference(base, own) if less else difference(own, base)))
    return found


def series(measured: Measured, kinds: Sequence[str], name: str) -> str:
    """``0.1 ± 0.02 (AE), 0.2 ± 0.01 (VAE)``."""
    return ", ".join(f"{of(measured, kind, name)} ({kind})" for kind in kinds)


def row(measured: Measured, kind: str, columns: Mapping[str, str]) -> dict[str, Value]:
    """A line of a table: measure → head of its column."""
    return {"model": kind, **{head: of(measured, kind, name) for name, head in columns.items()}}
