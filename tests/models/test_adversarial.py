"""Critics and their terms: the losses and gradients are those of the papers' formulas."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lather.errors import ConfigError, ShapeError
from lather.models import (
    Adversarial,
    Autoencoder,
    ConvCritic,
    DataCritic,
    DiagonalGaussian,
    MLPCritic,
    Objective,
    Opponent,
    Point,
    PosteriorKL,
    Reconstruction,
    SquaredError,
    describe,
    rebuild,
)
from lather.models.games import find_game, gradient_penalty, slope_penalty
from lather.models.step import Step
from lather.priors import GaussianMixture, Prior, StandardNormal, UniformBall, UniformCube
from lather.spec import build
from lather.train import Opponents

KINDS = ("gan", "least-squares", "wgan-gp")
D, B = 3, 12


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draws(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=seeded(seed))


def small(objective: Objective, *, prior: Prior | None = None) -> Autoencoder:
    torch.manual_seed(0)
    posterior = DiagonalGaussian() if objective.density else Point()
    return Autoencoder(
        nn.Linear(5, posterior.output_shape((D,))[0]),
        nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, 5)),
        prior=prior or StandardNormal(D),
        objective=objective,
        posterior=posterior,
        likelihood=SquaredError(),
    ).double()


def critic(reads: int = D, seed: int = 4) -> MLPCritic:
    torch.manual_seed(seed)
    return MLPCritic((reads,), hidden=(7, 6)).double()


def step_of(model: Autoencoder, z: Tensor, seed: int = 3) -> Step:
    x = draws(len(z), 5)
    q = model.encode(x)
    generator = seeded(seed)
    return Step(
        x=x,
        q=q,
        z=z,
        y=model.decode(z),
        prior=model.prior,
        matched=z,
        decode=model.decode,
        decoder=model.decoder,
        generator=generator,
        noise=generator,
    )


def plain(kind: str, c: nn.Module, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """The two sides' losses, written without Lather: the model's, the critic's without its penalty."""
    r, m = c(real), c(made)
    if kind == "gan":
        ones, zeros = torch.ones_like(m), torch.zeros_like(m)
        both = binary_cross_entropy_with_logits(r, torch.ones_like(r)) + binary_cross_entropy_with_logits(m, zeros)
        return binary_cross_entropy_with_logits(m, ones), both
    if kind == "least-squares":
        return ((m - 1) ** 2).mean() / 2, ((r - 1) ** 2).mean() / 2 + (m**2).mean() / 2
    return r.mean() - m.mean(), m.mean() - r.mean()


@pytest.mark.parametrize("kind", KINDS)
def test_both_sides_are_the_formulas(kind: str) -> None:
    term = Adversarial(critic(), kind, penalty=0.0)  # type: ignore[arg-type]
    model, z = small(Reconstruction() + term), draws(B, D, seed=2).requires_grad_()
    real = StandardNormal(D).double().sample(B, generator=seeded(3))
    value = term(step_of(model, z))
    expected, opposed = plain(kind, term.critic, real, z)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(torch.autograd.grad(value, z), torch.autograd.grad(expected, z))
    weights = [p.requires_grad_() for p in term.critic.parameters()]
    loss = term.loss(step_of(model, z))
    _, opposed = plain(kind, term.critic, real, z.detach())
    torch.testing.assert_close(loss, opposed)
    torch.testing.assert_close(torch.autograd.grad(loss, weights), torch.autograd.grad(opposed, weights))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prior", [StandardNormal(D), UniformCube(D), UniformBall(D)], ids=repr)
def test_gradient_with_respect_to_latents(kind: str, prior: Prior) -> None:
    term = Adversarial(critic(), kind)  # type: ignore[arg-type]
    model = small(Reconstruction() + term, prior=prior)
    assert torch.autograd.gradcheck(lambda z: term(step_of(model, z)), draws(B, D, seed=2).requires_grad_())


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_the_critics_loss_with_its_penalty(kind: str) -> None:
    term = Adversarial(critic(), kind, penalty=3.0)  # type: ignore[arg-type]
    model, z = small(Reconstruction() + term), draws(B, D, seed=2)
    names = [name for name, _ in term.critic.named_parameters()]

    def loss(*weights: Tensor) -> Tensor:
        class Bound(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return torch.func.functional_call(term.critic, dict(zip(names, weights, strict=True)), x)

        bound = Adversarial(Bound(), kind, penalty=3.0)  # type: ignore[arg-type]
        return bound.loss(step_of(model, z))

    assert torch.autograd.gradcheck(loss, [p.detach().clone().requires_grad_() for p in term.critic.parameters()])


def test_penalties_of_a_linear_critic_have_a_closed_form() -> None:
    linear = MLPCritic((D,), hidden=()).double()
    norm = linear.head.weight.norm()
    real, made, u = draws(B, D), draws(B, D, seed=2), torch.rand(B, dtype=torch.float64)
    torch.testing.assert_close(slope_penalty(linear, real, made, u), (norm - 1) ** 2)
    torch.testing.assert_close(gradient_penalty(linear, real), norm**2 / 2)


def test_the_slope_is_taken_between_the_two() -> None:
    class Cubic(nn.Module):  # slope 3 x² along its one axis
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0] ** 3

    real, made = torch.full((4, 1), 2.0), torch.zeros(4, 1)
    found = slope_penalty(Cubic(), real, made, torch.tensor([0.0, 0.25, 0.5, 1.0]))
    expected = sum((3 * (2 * u) ** 2 - 1) ** 2 for u in (0.0, 0.25, 0.5, 1.0)) / 4
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_a_critic_at_a_loss() -> None:
    blank = MLPCritic((D,), hidden=()).double()
    nn.init.zeros_(blank.head.weight)  # type: ignore[arg-type]
    for kind, value in {"gan": math.log(2), "least-squares": 0.5, "wgan-gp": 0.0}.items():
        term = Adversarial(blank, kind)  # type: ignore[arg-type]
        assert term(step_of(small(Reconstruction() + term), draws(B, D))).item() == pytest.approx(value)


@pytest.mark.parametrize(("shift", "low", "high"), [(0.0, 0.35, 0.65), (6.0, 0.9, 1.0)])
@pytest.mark.parametrize("kind", ["gan", "least-squares"])
def test_accuracy_of_a_trained_critic(kind: str, shift: float, low: float, high: float) -> None:
    """One half where latents are draws of the prior, near one where they lie elsewhere."""
    torch.manual_seed(0)
    term = Adversarial(MLPCritic((D,), hidden=(16,)), kind, lr=1e-2)  # type: ignore[arg-type]
    model = Autoencoder(
        nn.Identity(), nn.Identity(), prior=StandardNormal(D), objective=Reconstruction() + term, posterior=Point()
    )
    opponents, generator = Opponents(model), seeded()
    for _ in range(60):
        losses = opponents.train(torch.randn(128, D, generator=generator) + shift, generator=generator)
    values = model(torch.randn(4000, D, generator=generator) + shift, generator=generator)
    assert low <= values["adversarial_accuracy"].item() <= high
    assert set(losses) == {"adversarial_critic"}


@pytest.mark.slow
def test_the_wasserstein_critic_estimates_the_distance_of_a_shift() -> None:
    """W₁ between N(0, I) and N(s, I) is |s|: the value of a trained critic of slope 1."""
    torch.manual_seed(0)
    term = Adversarial(MLPCritic((2,), hidden=(32, 32)), "wgan-gp", lr=3e-3)
    model = Autoencoder(
        nn.Identity(), nn.Identity(), prior=StandardNormal(2), objective=Reconstruction() + term, posterior=Point()
    )
    opponents, generator = Opponents(model), seeded()
    shift = torch.tensor([3.0, 0.0])
    for _ in range(60):
        opponents.train(torch.randn(256, 2, generator=generator) + shift, generator=generator)
    value = model(torch.randn(8000, 2, generator=generator) + shift, generator=generator)["adversarial"]
    assert value.item() == pytest.approx(3.0, abs=0.35)


@pytest.mark.slow
def test_a_mixture_is_matched_by_critic_alone() -> None:
    """Free latents, no kernel: points move from the origin to the two places where the prior is."""
    torch.manual_seed(0)
    prior = GaussianMixture(torch.tensor([[-3.0, 0.0], [3.0, 0.0]]), stds=torch.full((2, 2), 0.3))
    term = Adversarial(MLPCritic((2,), hidden=(32, 32)), lr=3e-3, penalty=0.1)
    points = nn.Embedding(64, 2)
    model = Autoencoder(
        nn.Sequential(points, nn.Flatten()),
        nn.Linear(2, 1),
        prior=prior,
        objective=Reconstruction() + term,
        posterior=Point(),
    )
    opponents = Opponents(model)
    optimizer = torch.optim.Adam(points.parameters(), lr=3e-2)
    x = torch.arange(64).reshape(64, 1)
    generator = seeded()
    for t in range(400):
        opponents.train(x, t=t, generator=generator)
        optimizer.zero_grad()
        term(model.step(x, t=t, generator=generator)).backward()
        optimizer.step()
    near = (points.weight[:, 0].abs() - 3).abs() < 1.0
    left = (points.weight[:, 0] < 0).float().mean().item()
    assert near.float().mean().item() > 0.8
    assert 0.2 < left < 0.8


# the critic and the model stay out of each other's way ------------------------------------------------------------
def test_critics_are_out_of_the_models_reach_and_the_other_way_round() -> None:
    shared = critic(5)
    model = small(
        Reconstruction(in_features_of=shared) + PosteriorKL() + 0.5 * Adversarial(critic()) + DataCritic(shared)
    )
    opponents = Opponents(model)
    mine = {id(p) for p in opponents.parameters()}
    assert all(isinstance(opponent, Opponent) for opponent in model.objective.opponents().values())
    before = {name: p.clone() for name, p in model.named_parameters()}
    losses = opponents.train(draws(B, 5), generator=seeded())
    assert set(losses) == {"adversarial_critic", "realism_critic"}
    for name, p in model.named_parameters():
        assert p.requires_grad == (id(p) not in mine), name
        assert p.grad is None, name
        assert torch.equal(p, before[name]) == (id(p) not in mine), name
    model(draws(B, 5), generator=seeded())["loss"].backward()
    assert all((p.grad is None) == (id(p) in mine) for p in model.parameters())


def test_the_data_critic_reaches_the_decoder_only() -> None:
    model = small(Reconstruction() + DataCritic(critic(5)))
    model(draws(B, 5), generator=seeded())["realism"].backward()
    assert model.encoder.weight.grad is None
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.decoder.parameters())


def test_the_data_critic_sees_prior_draws_and_posterior_draws() -> None:
    term = DataCritic(critic(5), penalty=0.0)
    model = small(Reconstruction() + term)
    step = model.step(draws(B, 5), generator=seeded(3))
    prior = model.prior.sample(B, generator=seeded(3))
    made = torch.cat([model.decode(step.z).mean, model.decode(prior).mean])
    expected, opposed = plain("gan", term.critic, step.x, made)
    torch.testing.assert_close(term(step), expected)
    torch.testing.assert_close(term.loss(model.step(draws(B, 5), generator=seeded(3))), opposed)


def test_a_failing_critic_is_left_out_of_reach_too() -> None:
    class Fails(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("no score today")

    term = Adversarial(Fails())
    with pytest.raises(RuntimeError, match="no score today"):
        Opponents(small(Reconstruction() + term)).train(draws(B, 5))
    assert not any(p.requires_grad for p in term.parameters())


def test_rounds_are_taken_and_moments_come_back() -> None:
    def trained(rounds: int, steps: int) -> tuple[Autoencoder, Opponents]:
        model = small(Reconstruction() + Adversarial(critic(), rounds=rounds))
        opponents = Opponents(model)
        for t in range(steps):
            opponents.train(draws(B, 5, seed=t), generator=seeded(t))
        return model, opponents

    _, three = trained(3, 1)
    assert {int(v) for name, v in three.state_dict().items() if name.endswith(".step")} == {3}
    whole, _ = trained(1, 4)
    half, moments = trained(1, 2)
    again = small(Reconstruction() + Adversarial(critic(), rounds=1))
    again.load_state_dict(half.state_dict())
    opponents = Opponents(again)
    opponents.load_state_dict(moments.state_dict())
    for t in (2, 3):
        opponents.train(draws(B, 5, seed=t), generator=seeded(t))
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))


# reconstruction in features ---------------------------------------------------------------------------------------
class Layers(nn.Module):
    """A user's network: two maps, with dropout that must be off and weights that must not move."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.dropout = nn.Linear(5, 4), nn.Linear(4, 2), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> list[Tensor]:
        first = self.dropout(torch.tanh(self.first(x)))
        return [first, 3 * self.second(first)]


def squares(x: Tensor) -> Tensor:
    return x**2


def test_reconstruction_in_features_is_half_the_squared_distance() -> None:
    net = Layers()
    model = small(1 * Reconstruction(in_features_of=net)).train()
    x = draws(B, 5)
    value = model(x)["reconstruction"]
    y = model.reconstruct(x)
    expected = sum(((a - b) ** 2).sum() for a, b in zip(net(x), net(y), strict=True)) / (2 * B)
    torch.testing.assert_close(value, expected)
    value.backward()
    assert model.encoder.weight.grad is not None
    assert all(p.grad is None for p in net.parameters())
    assert next(net.parameters()).dtype == torch.float64  # it followed the model
    y = model.reconstruct(x)
    by_function = small(1 * Reconstruction(in_features_of=squares))(x)["reconstruction"]
    torch.testing.assert_close(by_function, ((x**2 - y**2) ** 2).sum() / (2 * B))


def test_gradient_of_reconstruction_in_features() -> None:
    features = critic(5)
    term = Reconstruction(in_features_of=features)
    model = small(1 * term)
    torch.testing.assert_close(
        term(step_of(model, draws(B, D))).detach(),
        0.5 * (features.features(draws(B, 5)) - features.features(model.decode(draws(B, D)).mean)).square().sum() / B,
    )
    assert torch.autograd.gradcheck(lambda z: term(step_of(model, z)), draws(B, D, seed=2).requires_grad_())


def test_a_users_network_is_named_in_the_description_and_not_needed_to_generate() -> None:
    net = Layers()
    model = small(Reconstruction(in_features_of=net) + PosteriorKL())
    assert not any("features" in name for name in model.state_dict())
    data = json.loads(json.dumps(describe(model)))
    name = f"{Layers.__module__}.Layers"
    assert data["objective"]["arguments"]["terms"][0][1]["arguments"] == {"in_features_of": {"custom": name}}
    assert data["algebra"] == "Reconstruction(in_features_of=Layers) + PosteriorKL()"
    parts = {"encoder": nn.Linear(5, 2 * D), "decoder": nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, 5))}
    without = rebuild(data, **parts).double()
    without.load_state_dict(model.state_dict())
    assert torch.equal(without.generate(4, generator=seeded()), model.generate(4, generator=seeded()))
    with pytest.raises(ConfigError, match=r"your own \(.*Layers\).*custom="):
        without(draws(B, 5))
    again = rebuild(data, **parts, custom={name: net}).double()
    again.load_state_dict(model.state_dict())
    first, second = (m(draws(B, 5), generator=seeded())["loss"] for m in (model, again))
    assert torch.equal(first, second)


def test_a_custom_critic_keeps_its_weights_with_the_model() -> None:
    own = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    model = small(Reconstruction(in_features_of=own) + DataCritic(own))
    assert any("critic" in name for name in model.state_dict())
    data = describe(model)
    parts = {"encoder": nn.Linear(5, D), "decoder": nn.Sequential(nn.Linear(D, 8), nn.Tanh(), nn.Linear(8, 5))}
    rebuild(data, **parts).double().load_state_dict(model.state_dict())  # absent: its weights are passed over
    other = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    again = rebuild(data, **parts, custom={"torch.nn.modules.container.Sequential": other}).double()
    again.load_state_dict(model.state_dict())
    first, second = (m(draws(B, 5), generator=seeded())["loss"] for m in (model, again))
    assert torch.equal(first, second)


def test_two_networks_of_one_class_have_two_names() -> None:
    first, second = Layers(), Layers()
    data = (Reconstruction(in_features_of=first) + Reconstruction(in_features_of=second)).spec()
    names = [pair[1]["arguments"]["in_features_of"]["custom"] for pair in data["arguments"]["terms"]]
    assert names == [f"{Layers.__module__}.Layers", f"{Layers.__module__}.Layers#2"]


def test_a_shared_critic_is_shared_again_when_rebuilt() -> None:
    shared = ConvCritic((1, 8, 8), width=4, hidden=8)
    objective = Reconstruction(in_features_of=shared) + PosteriorKL() + DataCritic(shared, penalty=1.0)
    again = build(json.loads(json.dumps(objective.spec())), Objective)
    (_, reconstruction), _, (_, realism) = again.pairs
    assert reconstruction.features is realism.critic
    assert repr(again) == repr(objective)
    assert again.spec() == objective.spec()
    apart = build((Reconstruction(in_features_of=shared) + DataCritic(ConvCritic((1, 8, 8)))).spec(), Objective)
    assert apart.pairs[0][1].features is not apart.pairs[1][1].critic
    with pytest.raises(ConfigError, match="before it is described"):
        build({"shared": 1}, Objective)


# critics as networks ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 4, 4), (2, 9, 13)])
def test_scores_of_one_image_do_not_depend_on_the_others(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    net = ConvCritic(shape, width=4, hidden=8).train()
    x = torch.rand(6, *shape, generator=seeded())
    assert net(x).shape == (6,)
    torch.testing.assert_close(net(x)[:2], net(x[:2]), rtol=1e-4, atol=1e-5)


def test_a_critic_of_images_sees_contrast() -> None:
    """Reconstruction in features that are normalised over the sample gave grey pictures."""
    torch.manual_seed(0)
    net = ConvCritic((1, 28, 28), width=4, hidden=8)
    x = torch.rand(6, 1, 28, 28, generator=seeded())
    sharp, pale = net.features(x), net.features(0.4 + 0.2 * x)
    assert ((sharp - pale).square().mean() / sharp.square().mean()).item() > 0.03


# mistakes ---------------------------------------------------------------------------------------------------------
def test_mistakes_are_explained() -> None:
    with pytest.raises(ConfigError, match=r"latents here have 3 numbers; use Adversarial\(MLPCritic\(\(3,\)\)\)"):
        small(Reconstruction() + Adversarial(MLPCritic((4,))))
    with pytest.raises(ConfigError, match="the games gan, least-squares, wgan-gp; got kind='wgan'"):
        find_game("wgan")
    for wrong in ({"rounds": 0}, {"lr": 0.0}, {"penalty": -1.0}):
        with pytest.raises(ConfigError):
            Adversarial(critic(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="hidden layers"):
        MLPCritic((3,), hidden=(0,))
    with pytest.raises(ConfigError, match="at least 4 × 4"):
        ConvCritic((1, 2, 2))
    with pytest.raises(ShapeError, match=r"built for samples of shape \(3,\)"):
        critic()(draws(B, 4))
    with pytest.raises(ShapeError, match="one score for each row"):
        small(Reconstruction() + Adversarial(nn.Linear(D, 2)))(draws(B, 5))
    with pytest.raises(ShapeError, match="keep the batch axis"):
        small(1 * Reconstruction(in_features_of=torch.sum))(draws(B, 5))
    one = critic()
    with pytest.raises(ConfigError, match="train the same critic"):
        Opponents(small(Reconstruction() + Adversarial(one) + Adversarial(one)))


def test_a_logarithm_keeps_its_critic() -> None:
    model = small(Reconstruction() + Adversarial(critic()).log())
    assert set(Opponents(model).train(draws(B, 5), generator=seeded())) == {"log_adversarial_critic"}
    values = model(draws(B, 5), generator=seeded())
    assert {"log_adversarial", "log_adversarial_accuracy"} <= set(values)
