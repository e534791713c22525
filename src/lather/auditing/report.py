"""A report: all rows of one measurement and the data behind its plots, in memory and on disk."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lather.auditing.row import GREEN_FROM, LEVEL, RED_BELOW, Row, Verdict, worst
from lather.divergences.detection import DetectionSize
from lather.errors import RunError
from lather.files import atomically, read_json, write_json

__all__ = ["SCHEMA", "Report"]

SCHEMA = 1
_LARGEST = 2**30  # bytes of one array that load() will read


@dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
        n, d: held-out latents and their dimensions.
        prior: the prior, as the call that makes it.
        seed: what every random choice came from; the same input and seed give the same report.
        rows: the measurements by key, in reading order; those that could not be made are there, with the reason.
        context: whatever the caller wants kept beside them (data, recipe …); JSON-ready.
        plots: words that belong to the plots (axis titles, class names); JSON-ready.
        arrays: the numbers behind the plots, as numpy arrays.
    """

    n: int
    d: int
    prior: str
    seed: int
    rows: dict[str, Row]
    context: dict[str, Any] = field(default_factory=dict)
    plots: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def verdict(self) -> Verdict:
        """The worst colour of any row."""
        return worst(list(self.rows.values()))

    @property
    def telling(self) -> Row | None:
        """The test that needs the fewest samples to tell the latents from the prior; ``None`` without tests."""
        rows = [row for row in self.rows.values() if row.headline]
        tests = [row for row in rows if row.n_star is not None and row.p_adjusted is not None]
        seen = [row for row in tests if (row.p_adjusted or 0) <= LEVEL]
        if not seen:  # nothing found: the test that looked at most latents says how far that goes
            return max(tests, key=lambda row: row.n_star.tested if row.n_star else 0, default=None)
        return min(seen, key=lambda row: row.n_star.n if row.n_star else 0)

    @property
    def detection_size(self) -> DetectionSize | None:
        """How many samples tell the latents from the prior; ``None`` where nothing was tested."""
        row = self.telling
        if row is None or row.n_star is None:
            return None
        return row.n_star

    @property
    def headline(self) -> str:
        """The report in one sentence."""
        size, row = self.detection_size, self.telling
        if size is None or row is None:
            return "The latents were not compared with the prior."
        if not size.detected:
            return f"No test tells these {self.n} latents from the prior."
        count = f"about {format(size, 'short').removeprefix('≈ ')} samples ({row.title})"
        if row.verdict == "green":
            return f"The latents follow the prior closely: distinguishable from it only with {count}."
        if row.verdict == "amber":
            return f"The latents come near the prior, but are distinguishable from it with {count}."
        return f"The latents do not follow the prior: distinguishable from it with {count}."

    def to_dict(self) -> dict[str, Any]:
        """Everything but the arrays, JSON-ready; the layout of ``report.json``."""
        size = self.detection_size
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "headline": self.headline,
            "detection_size": size and (size.n if size.detected else None),
            "n": self.n,
            "d": self.d,
            "prior": self.prior,
            "seed": self.seed,
            "thresholds": {"level": LEVEL, "red_below": RED_BELOW, "green_from": GREEN_FROM},
            "context": self.context,
            "rate": self._rate(),
            "rows": [row.to_dict() for row in self.rows.values()],
            "plots": self.plots,
        }

    def _rate(self) -> dict[str, Any] | None:
        """What the training posteriors spend, for programs; ``None`` where it was not measured."""
        row = self.rows.get("rate")
        if row is None or not row.computed:
            return None
        return {name: row.details[name] for name in ("R", "mi", "log_n", "regime")}

    def save(self, folder: str | Path, *, pictures: bool = True) -> None:
        """Write ``report.json``, ``report.npz`` and ``report.html`` to ``folder``, each wholly or not at all.

        Args:
            folder: made if need be.
            pictures: draw the figures of the page, which takes most of the time.
        """
        from lather.auditing.page import render

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with atomically(folder / "report.npz") as temporary, open(temporary, "wb") as handle:
            np.savez_compressed(handle, **self.arrays)  # type: ignore[arg-type]  # names never clash with options
        write_json(folder / "report.json", self.to_dict())
        with atomically(folder / "report.html") as temporary:
            temporary.write_text(render(self, pictures=pictures), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Report:
        """Read what :meth:`save` wrote; nothing that is read is executed.

        Raises:
            RunError: a file is missing, damaged, or from another version of the format.
        """
        from lather.auditing.card import plain

        folder = Path(folder)
        data = read_json(folder / "report.json")
        if not isinstance(data, Mapping) or data.get("schema") != SCHEMA:
            raise RunError(f"{folder / 'report.json'} {_other_format(data)}")
        try:
            rows = [Row.from_dict(row) for row in data["rows"]]
            names = ("n", "d", "prior", "seed", "context", "plots")
            report = cls(rows={row.key: row for row in rows}, **{name: data[name] for name in names})
            for what, kinds in (
                ("n", int),
                ("d", int),
                ("seed", int),
                ("prior", str),
                ("context", dict),
                ("plots", dict),
            ):
                if not isinstance(data[what], kinds) or isinstance(data[what], bool):
                    raise TypeError(f"{what} is {data[what]!r:.80}")
            plain(report), report.to_dict()  # what cannot be shown is found here rather than by whoever shows it
        except Exception as error:  # of which those who show expect nothing but what they wrote
            raise RunError(f"{folder / 'report.json'} is damaged ({error}); measure the run again") from error
        report.arrays.update(_read_arrays(folder / "report.npz"))
        return report

    def __str__(self) -> str:
        from lather.auditing.card import plain

        return plain(self)


def _other_format(data: Any) -> str:
    """Why ``data`` is no report that this version reads, and what to do."""
    found = data.get("schema") if isinstance(data, Mapping) else None
    if not isinstance(found, int) or isinstance(found, bool):
        return f"is no report of Lather: it names no format (schema: {found!r}); audit the latents again"
    todo = "audit the latents again" if found < SCHEMA else "upgrade Lather, which wrote it in a later version"
    return f"has format {found}, and this version of Lather reads format {SCHEMA}; {todo}"


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > _LARGEST:
                raise RunError(f"{path} unpacks to more than {_LARGEST} bytes; it was not written by Lather")
        with np.load(path, allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in loaded.files}
    except FileNotFoundError:
        raise RunError(f"{path} does not exist; it belongs to report.json beside it") from None
    except RunError:
        raise
    except Exception as error:  # numpy parses headers as Python literals, which fails in many ways
        raise RunError(f"{path} cannot be read: {error}; measure the run again") from error
    foreign = [name for name, x in arrays.items() if not isinstance(x, np.ndarray) or x.dtype.kind not in "buifU"]
    if foreign:
        raise RunError(f"{path}[{foreign[0]}] holds no numbers; it was not written by Lather: measure the run again")
    return arrays
