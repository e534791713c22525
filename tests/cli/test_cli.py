"""The command line as a user meets it: results, exit statuses, and errors without tracebacks."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lather.cli import main
from lather.cli.options import ModelOptions, PartOptions, parse_latent, parse_options
from lather.errors import ConfigError
from lather.train.recipes import RECIPES

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)

FAST = ["--epochs", "2", "--net", "hidden=32", "--quiet"]


def run(*arguments: str) -> int:
    """Exit status of the command line."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_level_in_place_of_a_weight(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        run("train", "digits", *FAST, "--recipe", "energy-ae", "--hold-z", "1.5", "--out", "held", "--limit", "300")
        == 0
    )
    report = json.loads((here / "held" / "report.json").read_text())
    (row,) = (row for row in report["rows"] if row["key"] == "held")
    assert row["null"] == 1.5
    printed = " ".join(capsys.readouterr().out.split())
    assert "Held while training: Energy(). Asked: z of 1.5, which is z = 1.5 in batches of" in printed
    # two epochs of ten steps reach nothing, and the report says why
    assert not row["details"]["reached"]
    assert row["verdict"] == "amber"
    assert "The frontier that training saw" in row["meaning"]
    config = json.loads((here / "held" / "config.json").read_text())
    assert config["training"]["ema"] == 0.5
    assert run("train", "digits", *FAST, "--recipe", "vae", "--hold-z", "2") == 1
    assert "no Match(...)" in capsys.readouterr().err
    assert run("train", "digits", *FAST, "--hold-z", "2", "--hold-n", "100") == 1
    assert "give one of them" in capsys.readouterr().err


def test_train_leaves_everything_a_run_should_have(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", *FAST) == 0
    output = capsys.readouterr().out
    folder = here / "runs" / "digits-cwae-8"
    expected = (
        "config.json model.safetensors last.ckpt/state.json metrics.jsonl samples.png reconstructions.png losses.png "
        "latent_map.png radius.png ladder.png latents.safetensors report.json report.npz report.html"
    )
    for name in expected.split():
        assert (folder / name).stat().st_size > 0, name
    for picture in folder.glob("*.png"):
        with Image.open(picture) as image:
            assert min(image.size) > 100
            assert len(set(image.convert("L").tobytes())) > 8, f"{picture} is blank"
    assert "held-out latents" in output
    assert "lather sample" in output
    report = json.loads((folder / "report.json").read_text())
    assert report["headline"] in output
    rows = {row["key"]: row for row in report["rows"]}
    assert {"ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius", "gap", "reconstruction_error", "elbo"} <= set(
        rows
    )
    assert rows["elbo"]["reason"]  # squared error has none
    config = json.loads((folder / "config.json").read_text())
    assert config["recipe"] == {"name": "cwae", "paper": False}
    assert config["data"]["load"]["source"] == "digits"
    # the same again: another directory, the same numbers
    assert run("train", "digits", *FAST) == 0
    again = json.loads((here / "runs" / "digits-cwae-8-2" / "report.json").read_text())
    assert again["rows"] == report["rows"]


def test_json_is_json_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", "--recipe", "vae", "--latent", "2", *FAST, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["run"] == "runs/digits-vae-2"
    rows = {row["key"]: row for row in report["rows"]}
    assert -64 < rows["elbo"]["effect"] < -10  # nats: 64 pixels, better than a coin each


def test_sampling(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", *FAST) == 0
    folder = "runs/digits-cwae-8"
    assert run("sample", folder, "-n", "5") == 0
    assert run("sample", folder, "-n", "5", "--out", "a.npy") == 0
    assert run("sample", folder, "-n", "5", "--out", "b.npz", "--seed", "1") == 0
    assert run("sample", folder, "-n", "5", "--out", "c.npy", "--prior", "mixture") == 0
    a, b, c = np.load("a.npy"), np.load("b.npz")["x"], np.load("c.npy")
    assert a.shape == b.shape == c.shape == (5, 1, 8, 8)
    assert 0 <= a.min() < a.max() <= 16  # in the data's own units
    assert a.max() > 1
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, c)
    with Image.open(Path(folder) / "generated.png") as image:
        assert image.size[0] > 200
    capsys.readouterr()
    assert run("sample", folder, "--out", "x.gif") == 1
    assert ".png, .npy or .npz" in capsys.readouterr().err
    assert run("sample", folder, "-n", "0") == 1
    assert run("sample", "nowhere") == 1
    assert "not a run directory" in capsys.readouterr().err


def test_features_from_a_table(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 3, generator=generator) @ torch.randn(3, 6, generator=generator) * 5 + 100
    lines = [",".join("abcdef"), *(",".join(f"{v:.4f}" for v in row) for row in x.tolist())]
    Path("t.csv").write_text("\n".join(lines))
    assert run("train", "t.csv", "--recipe", "vae", "--latent", "3", "--epochs", "40", "--quiet", "--out", "r") == 0
    assert run("sample", "r", "-n", "300") == 0
    y = np.load("r/generated.npy")
    assert y.shape == (300, 6)
    assert np.abs(y.mean(0) - x.numpy().mean(0)).max() < 5  # back in the table's units
    assert (here / "r" / "samples.png").exists()
    assert not (here / "r" / "reconstructions.png").exists()


#: one of each kind; all of them are trained, on MNIST, in tests/train/test_recipes.py
OF_EACH_KIND = ("rae-sn", "vae", "svae", "vampprior", "two-stage", "cwae", "vae-gan")


@pytest.mark.parametrize("recipe", OF_EACH_KIND)
def test_recipes_train_from_the_command_line(here: Path, recipe: str) -> None:
    assert run("train", "digits", "--recipe", recipe, "--latent", "4", *FAST, "--limit", "400", "--out", "r") == 0


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_every_recipe_with_the_values_of_its_paper(recipe: str) -> None:
    defaults = repr(RECIPES[recipe].design(784).objective)
    if RECIPES[recipe].paper == "none":
        with pytest.raises(ConfigError, match="no weights from a paper"):
            RECIPES[recipe].design(784, paper=True)
    else:
        papers = repr(RECIPES[recipe].design(784, paper=True).objective)
        assert (papers != defaults) == (RECIPES[recipe].paper == "other")
    for name, default in RECIPES[recipe].options.items():
        if default is None and name in ("weight", "decoder"):
            heavier = RECIPES[recipe].design(784, **{name: 12345.0})
            assert repr(heavier.objective) != repr(RECIPES[recipe].design(784).objective), name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "nosuch"), "nosuch"),
        (("train", "digits", "--recipe", "vea"), "there are: ae, noise-ae"),
        (("train", "digits", "--latent", "2x2"), "HEIGHTxWIDTHxCHANNELS"),
        (("train", "digits", "--set", "weight=-2"), "negative"),
        (("train", "digits", "--set", "wieght=2"), "no option wieght; "),
        (("train", "digits", "--set", "weight"), "NAME=VALUE"),
        (("train", "digits", "--recipe", "infovae", "--set", "weight=0.5"), "reward a mismatch"),
        (("train", "digits", "--prior", "gauss"), "there are: normal"),
        (("train", "digits", "--likelihood", "poisson"), "there are: squared-error"),
        (("train", "digits", "--recipe", "vae", "--prior", "sphere"), "StandardNormal"),
        (("train", "digits", "--batch-size", "1"), "at least 2"),
        (("train", "digits", "--net", "depth=3"), "depth"),
        (("train", "--resume", "nowhere"), "not a run directory"),
        (("train", "mnist", "--resume", "nowhere"), "takes everything from the run itself"),
    ],
)
def test_mistakes_end_with_status_1_and_one_message(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    assert run(*arguments) == 1
    captured = capsys.readouterr()
    assert words in captured.err.replace("\n", " ")
    assert "Traceback" not in captured.err
    assert not (here / "runs").exists()


def test_debug_shows_the_traceback(here: Path) -> None:
    with pytest.raises(ConfigError):
        main(["train", "digits", "--recipe", "vea", "--debug"])


@pytest.mark.parametrize("arguments", [("train", "--epochs", "x"), ("train", "--nosuch"), ("trian",)])
def test_wrong_usage_is_status_2(here: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments) == 2


def test_resume_takes_everything_from_the_run(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("train", "digits", *FAST, "--latent", "3", "--out", "r", "--seed", "5") == 0
    assert run("train", "--resume", "r", "--lr", "0.5") == 1
    assert "only --epochs may change" in capsys.readouterr().err
    assert run("train", "--resume", "r", "--epochs", "4", "--quiet") == 0
    config = json.loads(Path("r/config.json").read_text())
    assert config["training"]["epochs"] == 4
    assert config["training"]["seed"] == 5
    assert config["recipe"]["name"] == "cwae"
    assert config["data"]["load"]["source"] == "digits"


def test_audits_while_training_go_on_after_resuming(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lather.train.metrics import read_metrics

    options = ("--latent", "3", "--out", "r", "--epochs", "2", "--batch-size", "512", "--checkpoint-seconds", "0")
    assert run("train", "digits", *options, "--audit-every", "2") == 0
    assert "epoch 2/2  audit n_star" in capsys.readouterr().err
    assert run("train", "--resume", "r", "--epochs", "4", "--quiet") == 0
    found = [row["epoch"] for row in read_metrics(Path("r/metrics.jsonl")) if row["split"] == "audit"]
    assert found == [2, 4]
    assert run("train", "--resume", "r", "--audit-every", "1") == 1
    assert "takes everything from the run itself" in capsys.readouterr().err
    assert run("train", "digits", "--audit-every", "0", "--out", "s") == 1
    assert "AuditEvery needs epochs of at least 1" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["recipes", "priors", "divergences", "doctor"])
def test_listings(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 0
    text = capsys.readouterr().out
    assert run(command, "--json") == 0
    data = json.loads(capsys.readouterr().out)
    names = [row["name"] for row in (data["data"] if command == "doctor" else data)]
    assert len(names) >= 4
    for name in names:
        assert name in text


def test_help_names_every_command_and_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    text = capsys.readouterr().out
    for command in ("train", "sample", "compare", "recipes", "priors", "divergences", "doctor"):
        assert command in text
    assert run("train", "--help") == 0
    text = capsys.readouterr().out
    for field in (*ModelOptions.__dataclass_fields__, *PartOptions.__dataclass_fields__):
        assert "--" + field.replace("_", "-") in text


def test_parsing() -> None:
    assert parse_latent("16") == (16,)
    assert parse_latent("8X6x4") == (4, 8, 6)
    assert parse_options(["a-b=1e-3", "c=true", "d=none"], "--set") == {"a_b": 1e-3, "c": True, "d": None}


def test_divergences_show_what_prior_samples_score(capsys, monkeypatch):
    from lather.divergences import registry

    few = {name: registry.DIVERGENCES[name] for name in ("radius-cdf", "mardia", "sphere-uniformity")}
    monkeypatch.setattr("lather.divergences.DIVERGENCES", few)
    run("divergences", "--null", "8", "--latent", "3", "--json")
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["radius-cdf"]["mean"] == (1 - 1 / 16) / 48
    assert rows["radius-cdf"]["exact"] == ["mean", "std"]
    assert rows["sphere-uniformity"]["prior"] == "sphere"
    assert all(row["quantile95"] > row["mean"] for row in rows.values())
    run("divergences", "--null", "3", "--latent", "3")
    shown = capsys.readouterr().out
    assert "What 3 true prior samples score in d = 3" in shown
    assert "–" in next(line for line in shown.splitlines() if "mardia" in line)  # it needs n > d
