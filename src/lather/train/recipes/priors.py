"""Variational autoencoders whose prior is learned with them, or after them."""

from __future__ import annotations

from lather.data import Dataset
from lather.models import DiagonalGaussian, Objective, PosteriorKL, Reconstruction
from lather.priors import FlowPrior, GaussianMixture, Prior, VampPrior
from lather.train.recipes.recipe import Design, Problem, recipe, some


def _elbo(weight: float | None, warmup: int) -> Objective:
    return Reconstruction() + (1.0 if weight is None else weight) * PosteriorKL(warmup=warmup)


@recipe("vampprior", "Tomczak, Welling 2018, arXiv:1705.07120")
def _vampprior(p: Problem, *, weight: float | None = None, warmup: int = 0, components: int = 500) -> Design:
    """VAE with a VampPrior: a mixture of its own posteriors at learned pseudo-inputs."""

    def prior(d: int, data: Dataset) -> Prior:
        return VampPrior.from_data(d, some(data), k=min(components, len(data.train)))

    return Design(_elbo(weight, warmup), DiagonalGaussian(), prior=prior)


@recipe("gmm-vae", "Tomczak, Welling 2018, arXiv:1705.07120 (mixture of Gaussians)")
def _gmm_vae(p: Problem, *, weight: float | None = None, warmup: int = 0, components: int = 50) -> Design:
    """VAE whose prior is a mixture of Gaussians, learned with it."""

    def prior(d: int, data: Dataset) -> Prior:
        return GaussianMixture.scattered(d, components, learned=True)

    return Design(_elbo(weight, warmup), DiagonalGaussian(), prior=prior)


@recipe("flow-prior", "Chen et al. 2017, arXiv:1611.02731")
def _flow_prior(
    p: Problem, *, weight: float | None = None, warmup: int = 0, kind: str = "maf", transforms: int = 3
) -> Design:
    """VAE whose prior is a normalising flow, learned with it; needs zuko."""

    def prior(d: int, data: Dataset) -> Prior:
        return FlowPrior(d, kind, transforms=transforms)

    return Design(_elbo(weight, warmup), DiagonalGaussian(), prior=prior)


@recipe("two-stage", "Dai, Wipf 2019, arXiv:1903.05789")
def _two_stage(p: Problem, *, weight: float | None = None) -> Design:
    """VAE whose noise has its optimal size, and a second, small VAE on its latents, which new ones are drawn from."""
    return Design(_elbo(weight, 0), DiagonalGaussian(), "gaussian", sampler="second-stage")
