"""The examples run, and show what their docstrings say one learns from them."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

import lather as lt

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name: str, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--out", str(out), *options])
    with torch.random.fork_rng():
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")


def green(report: lt.Report, *keys: str) -> list[bool]:
    return [report.rows[key].verdict == "green" for key in keys]


def test_every_example_is_explained() -> None:
    page = (EXAMPLES.parent / "docs" / "interoperability.md").read_text(encoding="utf-8")
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert sorted(set(re.findall(r"examples/(\w+\.py)", page))) == names
    for name in names:
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        assert "What one learns" in text.replace("\n", " "), name
        assert f"python examples/{name} --quick" in text


def test_whitened_pca_passes_two_moments_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("whitened_pca", tmp_path, monkeypatch, "--quick")
    report = lt.Report.load(tmp_path)
    assert report.n == 600
    assert green(report, "ladder_1", "ladder_2", "ladder_3", "ladder_4") == [True, True, False, False]
    assert report.verdict == "red"
    assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "4 tails and clusters" in capsys.readouterr().out


@pytest.mark.slow
def test_an_embedding_in_an_h5ad_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("h5py")
    run("anndata_embedding", tmp_path, monkeypatch, "--quick")
    raw, standardised = (lt.Report.load(tmp_path / name) for name in ("as-it-is", "standardised"))
    assert (raw.n, raw.d) == (standardised.n, standardised.d)
    assert green(raw, "ladder_2") == [False]
    assert green(standardised, "ladder_1", "ladder_2") == [True, True]
    assert standardised.verdict == "red"


@pytest.mark.slow
def test_posteriors_of_a_vae_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("pythae_vae", tmp_path, monkeypatch, "--quick")
    report = lt.Report.load(tmp_path)
    assert report.n == 500
    for key in ("three_way", "rate", "memorisation", "gap", "two_draw"):
        assert report.rows[key].computed, report.rows[key].reason
    budget = report.rows["rate"].details
    assert 1 < budget["R"] < budget["log_n"]  # four dimensions are too few to tell 1100 data apart


@pytest.mark.slow
def test_spatial_latents_scaled_to_unit_variance_are_not_normal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("diffusers_latents", tmp_path, monkeypatch, "--quick")
    report = lt.Report.load(tmp_path)
    assert report.d == 16
    budget = report.rows["rate"].details
    assert budget["R"] > budget["log_n"]
    assert green(report, "ladder_2", "ladder_3", "ladder_4", "energy") == [False] * 4
    assert report.rows["gap"].computed
