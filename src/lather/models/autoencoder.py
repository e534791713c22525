"""The autoencoder: networks, posterior, likelihood, prior and objective as one module."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.models.capabilities import Parts
from lather.models.likelihoods import Gaussian, Likelihood, SquaredError
from lather.models.likelihoods.base import DataDistribution
from lather.models.objective import Objective, Term
from lather.models.posteriors import DiagonalGaussian, Point, Posterior, PowerSpherical, Sphere
from lather.models.posteriors.distributions import LatentDistribution
from lather.models.step import Step
from lather.priors import Prior

__all__ = ["Autoencoder"]

Gather = Callable[[Tensor], Tensor]


class Autoencoder(nn.Module):
    r"""An encoder and a decoder, with what their latents should follow and what training minimises.

    A plain :class:`torch.nn.Module`: train it with :func:`lather.fit`, or in your own loop with
    ``model(x)["loss"].backward()``.

    Args:
        encoder: any module; maps x (b, \*sample_shape) to what the posterior reads,
            ``posterior.output_shape(latent_shape)`` per sample: (b, d) for a point, (b, 2d) for a diagonal Gaussian.
        decoder: any module; maps latents (b, \*latent_shape) to (b, \*sample_shape), read by the likelihood.
        prior: what latents should follow and new ones are drawn from; ``prior.d == prod(latent_shape)``.
        objective: what training minimises, such as ``Reconstruction() + 10 * Match(CramerWold())``.
        posterior: how the encoder's output becomes q(z|x). Default: :class:`DiagonalGaussian` if the objective
            needs a density, else :class:`Point`; for a prior on the sphere :class:`PowerSpherical`, else
            :class:`Sphere`.
        likelihood: how the decoder's output becomes p(x|z). Default: :class:`Gaussian` with optimal σ if the
            objective needs a density (so that the loss is an ELBO), else :class:`SquaredError`.
        latent_shape: shape of one latent where it is not a vector, such as (4, 8, 8). The prior and every
            divergence see it as one vector of d numbers.
        sampler: what new latents are drawn from instead of the prior, by name: a key of ``lather.samplers.SAMPLERS``.
            :func:`lather.fit` fits it to the latents of the training data once the weights are trained.

    Raises:
        CapabilityError: parts that cannot work together; the message names what would.
        ConfigError: a latent shape that does not fit the prior.

    Example:
        >>> from lather import Match, MMD, Reconstruction, StandardNormal
        >>> model = Autoencoder(nn.Linear(4, 2), nn.Linear(2, 4), prior=StandardNormal(2),
        ...                     objective=Reconstruction() + 10 * Match(MMD()))
        >>> sorted(model(torch.zeros(8, 4)))
        ['loss', 'match', 'reconstruction']
        >>> model.generate(3).shape
        torch.Size([3, 4])
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        *,
        prior: Prior,
        objective: Objective | Term,
        posterior: Posterior | None = None,
        likelihood: Likelihood | None = None,
        latent_shape: Sequence[int] | None = None,
        sampler: str | None = None,
    ) -> None:
        super().__init__()
        objective = Objective([(1.0, objective)]) if isinstance(objective, Term) else objective
        if posterior is None:
            posterior = _default_posterior(prior, objective.density)
        if likelihood is None:
            likelihood = Gaussian(sigma="optimal") if objective.density else SquaredError()
        self.latent_shape = tuple(latent_shape) if latent_shape is not None else (prior.d,)
        if math.prod(self.latent_shape) != prior.d:
            raise ConfigError(
                f"latents of shape {self.latent_shape} have {math.prod(self.latent_shape)} numbers and {prior!r} has "
                f"d={prior.d}; give the prior d={math.prod(self.latent_shape)}"
            )
        if not prior.euclidean and posterior.euclidean:
            raise CapabilityError(
                f"{prior!r} lives on the unit sphere and {posterior!r} fills all of R^{prior.d}, so they can never "
                f"match; use posterior={_default_posterior(prior, objective.density)!r}"
                f"{' (recipe svae)' if objective.density else ''}, or prior=StandardNormal(d)"
            )
        if prior.euclidean and not posterior.euclidean:
            raise CapabilityError(
                f"{posterior!r} puts latents on the unit sphere, where {prior!r} has no mass; use "
                f"prior=UniformSphere({prior.d}), or posterior={_default_posterior(prior, objective.density)!r}"
            )
        if prior.learned and not objective.density:
            raise CapabilityError(
                f"{prior!r} learns from the log densities of a KL term, and the objective has none: a divergence moves "
                "latents alone; add PosteriorKL(), or use a prior that is not learned"
            )
        objective.check(Parts(prior=prior, posterior=posterior, likelihood=likelihood))
        posterior.output_shape(self.latent_shape)  # refuses shapes that it cannot read
        self.encoder, self.decoder, self.sampler = encoder, decoder, sampler
        self.prior, self.objective, self.posterior, self.likelihood = prior, objective, posterior, likelihood
        prior.attach(self.encode)

    # data -> latents -> data ---------------------------------------------------------------------------------
    def encode(self, x: Tensor) -> LatentDistribution:
        """q(z|x): ``batch_shape == (b,)``, ``event_shape == (d,)``."""
        return self.posterior(self.encoder(x), self.latent_shape)

    def decode(self, z: Tensor) -> Distribution:
        """p(x|z) for latents (b, d) or (b, \\*latent_shape); its ``mean`` is the picture to show."""
        if math.prod(z.shape[1:]) != self.prior.d:
            raise ShapeError(
                f"this decoder reads latents of {self.prior.d} numbers (shape {self.latent_shape}), "
                f"got {tuple(z.shape)}"
            )
        return self.likelihood(self.decoder(z.reshape(len(z), *self.latent_shape)))

    # one training step ---------------------------------------------------------------------------------------
    def step(
        self,
        x: Tensor,
        *,
        t: int = 0,
        generator: torch.Generator | None = None,
        noise: torch.Generator | None = None,
        gather: Gather | None = None,
        local: bool = False,
    ) -> Step:
        """Carry a batch through the model, for an objective to look at.

        Args:
            x: data (b, \\*sample_shape).
            t: optimizer steps taken so far.
            generator: of everything that all processes must agree on (directions, prior draws).
            noise: of the latent noise, which differs between processes; default ``generator``.
            gather: joins rows (n, k) of all processes, with gradient: :func:`lather.train.gather_latents`.
            local: compare this process's own latents with the prior, not those of all.
        """
        q = self.encode(x)
        z = q.draw(noise if noise is not None else generator)
        y = self.decode(z)
        if y.batch_shape + y.event_shape != x.shape:
            raise ShapeError(
                f"the decoder's output reads as data of shape {tuple(y.batch_shape + y.event_shape)}, but x has "
                f"{tuple(x.shape)}; end the decoder with the shape of one sample, {tuple(x.shape[1:])}"
            )
        if isinstance(y, DataDistribution):
            y.gather = gather
        return Step(
            x=x,
            q=q,
            z=z,
            y=y,
            prior=self.prior,
            matched=gather(z) if gather and not local else z,
            decode=self.decode,
            decoder=self.decoder,
            generator=generator,
            noise=noise if noise is not None else generator,
            t=t,
            gather=gather,
        )

    def forward(
        self,
        x: Tensor,
        *,
        t: int = 0,
        generator: torch.Generator | None = None,
        noise: torch.Generator | None = None,
        gather: Gather | None = None,
        local: bool = False,
        pull: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Every term of the objective on a batch, and their weighted sum under ``"loss"``; see :meth:`step`.

        With ``pull`` (b, d), the gradient of the terms that compare latents with the prior, these terms are left out
        and ⟨pull, z⟩ takes their place in the loss: see :mod:`lather.models.in_parts`.
        """
        step = self.step(x, t=t, generator=generator, noise=noise, gather=gather, local=local or pull is not None)
        if pull is None:
            return self.objective(step)
        values = self.objective.some(step, "mean")
        pulled = (pull * step.z).sum()
        return {"loss": self.objective.total(values) + pulled if values else pulled, **values}

    losses = forward

    # use -----------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def generate(
        self, n: int, *, prior: Prior | None = None, generator: torch.Generator | None = None, batch: int = 512
    ) -> Tensor:
        """``n`` new data: the decoder's mean at ``n`` draws from the prior, (n, \\*sample_shape).

        Args:
            n: how many, at least 1.
            prior: what to draw latents from; default the model's own.
            generator: of the draws.
            batch: how many are decoded at once.
        """
        if n < 1:
            raise ConfigError(f"generate needs n ≥ 1, got {n}")
        prior = self.prior if prior is None else prior
        if prior.d != self.prior.d:
            raise ShapeError(f"{prior!r} has d={prior.d}, but this model's latents have d={self.prior.d}")
        with self._evaluating():
            z = prior.sample(n, generator=generator)
            return torch.cat([self.decode(part).mean for part in z.split(batch)])

    @torch.no_grad()
    def reconstruct(self, x: Tensor, *, batch: int = 512) -> Tensor:
        """The decoder's mean at the posterior's mean (on a sphere: mean direction), for data (n, \\*sample_shape)."""
        with self._evaluating():
            return torch.cat([self.decode(self.encode(part).centre).mean for part in x.split(batch)])

    @torch.no_grad()
    def latents(self, x: Tensor, *, batch: int = 512) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
        """Mean and standard deviation of every q(z|x), each (n, d)."""
        with self._evaluating():
            both = [(q.mean, q.stddev) for q in map(self.encode, x.split(batch))]
        mean, std = (torch.cat(parts) for parts in zip(*both, strict=True))
        return mean, std

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)


def _default_posterior(prior: Prior, density: bool) -> Posterior:
    if prior.euclidean:
        return DiagonalGaussian() if density else Point()
    return PowerSpherical() if density else Sphere()
