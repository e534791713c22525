"""``lather repair`` and what ``lather sample`` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lather.cli import main

FAST = ["--epochs", "15", "--net", "hidden=32", "--quiet"]


def run(*arguments: str) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_repaired_and_drawn_from(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", *FAST, "--recipe", "ae", "--latent", "3", "--out", "r") == 0
    assert run("sample", "r", "-n", "5", "--prior", "repaired") == 1
    assert "run: lather repair r" in capsys.readouterr().err
    assert run("sample", "r", "-n", "5", "--out", "before.npy") == 0
    assert run("repair", "r", "--candidates", "gaussian,mixture", "--no-audit", "--quiet", "--draws", "7") == 0
    text = capsys.readouterr().out
    assert "Draw from the" in text
    assert "lather sample r --prior repaired" in text
    assert np.load("r/repair/draws.npy").shape == (7, 3)
    assert run("sample", "r", "-n", "5", "--out", "after.npy", "--prior", "repaired") == 0
    assert "the repaired prior" in capsys.readouterr().out
    assert run("sample", "r", "-n", "5", "--out", "default.npy") == 0
    before, after, default = (np.load(f"{name}.npy") for name in ("before", "after", "default"))
    assert not np.array_equal(before, after)
    assert np.array_equal(after, default)  # the repaired prior is what is drawn from, once there is one
    assert run("sample", "r", "-n", "5", "--out", "model.npy", "--prior", "model") == 0
    assert np.array_equal(before, np.load("model.npy"))


def test_a_file_of_latents_is_repaired(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    g = torch.Generator().manual_seed(0)
    tilt = torch.tensor([[2.0, 1.5], [0.0, 0.3]])
    for name in ("train", "new"):
        np.save(f"{name}.npy", (torch.randn(400, 2, generator=g) @ tilt).numpy())
    asked = ("repair", "train.npy", "--held-out", "new.npy", "--candidates", "gaussian", "--no-audit", "--quiet")
    assert run(*asked, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["winner"] == "gaussian"
    assert data["improved"]
    assert data["folder"] == "train-repaired"
    assert data["latents"]["fitted_to"] == 400
    assert data["latents"]["choosing"] + data["latents"]["scoring"] == 400
    assert (here / "train-repaired" / "repaired.safetensors").is_file()
    assert (here / "train-repaired" / "repair" / "before-after.png").stat().st_size > 1000
    assert run("repair", "train.npy", "--held-out", "2", "--quiet") == 1
    assert "share lies between 0 and 1" in capsys.readouterr().err
    assert run("repair", "nowhere.npy") == 1
    assert run("repair", "train.npy", "--candidates", "gan") == 1
    assert "flow-matching" in capsys.readouterr().err
