"""A grid of tiny trainings: resumable, failures shown, files that other programs read."""

from __future__ import annotations

import csv
import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lather as lt
from lather.cli import main
from lather.errors import ConfigError, MissingExtraError

pytestmark = pytest.mark.usefixtures("few_draws", "no_pictures")

TINY: dict[str, Any] = {
    "latent": 2,
    "seeds": 2,
    "epochs": 2,
    "net_options": {"hidden": (16, 16)},
    "workers": 0,
    "pictures": False,
    "progress": False,
}
DATA = {"source": "digits", "limit": 300, "validation": 60, "test": 60}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, few_draws: None, no_pictures: None) -> lt.Comparison:
    """One that works and one that cannot: latents on a sphere do not follow a normal prior."""
    return lt.compare(["ae", "svae"], DATA, prior="normal", out=tmp_path_factory.mktemp("compare"), **TINY)


def test_runs_and_failures_are_all_there(done: lt.Comparison) -> None:
    ae, svae = done.standings
    assert [run.error for run in ae.runs] == [None, None]
    assert all(run.path.parent == done.path and (run.path / "report.html").exists() for run in ae.runs)
    assert ae.estimate("distortion").half > 0
    assert len(done.failed) == 2
    assert all("sphere" in str(run.error) for run in svae.runs)
    assert (svae.runs[0].path / "error.txt").exists()
    assert "failed: svae, d = 2, seed 1" in str(done)


def test_tables_for_other_programs(done: lt.Comparison) -> None:
    with open(done.path / "compare.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["recipe"], row["seed"]) for row in rows] == [("ae", "0"), ("ae", "1"), ("svae", "0"), ("svae", "1")]
    assert float(rows[0]["distortion"]) == done.runs[0].values["distortion"]
    assert "sphere" in rows[2]["error"]
    assert rows[2]["distortion"] == ""
    everything = json.loads((done.path / "compare.json").read_text())
    assert everything == json.loads(json.dumps(done.to_dict()))
    assert everything["means"][0]["distortion"] == pytest.approx(np.mean([float(r["distortion"]) for r in rows[:2]]))
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet is not installed")
    table = parquet.read_table(done.path / "compare.parquet").to_pylist()
    assert [row["seed"] for row in table] == [0, 1, 0, 1]
    assert len(parquet.read_table(done.path / "compare-means.parquet")) == 2


def test_the_page_needs_nothing_else_and_escapes(done: lt.Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (done.path / "compare.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert page.count("data:image/png") == 8  # two scatters, real and generated data, each for light and dark
    assert f'href="{done.runs[0].path.name}/report.html"' in page
    assert html.escape(str(done.failed[0].error)) in page
    from dataclasses import replace

    from lather.comparing.page import render

    wicked = "<script>alert(1)</script>"
    runs = [replace(done.failed[0], error=wicked)]
    contender = replace(done.standings[0].contender, recipe=f"{wicked}ae", own=((wicked, f"${wicked}{{"),))
    standings = [replace(done.standings[1], runs=runs), replace(done.standings[0], contender=contender)]
    text = render(replace(done, data=wicked, standings=standings))
    assert wicked not in text
    assert html.escape(contender.name) in text
    assert html.escape(wicked) in text


def test_what_is_finished_is_not_trained_again(done: lt.Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("lather.jobs.attempt.train_job", refuse)
    monkeypatch.setattr("lather.comparing.run.save", lambda comparison: [])
    again = lt.compare(["ae"], DATA, prior="normal", out=done.path, **TINY)
    assert not again.failed
    assert again.standings[0].to_dict() == {**done.standings[0].to_dict()}


def test_a_weight_is_tuned_on_validation_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna", reason="the extra optuna is not installed")
    setting = {**TINY, "seeds": 1, "tune": "weight", "trials": 2}
    monkeypatch.setattr("lather.comparing.run.save", lambda comparison: [])
    first = lt.compare(["cwae", "ae"], DATA, out=tmp_path, **setting)
    (tuned,) = first.tuned
    assert tuned.default == pytest.approx(5 * 64)
    assert tuned.trials[0][0] == pytest.approx(tuned.default)
    assert tuned.score == min(score for _, score in tuned.trials if score is not None)
    assert dict(first.standings[0].contender.own) == {"weight": tuned.value}
    assert first.standings[0].contender.name == "cwae tuned"
    splits = [json.loads(p.read_text())["context"]["split"] for p in (tmp_path / "tuning").glob("*/report.json")]
    assert splits == ["validation, 60 samples"] * 2
    config = json.loads((first.runs[0].path / "config.json").read_text())
    assert f"{tuned.value:g}"[:4] in config["model"]["algebra"]
    assert any("ae" in note for note in first.notes)
    assert "default 320" in str(first)
    assert lt.compare(["cwae", "ae"], DATA, out=tmp_path, **setting).tuned == first.tuned  # nothing is tried again


def test_scores_put_a_missed_spec_last() -> None:
    from lather.auditing.row import Row
    from lather.comparing.tuning import score

    def report(distortion: float, n: float) -> lt.Report:
        size = lt.DetectionSize(n, n, n, 9000)
        rows = [
            Row("reconstruction_error", "", effect=distortion, headline=False),
            Row("radius", "", effect=1.0, n_star=size, p=0.0001, p_adjusted=0.0001),
        ]
        return lt.Report(9000, 2, "", 0, {row.key: row for row in rows})

    good, near, far = (score(report(x, n), 1000) for x, n in ((0.9, 2000), (0.1, 900), (0.1, 90)))
    assert good == 0.9
    assert None not in (near, far)
    assert good < near < far


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": 0}, "seeds"),
        ({"spec": 1000}, "tune"),
        ({"epoch": 3}, "epoch"),
        ({"data": {"path": "x.npy"}}, "numpy.save"),
        ({"tune": "nothing"}, "none of these recipes"),
        ({"tune": "weight", "hold_z": 2.0}, "hold_z"),
    ],
)
def test_what_cannot_be_compared(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    arguments = {**TINY, "data": DATA, "out": tmp_path, **changes}
    with pytest.raises(ConfigError, match=words):
        lt.compare(["cwae"], **arguments)


def test_without_optuna_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"lather\[optuna\]"):
        lt.compare(["cwae"], DATA, out=tmp_path, tune="weight", **TINY)


def run(*arguments: str) -> int:
    try:
        main(arguments)
    except SystemExit as ending:
        return int(ending.code or 0)
    return 0


def test_the_command_says_what_failed_by_its_status(
    done: lt.Comparison, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    common = [
        "--limit",
        "300",
        "--validation",
        "60",
        "--test",
        "60",
        "--prior",
        "normal",
        "--net",
        "hidden=16",
        "--epochs",
        "2",
    ]
    where = ["--latent", "2", "--seeds", "2", "--workers", "0", "--no-pictures", "--out", str(done.path), "--quiet"]
    assert run("compare", "vae", "svae", *common, *where) == 1
    assert "failed: svae" in capsys.readouterr().out
    assert run("compare", "vae", *common, *where, "--json") == 0
    assert [r["seed"] for r in json.loads(capsys.readouterr().out)["runs"]] == [0, 1]
    assert run("compare", "nope") == 1
    assert "no recipe" in capsys.readouterr().err
