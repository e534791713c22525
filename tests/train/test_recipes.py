"""Recipes: what each is made of, and what all of them do on real images."""

from __future__ import annotations

import json
import logging
import math
import sys
from pathlib import Path

import pytest
import torch
from small import digits

from lather.cli import main
from lather.data import Dataset, load
from lather.divergences import Energy
from lather.errors import CapabilityError, ConfigError, MissingExtraError, RunError, TrainingError
from lather.models import Autoencoder, Match, PosteriorKL, Reconstruction
from lather.models.nets import NETS, build_nets
from lather.pipeline import measure
from lather.priors import LEARNED_PRIORS, FlowPrior, GaussianMixture, Prior, StandardNormal, VampPrior, make_prior
from lather.samplers import SAMPLERS, SecondStage
from lather.train import Run, fit, open_run
from lather.train.assemble import assemble
from lather.train.recipes import RECIPES, Problem
from lather.train.sampler import fit_sampler

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


# what they are made of -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", RECIPES)
def test_names_of_a_design_are_known_and_default_weights_grow_with_the_sample(name: str) -> None:
    small, large = (RECIPES[name].design(Problem(n, 8)) for n in (64, 64 * 16))
    assert small.sampler is None or small.sampler in SAMPLERS
    assert set(small.net_options) <= {"spectral_norm"}
    if "weight" in RECIPES[name].options and small.objective.density is False and name != "ae":
        assert repr(large.objective) != repr(small.objective)


def test_learned_priors_start_where_their_papers_say() -> None:
    data = digits()
    vamp = assemble("vampprior", data, 4, options={"components": 30}).prior
    assert isinstance(vamp, VampPrior)
    images = data.train.batch(None)
    for u in vamp.pseudo_inputs.detach():
        assert (images == u).flatten(1).all(1).any()  # every pseudo-input is one of the training images
    assert len(vamp.pseudo_inputs) == 30
    gmm = assemble("gmm-vae", data, 4).prior
    assert isinstance(gmm, GaussianMixture)
    assert gmm.learned
    assert len(gmm.means) == 50
    pytest.importorskip("zuko")
    assert isinstance(assemble("flow-prior", data, 4).prior, FlowPrior)


@pytest.mark.parametrize("name", LEARNED_PRIORS)
def test_a_learned_prior_goes_with_a_kl_term_and_with_nothing_else(name: str) -> None:
    if name == "flow":
        pytest.importorskip("zuko")
    data = digits()
    prior = assemble("beta-vae", data, 3, prior=name).prior
    assert type(prior) is LEARNED_PRIORS[name][0]
    assert prior.learned
    with pytest.raises(CapabilityError, match="PosteriorKL"):
        assemble("cwae", data, 3, prior=name)
    with pytest.raises(ConfigError, match=f"--prior {name}"):
        make_prior(name, 3)
    with pytest.raises(ConfigError, match=r"normal, .*vamp"):
        assemble("vae", data, 3, prior="vampire")


def test_a_missing_flow_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(MissingExtraError, match=r"lather\[flows\]"):
        assemble("vae", digits(), 3, prior="flow")


@pytest.mark.parametrize("nets", NETS)
def test_layers_keep_their_spectral_norm(nets: str) -> None:
    torch.manual_seed(0)
    shape = (1, 8, 8)
    encoder, decoder = build_nets(nets, shape, (4,), (4,), spectral_norm=2.5)
    assert not any("parametrizations" in name for name, _ in encoder.named_parameters())
    layers = [
        m for m in decoder.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d))
    ]
    assert layers
    optimizer = torch.optim.Adam(decoder.parameters(), lr=1e-3)
    for _ in range(30):  # also while they learn
        optimizer.zero_grad()
        decoder(torch.randn(16, 4)).square().sum().backward()
        optimizer.step()
    decoder.eval()
    for layer in layers:
        weight = layer.weight.detach()
        weight = weight.transpose(0, 1) if isinstance(layer, torch.nn.ConvTranspose2d) else weight
        norm = float(torch.linalg.matrix_norm(weight.flatten(1), 2))
        assert norm == pytest.approx(2.5, rel=0.05)


@pytest.mark.parametrize("bound", [0, -1.0, math.inf])
def test_a_spectral_norm_is_a_positive_number(bound: float) -> None:
    with pytest.raises(ConfigError, match="positive number"):
        build_nets("mlp", (4,), (2,), (2,), spectral_norm=bound)


def test_the_user_may_replace_what_a_recipe_asks_of_the_nets() -> None:
    free = assemble("rae-sn", digits(), 4, net_options={"spectral_norm": None, "hidden": (16,)})
    assert "parametrizations" not in str(dict(free.decoder.named_parameters()).keys())
    bound = assemble("rae-sn", digits(), 4, net_options={"hidden": (16,)}, options={"norm": 2})
    assert bound.decoder.arguments["spectral_norm"] == 2


# samplers and runs ---------------------------------------------------------------------------------------------
def trained(recipe: str, out: Path | None, data: Dataset | None = None, **settings: object) -> Run:
    data = digits() if data is None else data
    model = assemble(recipe, data, 4, net_options={"hidden": (32,)})
    return fit(model, data, out=out, progress=False, **{"epochs": 4, **settings})


@pytest.mark.parametrize("recipe", ["rae", "rae-sn", "two-stage"])
def test_a_run_keeps_what_is_drawn_from(recipe: str, tmp_path: Path) -> None:
    run = trained(recipe, tmp_path / "r", ema=0.9)
    kind = SecondStage if recipe == "two-stage" else GaussianMixture
    assert type(run.sampler) is kind
    assert {"prior.json", "prior.safetensors"} <= {path.name for path in (tmp_path / "r").iterdir()}
    again = open_run(tmp_path / "r")
    assert type(again.sampler) is kind
    draws = [r.model.generate(5, prior=r.sampler, generator=torch.Generator().manual_seed(1)) for r in (run, again)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], again.model.generate(5, generator=torch.Generator().manual_seed(1)))
    # a function of weights, data and seed
    refitted = fit_sampler(again.model, digits(), 0)
    assert refitted is not None
    assert all(torch.equal(t, refitted.state_dict()[name]) for name, t in again.sampler.state_dict().items())


def test_a_resumed_run_fits_its_sampler_again(tmp_path: Path) -> None:
    first = trained("rae", tmp_path / "r", epochs=2)
    model = assemble("rae", digits(), 4, net_options={"hidden": (32,)})
    second = fit(model, digits(), out=tmp_path / "r", resume=True, epochs=4, progress=False)
    again = open_run(tmp_path / "r")
    assert torch.equal(again.sampler.means, second.sampler.means)
    assert not torch.equal(first.sampler.means, second.sampler.means)


def test_recipes_that_match_have_no_sampler_and_a_wrong_name_shows_at_once(tmp_path: Path) -> None:
    assert trained("cwae", tmp_path / "r", epochs=1).sampler is None
    assert not (tmp_path / "r" / "prior.json").exists()
    encoder, decoder = build_nets("mlp", (1, 8, 8), (2,), (2,))
    model = Autoencoder(encoder, decoder, prior=StandardNormal(2), objective=Reconstruction(), sampler="floe")
    with pytest.raises(ConfigError, match="no sampler is called 'floe'"):
        fit(model, digits(), out=tmp_path / "s", progress=False)
    assert not (tmp_path / "s").exists()


def test_a_model_whose_latents_collapsed_is_kept_all_the_same(tmp_path: Path) -> None:
    class Constant(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_ones(len(x), 2)

    def parts() -> tuple[torch.nn.Module, torch.nn.Module]:
        return Constant(), build_nets("mlp", (1, 8, 8), (2,), (2,), hidden=(8,))[1]

    encoder, decoder = parts()
    prior = StandardNormal(2)
    model = Autoencoder(encoder, decoder, prior=prior, objective=Reconstruction(), sampler="mixture")
    with pytest.raises(TrainingError, match=r"kept in .* identical .*--prior model"):
        fit(model, digits(), out=tmp_path / "r", epochs=1, progress=False)
    run = open_run(tmp_path / "r", encoder=encoder)
    assert run.sampler is None
    assert torch.isfinite(run.model.generate(3)).all()


def test_few_latents_in_many_dimensions_get_a_simpler_mixture() -> None:
    data = load("digits", limit=120)
    mixture = fit_sampler(assemble("rae", data, 30, net_options={"hidden": (8,)}), data, 0)
    assert isinstance(mixture, GaussianMixture)
    assert len(mixture.means) == len(data.train) // 31
    flat = fit_sampler(assemble("rae", data, 64, net_options={"hidden": (8,)}), data, 0)
    assert isinstance(flat, GaussianMixture)
    assert not flat.full
    assert torch.isfinite(flat.sample(100)).all()


@pytest.mark.slow
def test_a_report_says_what_was_drawn_from(tmp_path: Path) -> None:
    data = load("digits", test=300)
    run = trained("rae", tmp_path / "r", data, epochs=15)
    report = measure(run, data)
    assert "fitted GaussianMixture" in report.rows["fidelity_prior"].meaning
    assert report.rows["gap"].details["drawn_from"].startswith("GaussianMixture(")
    assert report.rows["energy_sampler"].n_star.n > 10 * report.rows["energy"].n_star.n
    assert not any(report.rows[f"ladder_{k}"].remedy for k in (1, 2, 3, 4))  # nobody asked for N(0, I)
    plain = measure(Run(run.model, None, run.config, run.metrics), data)
    assert plain.rows["gap"].effect > report.rows["gap"].effect
    assert "drawn_from" not in plain.rows["gap"].details
    assert "energy_sampler" not in plain.rows
    assert "GaussianMixture" in (tmp_path / "r" / "report.html").read_text()


def test_sampling_from_the_command_line_takes_the_sampler_unless_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import numpy as np

    for recipe in ("rae", "cwae"):
        trained(recipe, tmp_path / recipe, epochs=1)

    def draw(recipe: str, *options: str) -> tuple[str, object]:
        out = tmp_path / "x.npy"
        try:
            main(["sample", str(tmp_path / recipe), "-n", "5", "--out", str(out), *options])
        except SystemExit as end:
            if end.code:
                return capsys.readouterr().err, None
        return capsys.readouterr().out, np.load(out)

    (words, default), (_, fitted), (told, model) = (
        draw("rae", *options) for options in ((), ("--prior", "fitted"), ("--prior", "model"))
    )
    assert np.array_equal(default, fitted)
    assert not np.array_equal(default, model)
    assert "GaussianMixture fitted to the training latents" in words
    assert "model's prior StandardNormal(4)" in told
    words, _ = draw("cwae")
    assert "model's prior" in words
    words, nothing = draw("cwae", "--prior", "fitted")
    assert nothing is None
    assert "--prior model" in words
    words, nothing = draw("cwae", "--prior", "vamp")
    assert nothing is None
    assert "lather train" in words


def test_a_run_whose_sampler_was_damaged_says_so(tmp_path: Path) -> None:
    trained("rae", tmp_path / "r", epochs=1)
    path = tmp_path / "r" / "prior.json"
    path.write_text(path.read_text()[:-30])
    with pytest.raises(RunError, match=r"prior\.json"):
        open_run(tmp_path / "r")


@pytest.mark.parametrize("recipe", ["rae", "rae-gp"])
def test_a_heavier_penalty_makes_a_smoother_decoder(recipe: str) -> None:
    data, found = digits(), []
    for decoder in (0.0, {"rae": 2.0, "rae-gp": 5.0}[recipe]):
        model = assemble(recipe, data, 4, net_options={"hidden": (32,)}, options={"decoder": decoder})
        model = fit(model, data, epochs=12, progress=False).model
        with torch.no_grad():
            values = model(data.test.batch(None), generator=torch.Generator().manual_seed(0))
        found.append(float(values["decoder_penalty"]))
    assert found[1] < 0.9 * found[0]


# all of them on real images ------------------------------------------------------------------------------------
EPOCHS = 10  #: of 21 steps
#: what does not match the latents of a batch with the prior
UNMATCHED = {"ae", "noise-ae", "rae", "rae-gp", "rae-sn"}


@pytest.fixture(scope="module")
def mnist(data_root: Path) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATHER_DATA", str(data_root))
        return load("mnist", limit=3000, progress=False)


@pytest.fixture(scope="module")
def plain(mnist: Dataset) -> float:
    """How far a plain autoencoder's held-out latents are from N(0, I)."""
    model = assemble("ae", mnist, 8, nets="mlp", net_options={"hidden": (128,)})
    run = fit(model, mnist, epochs=EPOCHS, batch_size=128, lr=2e-3, progress=False)
    return distance(run.model.latents(mnist.test.batch(None))[0], run.model.prior)


@torch.no_grad()
def values_of(model: Autoencoder, x: torch.Tensor) -> dict[str, float]:
    values = model(x, t=2**62, generator=torch.Generator().manual_seed(0))
    return {name: float(value) for name, value in values.items()}


@torch.no_grad()
def distance(z: torch.Tensor, prior: Prior) -> float:
    return float(Energy()(z[:1000], prior, generator=torch.Generator().manual_seed(0)))


SLOW, ALONE = ("vae", "cwae"), "vae-gan"  # which has a test of its own: test_adversarial_recipes.py


@pytest.mark.mnist
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in SLOW else pytest.mark.exhaustive)
        for name in RECIPES
        if name != ALONE
    ],
)
def test_every_recipe_on_mnist(name: str, mnist: Dataset, plain: float, tmp_path: Path) -> None:
    try:
        model = assemble(name, mnist, 8, nets="mlp", net_options={"hidden": (128,)})
    except MissingExtraError as error:
        pytest.skip(str(error))
    x = mnist.test.batch(None)[:1000]
    start = values_of(model.eval(), x)
    run = fit(model, mnist, out=tmp_path / "r", epochs=EPOCHS, batch_size=128, lr=2e-3, progress=False)
    end = values_of(run.model, x)
    losses = [row["loss"] for row in run.metrics if row["split"] == "validation"]
    if not model.objective.opponents():  # a loss in a game need not fall
        error = float((run.model.reconstruct(x) - x).square().flatten(1).sum(1).mean())
        assert error < 0.95 * float((x.mean(0) - x).square().flatten(1).sum(1).mean())  # better than the mean image
        assert losses[-1] < losses[0]
    if "reconstruction" in end and not model.objective.opponents():
        assert end["reconstruction"] < start["reconstruction"]

    q = run.model.encode(x)
    z = q.draw(torch.Generator().manual_seed(1)).detach()
    assert torch.isfinite(z).all()
    if name not in UNMATCHED:
        assert distance(z, run.model.prior) < 0.5 * plain
    if run.sampler is not None:
        assert distance(z, run.sampler) < 0.5 * distance(z, run.model.prior)
    if name == "noise-ae":  # codes outrun the noise, and no further
        assert 0.3 < float(q.mean.detach().std()) < 3

    def draws(model: Autoencoder, prior: Prior | None) -> torch.Tensor:
        return model.generate(20, prior=prior, generator=torch.Generator().manual_seed(2))

    images, again = draws(run.model, run.sampler), open_run(tmp_path / "r")
    assert images.shape == (20, 1, 28, 28)
    assert torch.isfinite(images).all()
    assert float(images.std(0).mean()) > 0.01  # not all the same
    assert torch.equal(draws(again.model, again.sampler), images)
    assert json.loads((tmp_path / "r" / "config.json").read_text())["model"]["sampler"] == model.sampler


def test_the_algebra_of_a_recipe_is_what_a_user_would_write() -> None:
    design = RECIPES["energy-ae"].design(100, weight=3.0)
    assert repr(design.objective) == repr(Reconstruction() + 3.0 * Match(Energy()))
    assert repr(RECIPES["two-stage"].design(100).objective) == repr(Reconstruction() + PosteriorKL())
