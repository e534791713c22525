"""What terms that weigh log densities against each other need: of posterior, prior and likelihood."""

from __future__ import annotations

from lather.errors import CapabilityError
from lather.models.capabilities import Parts

__all__ = ["bounded_by_evidence", "check_densities", "check_evidence"]


def check_densities(parts: Parts, term: str) -> None:
    """Raise :class:`~lather.errors.CapabilityError` unless log q(z|x) − log p(z) is a finite number for every draw.

    Args:
        parts: what the term will meet.
        term: its name, for the message.
    """
    prior, posterior = parts.prior, parts.posterior
    if not posterior.density:
        use = "DiagonalGaussian(), FullCovariance() or FlowPosterior(d)" if prior.euclidean else "PowerSpherical()"
        raise CapabilityError(
            f"{term} needs a posterior with a density, and {posterior!r} has none; use posterior={use}, or match the "
            "latents of a whole batch instead: Match(Energy())"
        )
    if not prior.euclidean and posterior.euclidean:
        raise CapabilityError(
            f"{term} compares densities on the same space: {posterior!r} has one on R^{prior.d}, and {prior!r} has one "
            "on the unit sphere; use posterior=PowerSpherical() (recipe svae), or prior=StandardNormal(d)"
        )
    if prior.euclidean and not posterior.euclidean:
        raise CapabilityError(
            f"{term} compares densities on the same space: {posterior!r} has one on the unit sphere, and {prior!r} has "
            f"one on R^{prior.d}; use prior=UniformSphere({prior.d}), or posterior=DiagonalGaussian()"
        )
    if not prior.density:
        raise CapabilityError(
            f"{term} needs the prior's density, and {prior!r} has none; use FlowPrior(d) or "
            "AggregatePosterior(mean, std), or keep the prior and match samples: Match(Energy())"
        )
    if prior.bounded:
        raise CapabilityError(
            f"{term} is infinite here: {posterior!r} puts mass everywhere, and {prior!r} none outside its bounds; use "
            "a prior without bounds, such as StandardNormal(d), or keep it and match samples: Match(Energy())"
        )


def check_evidence(parts: Parts, term: str) -> None:
    """Besides :func:`check_densities`, require a likelihood: then log p(x, z) − log q(z|x) bounds log p(x)."""
    check_densities(parts, term)
    if not parts.likelihood.normalised:
        raise CapabilityError(
            f"{term} weighs draws by p(x|z), and {parts.likelihood!r} is no density of data; use "
            'likelihood=Gaussian(sigma="optimal"), or Bernoulli() for values that are 0 or 1'
        )


def bounded_by_evidence(parts: Parts) -> bool:
    """Whether a model of these parts has a bound on log p(x)."""
    try:
        check_evidence(parts, "the bound")
    except CapabilityError:
        return False
    return True
