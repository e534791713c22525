"""What came of a repair, in memory and on disk."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lather.auditing import Report
from lather.files import atomically, write_json
from lather.priors import Prior
from lather.repairing.choice import RULE
from lather.repairing.material import Material
from lather.repairing.pool import Pool
from lather.repairing.scores import Score

__all__ = ["Repair"]

SCHEMA = 1


@dataclass(frozen=True)
class Repair:
    """All candidates with their scores, the winner, and the audits before and after.

    Attributes:
        scores: one for what was drawn from before, then one for each candidate.
        winner: the score of the candidate that the rule picks.
        improved: whether it is certainly better than what was drawn from before.
        before, after: audits of the scored latents against the old prior and against the winner, ``None`` if not asked
            for.
        seed: of every random choice.
        seconds: that it all took.
    """

    scores: list[Score]
    winner: Score
    improved: bool
    material: Material = field(repr=False)
    old: Pool = field(repr=False)
    new: Pool = field(repr=False)
    before: Report | None = field(repr=False)
    after: Report | None = field(repr=False)
    seed: int = 0
    seconds: float = 0.0

    @property
    def prior(self) -> Prior:
        """What to draw from: the winner, or what was drawn from before where no candidate is better."""
        assert self.winner.prior is not None
        return self.winner.prior if self.improved else self.material.prior

    @property
    def headline(self) -> str:
        """The repair in one sentence."""
        old, new = self.scores[0], self.winner
        if not self.improved:
            return f"No candidate is certainly better than {old.choice}, which latents are drawn from already: keep it."
        if old.gap is not None and new.gap is not None:
            if old.gap.value > 0:
                part = max(new.gap.value, 0.0) / old.gap.value
                change = f"the sampling gap falls from {old.gap.value:.3g} to {new.gap.value:.3g} ({part:.0%})"
            else:
                change = f"the sampling gap goes from {old.gap.value:.3g} to {new.gap.value:.3g}"
        else:
            change = "held-out latents become more likely"
            known = [score.log_likelihood for score in (old, new) if score.log_likelihood is not None]
            if len(known) == 2 and all(map(math.isfinite, known)):
                change += f" by {known[1] - known[0]:.3g} nats each"
        return f"Draw from the {new.name} candidate: {change}{self._sizes()}."

    def _sizes(self) -> str:
        sizes = [score.n_star for score in (self.scores[0], self.winner)]
        if sizes[0] is None or sizes[1] is None:
            return ""
        return f", and n* goes from {sizes[0]:short} to {sizes[1]:short}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the layout of ``repair.json``."""
        audits = {
            name: None
            if report is None
            else {
                "headline": report.headline,
                "verdict": report.verdict,
                "detection_size": report.to_dict()["detection_size"],
                "gap": report.rows["gap"].to_dict(),
            }
            for name, report in (("before", self.before), ("after", self.after))
        }
        return {
            "schema": SCHEMA,
            "headline": self.headline,
            "improved": self.improved,
            "winner": self.winner.name,
            "rule": RULE,
            "source": self.material.origin,
            "latents": {
                "fitted_to": len(self.material.train),
                "choosing": len(self.material.choosing),
                "scoring": len(self.material.scoring),
                "d": self.material.d,
            },
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "notes": self.material.notes,
            "scores": [_finite(score.to_dict()) for score in self.scores],
            "audits": _finite(audits),
        }

    def save(self, folder: str | Path) -> None:
        """Write ``repaired.safetensors`` and ``repaired.json`` (the prior), and ``repair/``: ``repair.json``,
        ``repair.html``, ``before-after.png``, and the audits in ``before/`` and ``after/``.

        The prior is written last, and not at all where nothing is better than what there is; one of an earlier repair
        is then removed, so that what lies there is always what the page beside it recommends.
        """
        from lather.auditing.theme import save
        from lather.repairing.page import render
        from lather.repairing.pictures import before_after
        from lather.train.sampler import remove_sampler, save_sampler

        folder = Path(folder)
        place = folder / "repair"
        place.mkdir(parents=True, exist_ok=True)
        save(before_after(self), place / "before-after.png")
        for name, report in (("before", self.before), ("after", self.after)):
            if report is not None:
                report.save(place / name)
        write_json(place / "repair.json", self.to_dict())
        with atomically(place / "repair.html") as temporary:
            temporary.write_text(render(self), encoding="utf-8")
        if self.improved:
            save_sampler(folder, self.prior, "repaired")
        else:
            remove_sampler(folder, "repaired")

    def __str__(self) -> str:
        from lather.repairing.table import plain

        return plain(self)


def _finite(value: Any) -> Any:
    """Without infinities and NaN, which JSON has not: they become ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
