"""``lather audit`` as a user meets it: cards, exit statuses, files, comparisons."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lather.auditing import Report, Row
from lather.auditing.acceptance import accept
from lather.cli import main
from lather.cli.audit import _names
from lather.divergences.detection import DetectionSize
from lather.errors import ConfigError

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(200, 2)).astype(np.float32)
WIDE = (2 * GOOD).astype(np.float32)


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(["audit", *(str(argument) for argument in arguments)])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("good.npy", GOOD)
    np.save("wide.npy", WIDE)
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the audit is called with, instead of an audit."""
    seen: dict[str, object] = {}

    def audited(z: object, **rest: object) -> Report:
        seen.clear()
        seen.update(z=z, **rest)
        return Report(200, 2, "StandardNormal(2)", 0, {"radius": Row("radius", "distance", reason="not measured")})

    monkeypatch.setattr("lather.pipeline.audit.audit", audited)
    return seen


def test_a_card_a_page_and_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("wide.npy", "--out", "report") == 0
    card = capsys.readouterr().out
    saved = json.loads((here / "report" / "report.json").read_text())
    assert saved["headline"] in card
    assert "report: report/report.html" in card
    assert {path.name for path in (here / "report").iterdir()} == {"report.json", "report.npz", "report.html"}
    assert run("wide.npy", "--out", "deep/page.html", "--json", "--spec", "100") == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("spec")["met"] is False
    assert printed == saved  # the same input and seed
    assert [path.name for path in (here / "deep").iterdir()] == ["page.html"]
    # a saved report is shown again, and a spec is held against it, without measuring
    assert run("report") == 0
    assert saved["headline"] in capsys.readouterr().out
    assert run("report/report.json", "--quiet", "--spec", "2") == 0
    assert capsys.readouterr().out.startswith("Met: it takes about")
    assert run("report", "--prior", "cube", "--seed", "3") == 1
    assert "--prior, --seed: report/report.json is a finished report" in capsys.readouterr().err


def test_exit_statuses_follow_the_spec(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("wide.npy", "--spec", "10000", "--quiet") == 1
    assert capsys.readouterr().out.startswith("Not met: it takes about")
    for more, status in (((), 0), (("--strict",), 1)):  # 200 latents cannot settle it
        assert run("good.npy", "--spec", "10000", "--quiet", *more) == status
        out = capsys.readouterr().out
        assert out.startswith("Met as far as 200 latents can show")
        assert "audit at least 10000 latents" in out
    assert run("good.npy", "--strict") == 1
    assert "--strict is about --spec" in capsys.readouterr().err
    assert run("good.npy", "--spec", "0", "--quiet") == 1
    assert "2 or more" in capsys.readouterr().err
    assert run("good.npy", "--address", "auto") == 1
    assert "it takes engine='ray' (--engine ray)" in " ".join(capsys.readouterr().err.split())
    assert run("none.npy") == 1
    assert "none.npy does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("size", "n", "met", "settled"),
    [
        (DetectionSize(12_000, 9_000, 15_000, 500), 500, True, True),
        (DetectionSize(10_000, 9_000, 15_000, 500), 500, True, True),
        (DetectionSize(9_999, 9_000, 15_000, 20_000), 20_000, False, True),
        (DetectionSize(float("inf"), 500, float("inf"), 500), 500, True, False),
        (DetectionSize(float("inf"), 10_000, float("inf"), 10_000), 10_000, True, True),
    ],
)
def test_the_rule_of_the_spec(size: DetectionSize, n: int, met: bool, settled: bool) -> None:
    p = 0.5 if not size.detected else 0.001
    row = Row("radius", "distance", n_star=size, p_adjusted=p, verdict="green")
    answer = accept(Report(n, 2, "StandardNormal(2)", 0, {"radius": row}), 10_000)
    assert (answer.met, answer.settled) == (met, settled)
    assert answer.sentence.startswith("Met" if met else "Not met")


def test_a_spec_needs_a_test() -> None:
    with pytest.raises(ConfigError, match="no test against the prior"):
        accept(Report(100, 2, "StandardNormal(2)", 0, {"r": Row("r", "r", reason="too few")}), 1000)


def test_every_flag_reaches_the_audit(here: Path, asked: dict[str, object]) -> None:
    flags = "--mean mu --std s --held-out 0.25 --labels y --prior cube --decoder d.onnx --data x.npy --seed 4 --quiet"
    assert run("good.npy", *flags.split()) == 0
    expected = {"mean": "mu", "std": "s", "held_out": 0.25, "labels": "y", "prior": "cube", "data": "x.npy", "seed": 4}
    assert {**asked, "decoder": str(asked["decoder"])} == {**expected, "z": Path("good.npy"), "decoder": "d.onnx"}
    assert run("good.npy", "--logvar", "lv", "--held-out", "test.npy", "--key", "e", "--columns", "a,b", "--quiet") == 0
    expected = {"logvar": "lv", "held_out": "test.npy", "key": "e", "columns": ["a", "b"], "seed": 0}
    assert asked == {**expected, "z": Path("good.npy")}


def test_posteriors_and_held_out_latents_from_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    std = np.full_like(GOOD, 0.5)
    np.savez("train.npz", mean=0.8 * GOOD, std=std)
    np.savez("test.npz", mean=0.8 * RNG.normal(size=(80, 2)), logvar=2 * np.log(std[:80]))
    assert run("train.npz", "--held-out", "test.npz", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n"] == 80
    rows = {row["key"]: row for row in report["rows"]}
    assert rows["rate"]["reason"] is None
    assert rows["three_way"]["reason"] is None
    assert report["context"]["split"] == "80 latents, against 200 of training data"


@pytest.fixture
def reports(here: Path) -> Callable[[str, float], None]:
    def write(name: str, effect: float) -> None:
        size = DetectionSize(900 / effect, 500 / effect, 1500 / effect, 200)
        row = Row("radius", "distance from the origin", effect=effect, n_star=size, p_adjusted=0.01, verdict="amber")
        missing = Row("gap", "sampling gap", reason="no decoder was given")
        Report(200, 2, "StandardNormal(2)", 0, {"radius": row, "gap": missing}).save(here / name)

    return write


def test_two_reports_side_by_side(
    here: Path, reports: Callable[[str, float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    reports("a", 1.0)
    reports("runs/b", 2.0)
    assert run("a", "runs/b/report.json") == 0
    text = capsys.readouterr().out
    assert "a: [amber]" in text
    assert "b: [amber]" in text
    rows = [line for line in text.splitlines() if "900" in line and "450" in line]
    assert any(row.index("900") < row.index("450") for row in rows)
    assert run("a", "runs/b", "--json") == 0
    both = json.loads(capsys.readouterr().out)["reports"]
    assert [each["name"] for each in both] == ["a", "b"]
    assert both[1]["rows"][0]["effect"] == 2.0
    assert run("a", "runs/b", "--spec", "100") == 1
    assert "--spec is for one audit" in capsys.readouterr().err
    assert run("a", "runs/b", "--key", "z") == 1
    assert "finished report" in capsys.readouterr().err


def test_the_comparison_as_a_page(
    here: Path, reports: Callable[[str, float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    reports("a", 1.0)
    reports("b", 2.0)
    assert run("a", "b", "--out", "diff.html", "--quiet") == 0
    assert capsys.readouterr().out == ""
    page = (here / "diff.html").read_text()
    assert "distance from the origin" in page
    assert run("a", "b", "--out", "folder") == 0
    assert (here / "folder" / "comparison.html").read_text() == page
    assert "comparison: folder/comparison.html" in capsys.readouterr().out


def test_names_of_what_is_compared() -> None:
    assert _names(Path("x/report.json"), Path("y")) == ["x", "y"]
    assert _names(Path("r/a/z.npy"), Path("r/b/z.npy")) == ["a/z.npy", "b/z.npy"]
    assert len(set(_names(Path("a"), Path("a")))) == 2
