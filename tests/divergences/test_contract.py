"""What every divergence promises, run over the registry and the priors."""

from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from lather.divergences import (
    DIVERGENCES,
    MMD,
    CramerWold,
    Divergence,
    Energy,
    EppsPulley,
    GaussianKernel,
    MaxSliced,
    RadiusCDF,
    Sinkhorn,
    Sliced,
    SphereUniformity,
    Wasserstein1d,
    make_divergence,
)
from lather.divergences.sliced import slice_laws
from lather.errors import CapabilityError, ConfigError, ShapeError
from lather.priors import PRIORS, StandardNormal, UniformSphere, make_prior
from lather.spec import build

D = 4
#: made of differentiable operations alone, so they have second derivatives
SLICED = [name for name in DIVERGENCES if name.startswith("sliced-")]
TWICE = ["radius-cdf", "gaussian-fit", "mardia", *(name for name in SLICED if "epps" not in name)]
#: distances of a fit or of sorted values, and a maximum: above 0 for true prior samples, as their docstrings say
BIASED = ["radius-cdf", "distance-cdf", "gaussian-fit", "max-sliced-wasserstein", "sinkhorn"]
UNBIASED = [name for name in DIVERGENCES if name not in BIASED]
#: unchanged by shifts and scalings of the latents
INVARIANT = ["mardia", "sphere-uniformity"]


def home(name: str, d: int = D):
    """The prior that a divergence is made for."""
    return make_prior("sphere" if name == "sphere-uniformity" else "normal", d)


def pairs(names=tuple(DIVERGENCES)):
    """All (divergence, prior) names that go together."""
    found = []
    for name in names:
        for prior in PRIORS:
            try:
                make_divergence(name, D).check(make_prior(prior, D))
            except CapabilityError:
                continue
            found.append((name, prior))
    return found


def seeded(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(n: int, seed: int = 1, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(n, D, generator=seeded(seed), dtype=dtype)


def test_what_does_not_go_together():
    missing = {(name, prior) for name in DIVERGENCES for prior in PRIORS} - set(pairs())
    normality = ("hermite-ladder", "stein", "gaussian-fit", "mardia", "henze-zirkler")  # made for N(0, I) alone
    only_normal = {(name, prior) for name in normality for prior in PRIORS if prior != "normal"}
    edf = ("cramer-von-mises", "watson", "anderson-darling", "kolmogorov-smirnov")  # need the slices' own laws
    lawless = [prior for prior in PRIORS if slice_laws(make_prior(prior, D), torch.eye(D, dtype=torch.float64)) is None]
    no_law = {(f"sliced-{name}", prior) for name in edf for prior in lawless}
    only_sphere = {("sphere-uniformity", prior) for prior in PRIORS if prior != "sphere"}
    no_radius = {("radius-cdf", "sphere")}
    assert missing == no_radius | only_normal | only_sphere | no_law


@pytest.mark.parametrize(("name", "prior"), pairs())
def test_scalar_finite_of_the_input_dtype_and_close_in_both(name, prior):
    divergence, prior, z = make_divergence(name, D), make_prior(prior, D), draw(50)
    double = divergence(z, prior, generator=seeded())
    single = divergence(z.float(), prior, generator=seeded())
    half = divergence(z.half(), prior, generator=seeded())
    assert (double.dtype, single.dtype, half.dtype) == (torch.float64, torch.float32, torch.float32)
    assert double.shape == ()
    assert torch.isfinite(double)
    rtol = 1e-2 if isinstance(divergence, MaxSliced) else 1e-5  # a short ascent goes its own way in each precision
    torch.testing.assert_close(single.double(), double, rtol=rtol, atol=2e-7)
    torch.testing.assert_close(half.double(), double, rtol=0.05, atol=2e-3)


@pytest.mark.parametrize(("name", "prior"), pairs())
def test_gradient_is_that_of_the_value(name, prior):
    divergence, prior = make_divergence(name, D), make_prior(prior, D)
    if isinstance(divergence, Sliced):
        divergence = Sliced(divergence.statistic, directions=5)
    if isinstance(divergence, MaxSliced):  # differences would see the ascent, too, until it has converged
        divergence = MaxSliced(divergence.statistic, steps=0)
    if isinstance(divergence, Sinkhorn):  # the gradient is that of the limit
        divergence = Sinkhorn(divergence.blur, tolerance=1e-10)
    z = (draw(6) * 0.7).requires_grad_()
    assert gradcheck(lambda z: divergence(z, prior, generator=seeded()), (z,))


@pytest.mark.parametrize(("name", "prior"), pairs())
def test_order_of_samples_does_not_matter_and_the_generator_decides(name, prior):
    divergence, prior, z = make_divergence(name, D), make_prior(prior, D), draw(40)
    first = divergence(z, prior, generator=seeded())
    assert torch.equal(first, divergence(z, prior, generator=seeded()))
    shuffled = z[torch.randperm(40, generator=seeded(3))]
    torch.testing.assert_close(divergence(shuffled, prior, generator=seeded()), first, rtol=1e-9, atol=1e-12)
    random = "sliced-" in name or divergence.needs(prior) == "prior samples"
    assert (not torch.equal(first, divergence(z, prior, generator=seeded(8)))) == random


@pytest.mark.parametrize(("name", "prior"), pairs())
def test_global_random_state_is_left_alone(name, prior):
    before = torch.get_rng_state()
    make_divergence(name, D)(draw(20), make_prior(prior, D), generator=seeded())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("name", "prior"), pairs())
def test_needs_says_closed_form_only_where_no_prior_draw_is_made(name, prior, monkeypatch):
    divergence, prior = make_divergence(name, D), make_prior(prior, D)
    drawn = []
    original = type(prior).sample
    monkeypatch.setattr(type(prior), "sample", lambda self, *a, **k: drawn.append(1) or original(self, *a, **k))
    divergence(draw(20), prior, generator=seeded())
    assert divergence.needs(prior) == ("prior samples" if drawn else "closed form")


def replicates(divergence, prior, n, count, seed=11):
    g = seeded(seed)
    return torch.stack([divergence(prior.sample(n, generator=g), prior, generator=g) for _ in range(count)]).double()


@pytest.mark.parametrize(
    ("name", "prior"),
    [pytest.param(*p, marks=[pytest.mark.slow] * (p[1] not in ("normal", "mixture"))) for p in pairs(UNBIASED)],
)
def test_unbiased_form_has_expectation_zero_under_the_prior(name, prior):
    divergence, prior = make_divergence(name, D), make_prior(prior, D)
    if isinstance(divergence, Sliced):
        divergence = Sliced(divergence.statistic, directions=32)
    values = replicates(divergence, prior, 24, 100)
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(len(values))


@pytest.mark.parametrize("name", UNBIASED)
def test_non_negative_form_is_above_zero_under_the_prior(name):
    prior = home(name)
    values = replicates(make_divergence(name, D).biased(), prior, 24, 20)
    assert (values > 0).all()


def pull(divergence, n=16, count=120):
    """d/ds of the divergence of s·z at s = 1 for true prior samples: mean and standard error."""
    g, prior, slopes = seeded(5), StandardNormal(D), []
    for _ in range(count):
        z = prior.sample(n, generator=g)
        scale = torch.ones((), requires_grad=True)
        (slope,) = torch.autograd.grad(divergence(scale * z, prior, generator=g), scale)
        slopes.append(slope)
    slopes = torch.stack(slopes).double()
    return float(slopes.mean()), float(slopes.std()) / math.sqrt(count)


#: centred by a constant, so that both forms have the same gradient
CENTRED = ["sliced-kolmogorov-smirnov", "sliced-watson"]


@pytest.mark.parametrize("name", [name for name in UNBIASED if name not in CENTRED + INVARIANT])
def test_unbiased_form_does_not_shrink_the_latents_and_the_other_does(name):
    divergence = make_divergence(name, D)
    if isinstance(divergence, Sliced):
        divergence = Sliced(divergence.statistic, directions=32)
    count = 1200 if name == "henze-zirkler" else 120  # its narrow kernel makes a noisy slope
    slope, error = pull(divergence, count=count)
    assert abs(slope) < 3.5 * error
    slope, error = pull(divergence.biased(), count=count)
    assert slope > 3.5 * error


#: distances cannot see a shift; Cramér–von Mises hardly sees scale (1.8 is below six null standard deviations)
UNSEEN = [("distance-cdf", "shift"), ("sliced-cramer-von-mises", "wide")]
UNSEEN += [(name, what) for name in INVARIANT for what in ("wide", "narrow")]
UNSEEN += [("mardia", "shift"), ("sinkhorn", "narrow")]  # 64 prior draws are as far from each other


@pytest.mark.parametrize("name", [name for name in DIVERGENCES if name not in INVARIANT])
def test_shift_scale_and_collapse_are_seen(name):
    divergence, prior = make_divergence(name, D), home(name)
    null = replicates(divergence, prior, 64, 20)
    threshold = null.mean() + 6 * null.std()
    z = draw(64, dtype=torch.float32)
    wrong = {"shift": z + 1, "wide": 1.8 * z, "narrow": 0.5 * z, "collapse": 0 * z}
    for what, latents in wrong.items():
        if name in INVARIANT and what == "collapse":
            continue  # neither shape nor direction to speak of
        seen = divergence(latents, prior, generator=seeded()) > threshold
        assert seen == ((name, what) not in UNSEEN), what


@pytest.mark.parametrize("name", ["energy", "cramer-wold", "mmd-imq"])
def test_descending_the_gradient_reaches_the_prior_from_far_off(name):
    divergence, prior = make_divergence(name, D).biased(), StandardNormal(D)  # a fixed batch would overfit the other
    z = (0.2 * draw(64) + 2).requires_grad_()
    optimizer = torch.optim.Adam([z], lr=0.1)
    g, first = seeded(), divergence(z.detach(), prior, generator=seeded())
    for _ in range(150):
        optimizer.zero_grad()
        divergence(z, prior, generator=g).backward()
        optimizer.step()
    z = z.detach()
    assert divergence(z, prior, generator=seeded()) < 0.05 * first
    assert z.mean(0).abs().max() < 0.5
    assert 0.6 < z.std(0).min() <= z.std(0).max() < 1.7


@pytest.mark.parametrize(("name", "prior"), pairs())
def test_nan_comes_out_as_nan(name, prior):
    z = draw(20)
    z[3, 2] = torch.nan
    assert torch.isnan(make_divergence(name, D)(z, make_prior(prior, D), generator=seeded()))


@pytest.mark.parametrize(("name", "prior"), [pair for pair in pairs() if pair[0] != "mardia"])  # needs n > d
def test_two_samples_are_enough(name, prior):
    z = draw(2).requires_grad_()
    make_divergence(name, D)(z, make_prior(prior, D), generator=seeded()).backward()
    assert torch.isfinite(z.grad).all()


@pytest.mark.parametrize("name", DIVERGENCES)
@pytest.mark.parametrize("d", [1, 2, 3, 512])
def test_any_dimension(name, d):
    if name == "sphere-uniformity" and d == 1:
        pytest.skip("there is no sphere in one dimension")
    prior = home(name, d)
    z = prior.sample(d + 8 if name == "mardia" else 20, generator=seeded()).requires_grad_()
    value = make_divergence(name, d)(z, prior, generator=seeded())
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(z.grad).all()


ALGEBRA: list[Divergence] = [
    MMD(GaussianKernel(2), unbiased=False),
    CramerWold(gamma=0.5, exact=False),
    Sliced(EppsPulley(gamma=1.0), directions=torch.eye(D)),
    0.5 * Energy() + CramerWold().log() + 3 * (RadiusCDF() + Energy(unbiased=False)),
    (Energy() + RadiusCDF()).log(),
    sum([Energy(), RadiusCDF(), Sliced(Wasserstein1d(p=1), directions=4)]),
]


@pytest.mark.parametrize("divergence", [make_divergence(name, D) for name in DIVERGENCES] + ALGEBRA, ids=repr)
def test_round_trip_through_the_configuration(divergence):
    copy = build(divergence.spec(), Divergence)
    assert repr(copy) == repr(divergence)
    assert copy.spec() == divergence.spec()
    z, prior = draw(20), StandardNormal(D) if not isinstance(divergence, SphereUniformity) else UniformSphere(D)
    assert torch.equal(copy(z, prior, generator=seeded()), divergence(z, prior, generator=seeded()))


@pytest.mark.parametrize(
    ("z", "words"),
    [
        (torch.zeros(3), "add the missing axis"),
        (torch.zeros(3, D, 2, 2), "flatten"),
        (torch.zeros(D, 3), "transposed|d=3"),
        (torch.zeros(1, D), "n ≥ 2"),
        (torch.zeros(8, D, dtype=torch.int64), "float"),
    ],
)
def test_wrong_shapes_are_explained(z, words):
    with pytest.raises(ShapeError, match=words):
        Energy()(z, StandardNormal(D))


def test_transposed_latents_are_recognised():
    with pytest.raises(ShapeError, match="transposed"):
        Energy()(torch.zeros(D, 100), StandardNormal(D))


def test_unknown_name_lists_the_known():
    with pytest.raises(ConfigError, match="cramer-wold"):
        make_divergence("cramerwold", 2)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_autocast_changes_nothing(name):
    divergence, prior, z = make_divergence(name, D), home(name), draw(40, dtype=torch.float32)
    plain = divergence(z, prior, generator=seeded())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(divergence(z, prior, generator=seeded()), plain)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_second_derivatives_exist_or_are_refused(name):
    divergence, prior = make_divergence(name, D), home(name)
    z = draw(12).requires_grad_()

    def gradient(z: torch.Tensor) -> torch.Tensor:
        value = divergence(z, prior, generator=seeded())
        return torch.autograd.grad(value, z, create_graph=True)[0]

    if name in TWICE:
        assert gradcheck(gradient, (z,), atol=1e-4)
    else:
        with pytest.raises(CapabilityError, match="second derivatives"):
            gradient(z).square().sum().backward()
