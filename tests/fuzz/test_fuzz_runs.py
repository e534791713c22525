"""Damaged run directories and reports: every file of them, with checksums put right where there are any."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import damage
import numpy as np
import pytest
import torch
from fuzzing import fuzzed, outcome
from hypothesis import given
from hypothesis import strategies as st

from lather.auditing import Report
from lather.auditing.card import plain
from lather.auditing.compare_page import render_comparison
from lather.auditing.page import render
from lather.data import load
from lather.files import write_json
from lather.models import describe
from lather.pipeline.audit import audit
from lather.pipeline.check import check_run
from lather.priors import GaussianMixture
from lather.train import Settings, open_run
from lather.train.assemble import assemble
from lather.train.checkpoint import load_checkpoint, save_checkpoint, save_tensors
from lather.train.metrics import read_metrics
from lather.train.sampler import save_sampler

ROW = {"step": 10, "epoch": 1, "split": "validation", "loss": 1.5, "seconds": 0.1, "reconstruction": 1.0}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, few_draws: None, no_pictures: None) -> Path:
    """A run as training leaves it, with a fitted sampler and a report."""
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    (folder / "last.ckpt").mkdir(parents=True)
    data = load("digits", limit=60)
    model = assemble("infovae", data, 2, nets="mlp", net_options={"hidden": (4,)}, prior="mixture", hold_z=2.0)
    config = {
        "schema": 1,
        "lather": "0.1.0",
        "data": data.describe(),
        "model": describe(model),
        "recipe": {"name": "infovae"},
    }
    config["data"]["load"] = {"source": "digits", "limit": 60}
    write_json(folder / "config.json", {**config, "training": Settings(epochs=1).to_dict()})
    save_tensors(folder / "model.safetensors", model.state_dict())
    save_checkpoint(folder / "last.ckpt", model.state_dict(), {"t": 1, "epoch": 1, "best_loss": None}, t=1)
    (folder / "metrics.jsonl").write_text(f"{json.dumps(ROW)}\n" * 3)
    save_sampler(folder, GaussianMixture.scattered(2))
    save_tensors(folder / "latents.safetensors", {"z": torch.randn(9, 2)}, {"split": "test"})
    generator = torch.Generator().manual_seed(0)
    z, labels = torch.randn(64, 2, generator=generator), torch.arange(64) % 2
    audit(mean=z, std=torch.rand(64, 2, generator=generator) + 0.1, labels=labels).save(folder)
    return folder


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second for each report."""
    monkeypatch.setattr("lather.auditing.compare_page.drawn", lambda report: [])


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def bare(run: Path) -> Path:
    """Without the report, which takes longer to read than all the rest."""
    (run / "report.json").unlink()
    return run


def check(run: Path) -> None:
    assert check_run(run)


def test_a_whole_run_is_read(run: Path) -> None:
    assert all(part.state == "ok" for part in check_run(run))
    assert outcome(lambda: open_run(run), "run") is not None
    assert outcome(lambda: show(run), "run") is not None


@fuzzed(12)
@given(data=st.data())
def test_configuration(bare: Path, whole: Path, data: st.DataObject) -> None:
    good = json.loads((whole / "config.json").read_text())
    if data.draw(st.booleans()):
        good["model"] = data.draw(damage.edited(good["model"]))
        (bare / "config.json").write_bytes(damage.json_bytes(good))
    else:
        (bare / "config.json").write_bytes(data.draw(damage.jsons(good)))
    outcome(lambda: open_run(bare), "run")
    outcome(lambda: check(bare))


@fuzzed(6)
@given(data=st.data())
def test_weights(bare: Path, whole: Path, data: st.DataObject) -> None:
    (bare / "model.safetensors").write_bytes(data.draw(damage.safetensors((whole / "model.safetensors").read_bytes())))
    outcome(lambda: open_run(bare), "run")
    outcome(lambda: check(bare))


@fuzzed(8)
@given(data=st.data())
def test_metrics(bare: Path, data: st.DataObject) -> None:
    lines = [data.draw(damage.jsons(ROW)), json.dumps(ROW).encode()]
    (bare / "metrics.jsonl").write_bytes(data.draw(st.just(b"\n".join(lines)) | damage.damaged(b"\n".join(lines))))
    outcome(lambda: read_metrics(bare / "metrics.jsonl"), "metrics.jsonl")
    outcome(lambda: open_run(bare), "run")
    outcome(lambda: check(bare))


@fuzzed(8)
@given(data=st.data())
def test_checkpoint(bare: Path, whole: Path, data: st.DataObject) -> None:
    good = json.loads((whole / "last.ckpt" / "state.json").read_text())
    tensors = data.draw(damage.safetensors((whole / "last.ckpt" / good["file"]).read_bytes()))
    (bare / "last.ckpt" / good["file"]).write_bytes(tensors)
    record = {**good, "sha256": hashlib.sha256(tensors).hexdigest()}
    (bare / "last.ckpt" / "state.json").write_bytes(
        data.draw(st.just(json.dumps(record).encode()) | damage.jsons(record))
    )
    outcome(lambda: load_checkpoint(bare / "last.ckpt"), "last.ckpt")
    outcome(lambda: check(bare))


@fuzzed(8)
@given(data=st.data())
def test_fitted_sampler(bare: Path, whole: Path, data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        (bare / "prior.json").write_bytes(data.draw(damage.jsons(json.loads((whole / "prior.json").read_text()))))
    else:
        good = (whole / "prior.safetensors").read_bytes()
        (bare / "prior.safetensors").write_bytes(data.draw(damage.safetensors(good)))
    outcome(lambda: open_run(bare), "run")
    outcome(lambda: check(bare))


def show(folder: Path) -> bytes:
    """All that is made of a saved report: the card, the page, and the comparison with another."""
    report = Report.load(folder)
    render_comparison([report, report], ["a", "b"])
    return (plain(report) + render(report, pictures=False)).encode()


@fuzzed(10)
@given(data=st.data())
def test_report(run: Path, whole: Path, data: st.DataObject) -> None:
    (run / "report.json").write_bytes(data.draw(damage.jsons(json.loads((whole / "report.json").read_text()))))
    outcome(lambda: show(run), "run")
    outcome(lambda: check(run))


@fuzzed(6)
@given(data=st.data())
def test_report_arrays(run: Path, whole: Path, data: st.DataObject) -> None:
    with np.load(whole / "report.npz") as arrays:
        small = {f"{name}.npy": damage.as_npy(arrays[name][:4]) for name in arrays.files[:6]}
    (run / "report.npz").write_bytes(data.draw(damage.npz(small)))
    outcome(lambda: show(run), "run")
    outcome(lambda: check(run))
