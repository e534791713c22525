"""The nets' promises: exact shapes for any size, gradients everywhere, samples independent of each other."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lather.errors import ConfigError, ShapeError
from lather.models.nets import NETS, Decoder, Encoder, build_nets, choose_nets
from lather.models.posteriors import DiagonalGaussian, FullCovariance, Point, Posterior
from lather.spec import build

SMALL = {"mlp": {"hidden": (16,)}, "conv": {"width": 4, "hidden": 16}, "residual": {"width": 4, "blocks": 1}}
LEARNING = {"mlp": {"hidden": (64,)}, "conv": {"hidden": 64}, "residual": {"width": 8, "blocks": 1}}
names = pytest.mark.parametrize("name", list(NETS))
sizes = st.tuples(st.integers(1, 3), st.integers(4, 40), st.integers(4, 40))


def pair(name: str, data: tuple[int, ...], latent: tuple[int, ...], posterior: Posterior) -> tuple[Encoder, Decoder]:
    return build_nets(name, data, latent, posterior.output_shape(latent), **SMALL[name])


@settings(max_examples=25, deadline=None)
@given(data=sizes, d=st.integers(1, 5), name=st.sampled_from(list(NETS)))
def test_flat_latents_of_any_image(data: tuple[int, int, int], d: int, name: str) -> None:
    for posterior in (Point(), FullCovariance()):
        encoder, decoder = pair(name, data, (d,), posterior)
        assert encoder(torch.rand(2, *data)).shape == (2, *posterior.output_shape((d,)))
        assert decoder(torch.rand(2, d)).shape == (2, *data)


@settings(max_examples=25, deadline=None)
@given(data=sizes, halvings=st.integers(0, 5), c=st.integers(1, 4), name=st.sampled_from(list(NETS)))
def test_spatial_latents_of_any_image(data: tuple[int, int, int], halvings: int, c: int, name: str) -> None:
    halvings = min(halvings, int(math.log2(min(data[1:]))))
    latent = (c, data[1] >> halvings, data[2] >> halvings)
    encoder, decoder = pair(name, data, latent, DiagonalGaussian())
    assert encoder(torch.rand(2, *data)).shape == (2, 2 * c, *latent[1:])
    assert decoder(torch.rand(2, *latent)).shape == (2, *data)


@pytest.mark.parametrize("data", [(1, 28, 28), (3, 33, 33), (3, 100, 75), (1, 4, 4)])
@pytest.mark.parametrize("name", ["conv", "residual"])
def test_named_sizes_with_the_default_options(data: tuple[int, ...], name: str) -> None:
    encoder, decoder = build_nets(name, data, (8,), (16,))
    y = decoder(encoder(torch.rand(2, *data))[:, :8])
    assert y.shape == (2, *data)
    assert y.is_contiguous()


@names
@pytest.mark.parametrize("latent", [(3,), (2, 4, 3)])
def test_gradients_reach_every_parameter(name: str, latent: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    encoder, decoder = pair(name, (2, 9, 7), latent, DiagonalGaussian())
    h = encoder(torch.rand(8, 2, 9, 7))
    code, spread = h.chunk(2, dim=1)
    (decoder(code + spread).square().sum()).backward()
    for net in (encoder, decoder):
        for key, parameter in net.named_parameters():
            assert parameter.grad is not None, key
            assert bool(torch.isfinite(parameter.grad).all()), key
            assert parameter.grad.abs().sum() > 0, key


@names
def test_a_sample_does_not_depend_on_its_batch_or_mode(name: str) -> None:
    torch.manual_seed(0)
    encoder, decoder = pair(name, (1, 11, 12), (3,), Point())
    x = torch.rand(4, 1, 11, 12)
    for net, batch in ((encoder, x), (decoder, torch.randn(4, 3))):
        together = net.train()(batch)
        assert torch.equal(together, net.eval()(batch))
        torch.testing.assert_close(torch.cat([net(one[None]) for one in batch]), together, rtol=1e-4, atol=1e-5)
        assert not list(net.buffers())


@names
def test_rebuilt_from_the_configuration(name: str) -> None:
    torch.manual_seed(0)
    nets = pair(name, (1, 8, 8), (2,), Point())
    for net, kind, batch in zip(nets, (Encoder, Decoder), (torch.rand(2, 1, 8, 8), torch.randn(2, 2)), strict=True):
        copy = build(net.spec(), kind)
        copy.load_state_dict(net.state_dict())
        assert torch.equal(copy(batch), net(batch))
        assert all(value.is_contiguous() for value in net.state_dict().values())


@names
@pytest.mark.parametrize("data", [(1, 28, 28), (3, 32, 32)])
def test_codes_start_at_order_one_and_spreads_near_one(name: str, data: tuple[int, ...], digits: torch.Tensor) -> None:
    torch.manual_seed(0)
    x = torch.nn.functional.interpolate(digits, data[1:]).expand(-1, *data)
    latent = (8,)
    encoder, _ = build_nets(name, data, latent, DiagonalGaussian().output_shape(latent))
    with torch.no_grad():
        q = DiagonalGaussian()(encoder(x), latent)
    assert 0.1 < q.mean.std(0).mean() < 2
    assert q.mean.abs().mean() < 2
    assert 0.7 < q.stddev.min() < q.stddev.max() < 1.4


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    """Real 8 × 8 digits in [0, 1], shape (64, 1, 8, 8)."""
    datasets = pytest.importorskip("sklearn.datasets")
    return torch.from_numpy(datasets.load_digits().images[:64]).float()[:, None] / 16


@names
def test_learns(name: str, digits: torch.Tensor) -> None:
    torch.manual_seed(0)
    encoder, decoder = build_nets(name, (1, 8, 8), (8,), (8,), **LEARNING[name])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-3)
    losses = []
    for _ in range(60):
        loss = (decoder(encoder(digits)) - digits).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * digits.var(0).mean()  # better than the mean picture


def test_features_and_choices() -> None:
    encoder, decoder = build_nets("auto", (30,), (4,), (8,))
    assert decoder(encoder(torch.rand(2, 30))[:, :4]).shape == (2, 30)
    assert choose_nets((1, 8, 8), (2,)) == "mlp"
    assert choose_nets((1, 8, 8), (2, 4, 4)) == "conv"
    assert choose_nets((3, 32, 32), (16,)) == "conv"
    assert choose_nets((3, 2, 99), (16,)) == "mlp"


def test_mistakes_are_explained() -> None:
    with pytest.raises(ConfigError, match=r"one of \(4, 32, 32\), \(4, 16, 16\), \(4, 8, 8\).*or a flat latent \(4,\)"):
        build_nets("conv", (3, 32, 32), (4, 10, 10), (4, 10, 10))
    with pytest.raises(ConfigError, match="use the 'mlp' nets"):
        build_nets("residual", (30,), (4,), (4,))
    with pytest.raises(ConfigError, match="auto, mlp, conv, residual"):
        build_nets("transformer", (1, 8, 8), (2,), (2,))
    with pytest.raises(ConfigError, match=r"do not take blocks; they take width \(default 32\)"):
        build_nets("conv", (1, 28, 28), (2,), (2,), blocks=3)
    with pytest.raises(ConfigError, match="output_shape"):
        build_nets("mlp", (1, 8, 8), (4,), (2,))
    with pytest.raises(ConfigError, match="width=0"):
        build_nets("conv", (1, 28, 28), (2,), (2,), width=0)
    with pytest.raises(ConfigError, match="blocks=0"):
        build_nets("residual", (1, 28, 28), (2,), (2,), blocks=0)
    with pytest.raises(ConfigError, match="hidden=0"):
        build_nets("conv", (1, 28, 28), (2,), (2,), hidden=0)
    with pytest.raises(ConfigError, match="hidden layers"):
        build_nets("mlp", (8,), (2,), (2,), hidden=(0,))
    encoder, _ = build_nets("mlp", (1, 8, 8), (2,), (2,))
    with pytest.raises(ShapeError, match=r"samples of shape \(1, 8, 8\), but got a batch of shape \(2, 64\)"):
        encoder(torch.zeros(2, 64))
