"""What a trained model's densities say, on linear Gaussian models, where log p(x) and the posterior are known."""

from __future__ import annotations

import math

import pytest
import torch

import lather as lt
from lather.auditing import measure_latents
from lather.auditing.sbc import sbc_rows
from lather.data import Scaling, Split
from lather.errors import ConfigError
from lather.models.iwae import iwae_curve
from lather.pipeline.evidence import DRAWS, Simulator, bits_per_dim, bounds, evidence, simulator

SIGMA = 0.5
WEIGHT = torch.tensor([[1.0, 0.0], [0.0, 0.6], [1.0, 0.0], [0.0, -0.6], [0.5, 0.0]])  # orthogonal columns


class Linear(torch.nn.Module):
    """The exact posterior of x = W z + σ ε, its deviations multiplied by ``wider``."""

    def __init__(self, wider: float) -> None:
        super().__init__()
        precision = WEIGHT.square().sum(0) / SIGMA**2 + 1
        self.register_buffer("to_mean", WEIGHT / SIGMA**2 / precision)
        self.register_buffer("log_variance", 2 * math.log(wider) - precision.log())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # the posterior bends log variances a little; undo it at the two values there are
        raw = self.log_variance.double()
        bend = lt.DiagonalGaussian()
        for _ in range(30):
            got = 2 * bend(torch.cat([raw, raw]).float()[None], (2,)).stddev[0].log().double()
            raw = raw + (self.log_variance - got)
        return torch.cat([x @ self.to_mean, raw.to(x).expand(len(x), -1)], 1)


def ppca(wider: float = 1.0, likelihood: lt.Likelihood | None = None) -> lt.Autoencoder:
    decoder = torch.nn.Linear(2, 5, bias=False)
    decoder.weight.data = WEIGHT.clone()
    return lt.Autoencoder(
        Linear(wider),
        decoder,
        prior=lt.StandardNormal(2),
        objective=lt.Reconstruction() + lt.PosteriorKL(),
        likelihood=likelihood or lt.Gaussian(SIGMA),
    ).eval()


@pytest.fixture
def x(generator: torch.Generator) -> torch.Tensor:
    z = torch.randn(2000, 2, generator=generator)
    return z @ WEIGHT.T + SIGMA * torch.randn(2000, 5, generator=generator)


def exact(x: torch.Tensor) -> torch.Tensor:
    covariance = WEIGHT @ WEIGHT.T + SIGMA**2 * torch.eye(5)
    return torch.distributions.MultivariateNormal(torch.zeros(5), covariance).log_prob(x)


def test_with_the_exact_posterior_every_bound_is_the_log_likelihood(x: torch.Tensor, generator) -> None:
    curve = iwae_curve(ppca(), x[:50], (1, 8, 64), generator=generator, batch=96)
    assert torch.allclose(curve, exact(x[:50]).double().expand(3, -1), atol=1e-4)
    found = bounds(ppca(), x, generator)
    assert list(found) == list(DRAWS)
    assert list(found.values()) == pytest.approx([float(exact(x).mean())] * len(DRAWS), abs=0.03)


def test_with_wide_posteriors_the_bounds_rise_to_it_for_every_datum(x: torch.Tensor, generator) -> None:
    model, few = ppca(1.5), x[:40]
    curve = iwae_curve(model, few, (1, 4, 16, 256), generator=generator, batch=100)
    assert bool((curve.diff(dim=0) >= 0).all())
    # L_1 misses the truth by KL(q ‖ p), which does not depend on x here; L_256 hardly
    short = 2 * (1.5**2 / 2 - 0.5 - math.log(1.5))
    assert float((exact(few) - curve[0]).mean()) == pytest.approx(short, abs=0.05)
    assert float((exact(few) - curve[-1]).mean()) == pytest.approx(0, abs=0.03)
    alone = lt.iwae_bound(model, few, 256, generator=generator)
    assert float((alone - curve[-1]).mean()) == pytest.approx(0, abs=0.05)
    assert curve.shape == (4, 40)


def test_numbers_of_draws_must_divide_each_other(x: torch.Tensor) -> None:
    for k in ((1, 3, 8), (8, 1), (1, 1), (), (0, 4)):
        with pytest.raises(ConfigError, match="iwae_curve needs"):
            iwae_curve(ppca(), x[:2], k)


@pytest.mark.parametrize("wider", [1.0, 0.6])
def test_calibration_of_a_model_with_its_exact_posterior_and_a_narrow_one(wider: float, x: torch.Tensor) -> None:
    found = simulator(ppca(wider), x)
    assert isinstance(found, Simulator)
    rows = sbc_rows(*found, lt.StandardNormal(2))
    assert rows[0].details["size"] == pytest.approx(1 / wider, rel=0.06)
    if wider == 1:
        assert all(row.p > 0.01 for row in rows)
    else:
        assert all(row.p < 1e-6 for row in rows)
        assert "too narrow" in rows[1].meaning


def test_a_report_turns_red_where_posteriors_are_too_narrow(x: torch.Tensor, generator) -> None:
    model = ppca(0.5)
    found = evidence(model, Split(x[:40]), x[:40], generator)
    rows = measure_latents(model.encode(x[:40]).draw(generator), model.prior, **found).rows
    assert rows["sbc_radius"].verdict == "red"
    assert rows["iwae"].effect == found["bounds"][DRAWS[-1]]
    assert rows["elbo"].effect == found["elbo"] == found["bounds"][1]
    assert "depends on their unit" in rows["bits_per_dim"].reason


def test_bits_of_bytes_bound_the_cost_of_the_discrete_law(generator: torch.Generator) -> None:
    """Of x = W z + σ ε rounded to a grid, whose bits per dimension are known as long as the grid is fine."""
    z = torch.randn(4000, 2, generator=generator)
    x = z @ WEIGHT.T + SIGMA * torch.randn(4000, 5, generator=generator)
    stored = (128 + 20 * x).round().clamp(0, 255).to(torch.uint8)  # model input: stored / 20 − 6.4
    test = Split(stored, scaling=Scaling(128.0, 20.0))
    seen = test.batch(None)
    bits, how = bits_per_dim(ppca(), test, seen, 0.0, generator)
    fine = -(float(exact(seen).mean()) + 5 * math.log(1 / 20)) / (5 * math.log(2))
    assert bits == pytest.approx(fine, abs=0.01)
    assert "uniform noise" in how
    # a density taken at the grid points themselves can be made as large as one likes; the bits cannot
    sharp, _ = bits_per_dim(ppca(likelihood=lt.Gaussian(1e-3)), test, seen, 0.0, generator)
    assert sharp > 100


def test_bits_of_binary_data_are_the_bound_itself(generator: torch.Generator) -> None:
    model = ppca(likelihood=lt.Bernoulli())
    x = (torch.rand(50, 5, generator=generator) < 0.5).float()
    bits, how = bits_per_dim(model, Split(x.to(torch.uint8)), x, -5 * math.log(2), generator)
    assert bits == pytest.approx(1)
    assert "binary" in how
    grey = bits_per_dim(model, Split(x / 2), x / 2, -3.0, generator)
    assert "binarize=True" in grey


def test_what_cannot_be_simulated_says_why(x: torch.Tensor, generator: torch.Generator) -> None:
    grey = torch.rand(30, 5, generator=generator)
    assert "draws of a Bernoulli likelihood are 0 or 1" in simulator(ppca(likelihood=lt.Bernoulli()), grey)
    assert isinstance(simulator(ppca(likelihood=lt.Bernoulli()), grey.round()), Simulator)
    plain = lt.Autoencoder(
        torch.nn.Linear(5, 2), torch.nn.Linear(2, 5), prior=lt.StandardNormal(2), objective=lt.Reconstruction()
    )
    assert "needs a posterior with a density, and Point() has none" in simulator(plain, x)
    squared = ppca(likelihood=lt.Gaussian(SIGMA))
    squared.likelihood = lt.SquaredError()
    assert "is no density of data" in simulator(squared, x)
    full = lt.Autoencoder(
        torch.nn.Linear(5, 5),
        torch.nn.Linear(2, 5),
        prior=lt.StandardNormal(2),
        objective=lt.Reconstruction() + lt.PosteriorKL(),
        posterior=lt.FullCovariance(),
    )
    assert "independent coordinates" in simulator(full, x)
    reasons = evidence(plain, Split(x), x, generator)["reasons"]
    assert set(reasons) == {"elbo", "iwae", "bits_per_dim", "sbc"}
