"""Whether a report meets a number of samples that was asked for, in one sentence."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lather.auditing.report import Report
from lather.errors import ConfigError

__all__ = ["Acceptance", "accept"]


@dataclass(frozen=True)
class Acceptance:
    """An answer to "does it take at least so many samples to tell these latents from the prior?".

    Attributes:
        asked: the number of samples.
        met: no test shows a difference with fewer.
        settled: whether enough latents were tested to say so. Where no test of n latents shows a difference, and n is
            smaller than ``asked``, one that ``asked`` samples would show may have been missed.
        sentence: the answer, with the numbers.
    """

    asked: int
    met: bool
    settled: bool
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def accept(report: Report, asked: int) -> Acceptance:
    """Hold the detection size n* of a report against ``asked``.

    n* is estimated from the latents; it is the number at which the most telling test has an even chance. Met: a
    difference was found and n* ≥ ``asked``, or none was found. What was not found in fewer than ``asked`` latents is
    met, and not settled.

    Raises:
        ConfigError: ``asked`` is below 2, or nothing was compared with the prior.

    Example:
        >>> from lather.auditing.row import Row
        >>> from lather.divergences.detection import DetectionSize
        >>> row = Row("radius", "distance", n_star=DetectionSize(90, 70, 120, 500), p_adjusted=0.0, verdict="red")
        >>> accept(Report(500, 2, "StandardNormal(2)", 0, {"radius": row}), 10_000).sentence
        'Not met: it takes about 90 samples to see a difference from the prior (distance), and 10000 were asked for.'
    """
    if asked < 2:
        raise ConfigError(f"a spec is a number of samples, 2 or more, such as 10000; got {asked}")
    size, row = report.detection_size, report.telling
    if size is None or row is None:
        raise ConfigError("the report holds no test against the prior, so that a spec says nothing about it")
    if size.detected:
        met = size.n >= asked
        return Acceptance(
            asked,
            met,
            True,
            f"{'Met' if met else 'Not met'}: it takes about {round(size.n)} samples to see a difference from the prior "
            f"({row.title}), and {asked} were asked for.",
        )
    if report.n >= asked:
        return Acceptance(asked, True, True, f"Met: no test tells these {report.n} latents from the prior.")
    return Acceptance(
        asked,
        True,
        False,
        f"Met as far as {report.n} latents can show: no test tells them from the prior, but a difference that {asked} "
        f"samples would show can hide in {report.n}. To settle it, audit at least {asked} latents.",
    )
