"""From data to a measured model, on real data: what the numbers say must be so."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lather as lt
from lather.auditing import Report
from lather.errors import RunError
from lather.train.assemble import assemble
from lather.train.checkpoint import load_tensors

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


def trained(
    recipe: str, data: lt.Dataset, out: Path, *, latent: object = 4, nets: str = "mlp", **settings: object
) -> lt.Run:
    model = assemble(recipe, data, latent, nets=nets)
    return lt.fit(model, data, out=out, progress=False, **settings)


def test_matched_latents_measure_better_than_unmatched_ones(tmp_path: Path) -> None:
    data = lt.load("digits", test=500)
    reports = {}
    for recipe in ("ae", "cwae"):
        run = trained(recipe, data, tmp_path / recipe, epochs=50, batch_size=128)
        reports[recipe] = lt.audit(run, data=data)
    ae, cwae = reports["ae"], reports["cwae"]
    for k in (1, 2, 3, 4):
        assert ae.rows[f"ladder_{k}"].effect > 5 * abs(cwae.rows[f"ladder_{k}"].effect)
    assert ae.detection_size.n < cwae.detection_size.n
    assert ae.rows["radius"].effect > cwae.rows["radius"].effect
    assert ae.rows["gap"].effect > cwae.rows["gap"].effect
    # the price: a plain autoencoder reconstructs better
    assert ae.rows["reconstruction_error"].effect < cwae.rows["reconstruction_error"].effect


def test_measuring_is_reproducible_and_reads_the_data_again(tmp_path: Path) -> None:
    notes = {"data": {"load": {"source": "digits", "seed": 0}}}
    data = lt.load("digits")
    lt.fit(assemble("vae", data, 3), data, out=tmp_path, epochs=2, progress=False, notes=notes)
    first = lt.audit(tmp_path)
    text = (tmp_path / "report.json").read_bytes()
    again = lt.audit(tmp_path)
    assert (tmp_path / "report.json").read_bytes() == text
    assert again.to_dict() == first.to_dict() == Report.load(tmp_path).to_dict()
    other = lt.audit(tmp_path, seed=1)
    assert other.rows["ladder_2"].effect != first.rows["ladder_2"].effect  # other draws of the posterior
    latents = load_tensors(tmp_path / "latents.safetensors")
    assert latents["z"].shape == latents["mean"].shape == latents["std"].shape == (180, 3)
    assert latents["labels"].shape == (180,)
    assert float(latents["std"].min()) > 0


def test_the_elbo_is_that_of_the_objective(tmp_path: Path) -> None:
    data = lt.load("digits")
    run = lt.fit(assemble("vae", data, 3), data, epochs=5, progress=False)
    report = lt.audit(run, data=data)
    x = data.test.batch(None)
    draws = torch.tensor([run.model(x, generator=torch.Generator().manual_seed(s))["loss"].item() for s in range(40)])
    assert report.rows["elbo"].effect == pytest.approx(-float(draws.mean()), abs=4 * float(draws.std()))
    tighter = lt.iwae_bound(run.model, x, 64, generator=torch.Generator().manual_seed(99)).double().mean()
    gain = float(tighter) + float(draws.mean())
    bounds = dict(report.rows["iwae"].details["table"]["rows"])
    assert bounds[1] == report.rows["elbo"].effect
    assert bounds[64] - bounds[1] == pytest.approx(gain, abs=4 * float(draws.std()))
    assert list(bounds.values()) == sorted(bounds.values())
    assert lt.audit(lt.fit(assemble("cwae", data, 3), data, epochs=1, progress=False), data=data).rows["elbo"].reason


def test_latents_keep_the_correlations_of_their_posteriors(tmp_path: Path) -> None:
    class Correlated(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            h = lt.FullCovariance().output_shape((2,))[0]
            return torch.cat([x.new_zeros(len(x), h - 1), x.new_full((len(x), 1), 3.0)], dim=1)  # only L_21

    data = lt.load("digits")
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 64), torch.nn.Unflatten(1, (1, 8, 8)))
    posterior = lt.FullCovariance()
    model = lt.Autoencoder(
        Correlated(),
        decoder,
        prior=lt.StandardNormal(2),
        objective=lt.Reconstruction() + lt.PosteriorKL(),
        posterior=posterior,
    )
    q = model.encode(data.test.batch(None))
    covariance = float(q.covariance_matrix[0, 0, 1])
    assert abs(covariance) > 0.5
    run = lt.fit(model, data, out=tmp_path, epochs=1, progress=False)
    lt.audit(run, data=data)
    z = load_tensors(tmp_path / "latents.safetensors")["z"]
    assert float(torch.cov(z.T)[0, 1]) == pytest.approx(covariance, rel=0.5)


def test_a_cross_entropy_of_grey_data_is_not_called_a_likelihood() -> None:
    for binarize in (False, True):
        data = lt.load("digits", binarize=binarize)
        run = lt.fit(assemble("vae", data, 3), data, epochs=1, progress=False)
        row = lt.audit(run, data=data).rows["elbo"]
        assert row.details["likelihood"] is binarize
        assert ("cross-entropy" in row.title) is not binarize


def test_data_that_changed_or_were_not_kept_are_noticed(tmp_path: Path) -> None:
    x = torch.rand(300, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    data = lt.load(x)
    trained("ae", data, tmp_path / "r", epochs=1)
    with pytest.raises(RunError, match="given as an array"):
        lt.audit(tmp_path / "r")
    config = json.loads((tmp_path / "r" / "config.json").read_text())
    config["data"]["load"] = {"source": "digits"}
    (tmp_path / "r" / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="fingerprint has changed"):
        lt.audit(tmp_path / "r")


def test_tensorboard_files_hold_the_losses(tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    data = lt.load("digits")
    run = trained("ae", data, tmp_path, epochs=3, tensorboard=True)
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    logged = {e.step: e.value for e in events.Scalars("validation/loss")}
    expected = {row["step"]: row["loss"] for row in run.metrics if row["split"] == "validation"}
    assert logged == pytest.approx(expected)


COMPILED = """
import sys, torch, lather as lt
from lather.train.assemble import assemble
data = lt.load("digits")
losses = []
for name, compile in (("a", False), ("b", True)):
    model = assemble("ae", data, 4, nets="mlp")
    run = lt.fit(model, data, out=f"{sys.argv[1]}/{name}", epochs=3, progress=False, compile=compile)
    losses.append(run.metrics[-1]["loss"])
assert abs(losses[0] - losses[1]) < 1e-3 * losses[0], losses
x = data.test.batch(slice(0, 8))
again = lt.open_run(f"{sys.argv[1]}/b").model
assert torch.allclose(again.reconstruct(x), run.model.reconstruct(x), atol=1e-5)
"""


@pytest.mark.exhaustive
def test_compiled_networks_learn_the_same(tmp_path: Path) -> None:
    # a process of its own: run-time checks of shapes do not go together with torch.compile
    result = subprocess.run(
        [sys.executable, "-c", COMPILED, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_mnist_from_an_autoencoder_to_a_matched_one(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATHER_DATA", str(data_root))
    data = lt.load("mnist", limit=6_000, progress=False)
    reports = {}
    for recipe in ("ae", "wae-mmd"):
        run = trained(recipe, data, tmp_path / recipe, latent=8, epochs=5)
        reports[recipe] = lt.audit(run, data=data)
    for key in ("ladder_2", "radius", "energy"):
        assert reports["ae"].rows[key].n_star.n < 20 < 40 < reports["wae-mmd"].rows[key].n_star.n
    assert reports["ae"].rows["gap"].effect > reports["wae-mmd"].rows["gap"].effect


@pytest.mark.slow
def test_cifar_with_a_residual_net_and_a_spatial_latent(
    data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATHER_DATA", str(data_root))
    data = lt.load("cifar10", limit=600, progress=False)
    model = assemble("swae", data, (4, 8, 8), nets="residual", net_options={"width": 8, "blocks": 1})
    run = lt.fit(model, data, out=tmp_path, epochs=2, batch_size=64, progress=False)
    losses = [row["loss"] for row in run.metrics if row["split"] == "validation"]
    assert losses[1] < losses[0]
    report = lt.audit(run, data=data)
    assert report.d == 256
    assert run.model.generate(3).shape == (3, 3, 32, 32)
    assert (tmp_path / "samples.png").stat().st_size > 1000
