"""What is tried: laws that latents may follow, from the simplest to the most flexible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lather.errors import ConfigError
from lather.priors import Prior
from lather.repairing.material import Material
from lather.samplers import (
    choose_mixture,
    fit_aggregate,
    fit_flow,
    fit_flow_matching,
    fit_gaussian,
    fit_second_stage,
)
from lather.samplers.descent import OnStep

__all__ = ["CANDIDATES", "Candidate", "Fitted", "find_candidates"]

_SPLINES_UP_TO = 256  # dimensions; a spline flow's networks return 23 numbers for each


@dataclass(frozen=True)
class Fitted:
    """A prior, what was chosen for it in a few words, and what was seen on the way, JSON-ready."""

    prior: Prior
    choice: str = ""
    trials: list[dict[str, Any]] = field(default_factory=list)


class Candidate(NamedTuple):
    """One line on it, how to fit it, and whether its density is only bounded from below."""

    summary: str
    fit: Callable[[Material, int, OnStep], Fitted]
    bound: bool = False


def _gaussian(material: Material, seed: int, on_step: OnStep) -> Fitted:
    return Fitted(fit_gaussian(material.train))


def _mixture(material: Material, seed: int, on_step: OnStep) -> Fitted:
    prior, seen = choose_mixture(material.train, material.choosing, seed=seed, on_step=on_step)
    rows = [{"components": s.components, "held_out": s.held_out, "bic": s.bic} for s in seen]
    by_bic = min(seen, key=lambda s: s.bic).components
    return Fitted(prior, f"k = {len(prior.means)} (BIC: {by_bic})", rows)


def _aggregate(material: Material, seed: int, on_step: OnStep) -> Fitted:
    centres = material.train if material.std is None else material.anchors
    prior, seen = fit_aggregate(centres, material.std, held_out=material.choosing, seed=seed, on_step=on_step)
    best = max(seen, key=lambda s: s.held_out)
    return Fitted(prior, f"h = {best.width:.2g}", [{"width": s.width, "held_out": s.held_out} for s in seen])


def _second_stage(material: Material, seed: int, on_step: OnStep) -> Fitted:
    return Fitted(fit_second_stage(material.train, held_out=material.choosing, seed=seed, on_step=on_step))


def _flow(material: Material, seed: int, on_step: OnStep) -> Fitted:
    if material.d > _SPLINES_UP_TO:
        raise ConfigError(f"a spline flow is tried up to d = {_SPLINES_UP_TO}, and this is {material.d}")
    return Fitted(fit_flow(material.train, held_out=material.choosing, seed=seed, on_step=on_step))


def _flow_matching(material: Material, seed: int, on_step: OnStep) -> Fitted:
    return Fitted(fit_flow_matching(material.train, held_out=material.choosing, seed=seed, on_step=on_step))


#: name -> candidate; the names are those of ``lather.samplers.SAMPLERS``
CANDIDATES: dict[str, Candidate] = {
    "gaussian": Candidate("one Gaussian with a full covariance", _gaussian),
    "mixture": Candidate("Gaussians with full covariances, as many as help held-out latents", _mixture),
    "aggregate": Candidate("a Gaussian around every training latent, as wide as held-out ones like best", _aggregate),
    "second-stage": Candidate("a small VAE on the latents; its density is a lower bound", _second_stage, bound=True),
    "flow": Candidate("a neural spline flow (extra `flows`)", _flow),
    "flow-matching": Candidate("N(0, I) carried along a learned velocity field", _flow_matching),
}


def find_candidates(names: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """Names of candidates, checked, in the order of the table; all for ``None``.

    Raises:
        ConfigError: an unknown name, or none at all.
    """
    if names is None:
        return list(CANDIDATES)
    asked = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    unknown = [name for name in asked if name not in CANDIDATES]
    if unknown or not asked:
        raise ConfigError(
            f"no candidate is called {', '.join(map(repr, unknown)) or 'nothing'}; there are: {', '.join(CANDIDATES)}"
        )
    return [name for name in CANDIDATES if name in asked]
