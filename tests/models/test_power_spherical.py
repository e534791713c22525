"""The power-spherical posterior: density, draws, moments and KL against quadrature over the angle."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor

from lather.errors import CapabilityError
from lather.models.posteriors import PowerSpherical, PowerSphericalLaw
from lather.priors import StandardNormal, UniformSphere


def law(d: int, kappa: float | Tensor, dtype: torch.dtype = torch.float64, n: int = 2) -> PowerSphericalLaw:
    mu = torch.nn.functional.normalize(
        torch.randn(n, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64), dim=1
    )
    concentration = kappa if isinstance(kappa, Tensor) else torch.full((n,), kappa, dtype=torch.float64)
    return PowerSphericalLaw(mu.to(dtype), concentration.to(dtype))


def over_angle(d: int, kappa: float) -> dict[str, float]:
    """Mass, entropy, E t and E t² with t = ⟨μ, z⟩, of the unnormalised density (1 + t)^κ, by quadrature."""
    belt = 2 * math.pi ** ((d - 1) / 2) / math.gamma((d - 1) / 2)  # area of S^{d−2}

    def mean(f: object) -> float:  # t = cos a
        def integrand(a: float) -> float:
            return ((1 + math.cos(a)) / 2) ** kappa * math.sin(a) ** (d - 2) * f(math.cos(a))  # type: ignore[operator]

        return belt * integrate.quad(integrand, 0, math.pi, epsabs=0, epsrel=1e-11, limit=400)[0]

    mass = mean(lambda t: 1.0)
    log_share = mean(lambda t: math.log((1 + t) / 2) if t > -1 else 0.0) / mass
    return {
        "log_mass": math.log(mass),
        "entropy": math.log(mass) - kappa * log_share,
        "t": mean(lambda t: t) / mass,
        "t2": mean(lambda t: t * t) / mass,
    }


@pytest.mark.parametrize("d", [2, 3, 8, 64])
@pytest.mark.parametrize("kappa", [0.01, 1.0, 30.0, 400.0])
def test_everything_against_quadrature(d: int, kappa: float) -> None:
    exact = over_angle(d, kappa)
    q = law(d, kappa)
    z = q.sample((5,))
    t = (z * q.location).sum(-1)
    expected = kappa * ((1 + t) / 2).log() - exact["log_mass"]
    torch.testing.assert_close(q.log_prob(z), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        q.entropy(), torch.full((2,), exact["entropy"], dtype=torch.float64), rtol=1e-9, atol=1e-8
    )
    kl = q.kl(UniformSphere(d).double())
    area = 2 * math.pi ** (d / 2) / math.gamma(d / 2)
    assert kl is not None
    torch.testing.assert_close(kl, (math.log(area) - q.entropy()), rtol=1e-9, atol=1e-9)
    assert float(kl.min()) > 0
    torch.testing.assert_close(q.mean, exact["t"] * q.location, rtol=1e-9, atol=1e-12)
    square = q.location.square()
    variance = (exact["t2"] - exact["t"] ** 2) * square + (1 - exact["t2"]) / (d - 1) * (1 - square)
    torch.testing.assert_close(q.variance, variance, rtol=1e-7, atol=1e-12)
    assert torch.equal(q.centre, q.location)
    assert q.kl(StandardNormal(d)) is None


@pytest.mark.parametrize("d", [2, 3, 8, 64])
@pytest.mark.parametrize("kappa", [0.5, 30.0, 1e4])
def test_draws_have_the_stated_law(d: int, kappa: float) -> None:
    torch.manual_seed(5)
    q = law(d, kappa)
    z = q.sample((4000,))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(4000, 2, dtype=torch.float64))
    share = (1 - (z * q.location).sum(-1)) / 2
    beta = (d - 1) / 2
    assert stats.kstest(share[:, 0].numpy(), stats.beta(beta, beta + kappa).cdf).pvalue > 1e-3
    # around μ every direction is alike: the part at right angles has mean 0 and the covariance of a sphere
    side = torch.nn.functional.normalize(z - (z * q.location).sum(-1, keepdim=True) * q.location, dim=-1)[:, 0]
    assert float((side.mean(0) * math.sqrt(4000 * (d - 1))).abs().max()) < 5
    flat = torch.eye(d, dtype=torch.float64) - torch.outer(q.location[0], q.location[0])
    assert float((side.T @ side / 4000 - flat / (d - 1)).abs().max()) < 5 * math.sqrt(2 / 4000) / (d - 1) + 1e-12
    ratio = (q.log_prob(z) - UniformSphere(d).double().log_prob(z))[:, 0]
    kl = q.kl(UniformSphere(d).double())
    assert kl is not None
    assert abs(float(ratio.mean() - kl[0])) < 5 * float(ratio.std()) / math.sqrt(4000)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_gradients_of_draws_are_those_of_their_expectations(d: int) -> None:
    """E⟨a, z⟩ and E⟨a, z⟩², whose dependence on direction and concentration is known."""
    torch.manual_seed(6)
    n, raw = 60_000, torch.linspace(1, 2, d, dtype=torch.float64)
    kappa = torch.tensor(4.0, dtype=torch.float64)
    a = torch.linspace(-1, 1.5, d, dtype=torch.float64)

    def distribution(raw: Tensor, kappa: Tensor, n: int) -> PowerSphericalLaw:
        return PowerSphericalLaw((raw / raw.norm(dim=-1, keepdim=True)).expand(n, d), kappa.expand(n))

    for power in (1, 2):
        each_raw, each_kappa = raw.expand(n, d).clone().requires_grad_(), kappa.expand(n).clone().requires_grad_()
        z = distribution(each_raw, each_kappa, n).draw()
        slopes = torch.autograd.grad((z @ a).pow(power).sum(), (each_raw, each_kappa))
        r, k = raw.clone().requires_grad_(), kappa.clone().requires_grad_()
        q = distribution(r.unsqueeze(0), k, 1)
        if power == 1:
            expected = q.mean[0] @ a
        else:
            alpha, beta = (d - 1) / 2 + k, (d - 1) / 2
            across = 4 * alpha * beta / ((alpha + beta) * (alpha + beta + 1))  # 1 − E t²
            along = (q.location[0] @ a).square()
            expected = (1 - across) * along + across / (d - 1) * (a.square().sum() - along)
        exact = torch.autograd.grad(expected, (r, k))
        for found, want in zip(slopes, exact, strict=True):
            error = 5 * found.std(0) / math.sqrt(n) + 2e-3 * want.abs().max()  # torch's own derivative: 1e-3
            assert bool(((found.mean(0) - want).abs() < error).all()), (power, found.mean(0), want)


def test_gradients_of_closed_forms() -> None:
    h = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    z = torch.nn.functional.normalize(torch.randn(3, 4, dtype=torch.float64), dim=1)
    prior = UniformSphere(4).double()
    assert torch.autograd.gradcheck(lambda h: PowerSpherical()(h, (4,)).log_prob(z), h)
    assert torch.autograd.gradcheck(lambda h: PowerSpherical()(h, (4,)).kl(prior), h)
    assert torch.autograd.gradcheck(lambda h: PowerSpherical()(h, (4,)).stddev, h)


@pytest.mark.parametrize("d", [2, 8, 64])
@pytest.mark.parametrize("kappa", [1e-4, 1e3, 1e6])
def test_single_precision_is_enough(d: int, kappa: float) -> None:
    torch.manual_seed(7)
    q, exact = law(d, kappa, torch.float32), law(d, kappa)
    prior = UniformSphere(d)
    torch.testing.assert_close(q.kl(prior).double(), exact.kl(prior.double()), rtol=1e-5, atol=1e-6)  # type: ignore[union-attr]
    z = exact.sample((500,))
    error = (q.log_prob(z.float()).double() - exact.log_prob(z)).abs()
    assert float(error.max()) < 0.02, float(error.max())
    drawn = q.sample((500,))
    torch.testing.assert_close(drawn.norm(dim=-1), torch.ones(500, 2), rtol=0, atol=2e-6)
    h = torch.randn(2000, d + 1) * 5
    h[:, -1] = math.copysign(30.0, math.log(kappa))
    h.requires_grad_()
    near = PowerSpherical()(h, (d,))
    z = near.draw()
    (near.log_prob(z) + near.kl(UniformSphere(d)) + z.sum(1)).sum().backward()  # type: ignore[operator]
    assert h.grad is not None
    assert bool(torch.isfinite(h.grad).all())


@pytest.mark.parametrize("pole", [1.0, -1.0])
def test_no_direction_is_special(pole: float) -> None:
    """A reflection that carries e₁ to μ is singular at μ = e₁."""
    mu = torch.zeros(1000, 3)
    mu[:, 0] = pole
    mu.requires_grad_()
    z = PowerSphericalLaw(mu, torch.full((1000,), 20.0)).draw(torch.Generator().manual_seed(0))
    z.sin().sum().backward()
    assert mu.grad is not None
    assert float(mu.grad.abs().max()) < 10


def test_the_mean_resultant_length_is_the_sigmoid_of_the_last_output() -> None:
    for d in (2, 8, 64):
        h = torch.zeros(1, d + 1, dtype=torch.float64)
        h[0, 0], h[0, -1] = 2.0, 0.3
        length = PowerSpherical()(h, (d,)).mean.norm().item()
        assert length == pytest.approx(special.expit(0.3), abs=1e-3)  # the bend at .3 is small


def test_mistakes_are_explained() -> None:
    with pytest.raises(CapabilityError, match=r"for maps use Sphere\(\)"):
        PowerSpherical().output_shape((4, 8, 8))
    with pytest.raises(CapabilityError, match="at least two"):
        PowerSpherical().output_shape((1,))
    assert np.isfinite(PowerSpherical()(torch.zeros(1, 4), (3,)).entropy().item())
