"""``lather doctor --check`` finds what is damaged, says the way out, and the way out works."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lather.cli import main
from lather.data import load
from lather.errors import RunError
from lather.pipeline import measure
from lather.pipeline.check import check_run
from lather.train import fit, open_run
from lather.train.assemble import assemble
from lather.train.checkpoint import load_tensors


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, out = load("digits"), tmp_path_factory.mktemp("check") / "run"
    notes = {"data": {"load": {"source": "digits"}}}
    measure(fit(assemble("cwae", data, 4), data, out=out, epochs=2, progress=False, notes=notes), data)
    return out


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def flip(path: Path, where: float = 0.9) -> None:
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 1
    path.write_bytes(bytes(content))


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return int(stopped.value.code or 0)


def bad(run: Path) -> list[str]:
    return [part.name for part in check_run(run) if part.state == "bad"]


def test_a_whole_run_is_sound(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bad(run) == []
    assert status("doctor", "--check", str(run)) == 0
    assert "is sound" in capsys.readouterr().out


def test_one_flipped_bit_is_found_in_every_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = next((run / "last.ckpt").glob("state-*.safetensors"))
    damaged = [run / "model.safetensors", checkpoint, run / "latents.safetensors", run / "report.npz"]
    for path in damaged:
        flip(path, 0.5)
    names = ["model.safetensors", "last.ckpt", "latents.safetensors", "report.json"]
    assert bad(run) == names
    assert status("doctor", "--check", str(run), "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["sound"]
    with pytest.raises(RunError, match="checksum"):
        open_run(run)


def test_the_ways_out_work(run: Path, whole: Path) -> None:
    flip(run / "model.safetensors")
    (run / "report.json").write_text("{")
    (run / ".model.safetensors.1.tmp").write_text("half of it")
    by_name = {part.name: part for part in check_run(run)}
    assert "delete it and run lather train --resume" in by_name["model.safetensors"].words
    assert "lather audit" in by_name["report.json"].words
    assert "killed" in by_name["leftovers"].words
    (run / "model.safetensors").unlink()
    assert {part.name: part.state for part in check_run(run)}["model.safetensors"] == "missing"
    assert status("train", "--resume", str(run), "--quiet") == 0  # which measures, too
    assert [part.name for part in check_run(run) if part.state != "ok" or part.name == "leftovers"] == []
    again, before = (load_tensors(path / "model.safetensors") for path in (run, whole))
    assert all(bool((again[name] == before[name]).all()) for name in before)


def test_what_is_missing_is_no_damage_unless_nothing_works_without(run: Path, tmp_path: Path) -> None:
    for name in ("metrics.jsonl", "report.json", "latents.safetensors"):
        (run / name).unlink()
    shutil.rmtree(run / "last.ckpt")
    assert bad(run) == []
    (run / "config.json").unlink()
    assert bad(run) == ["config.json", "model.safetensors"]
    with pytest.raises(RunError, match="not a directory"):
        check_run(tmp_path / "nowhere")
    (run / "config.json").write_text('{"schema": 99, "lather": "9.0", "data": {}, "model": {}, "training": {}}')
    words = check_run(run)[0].words
    assert "format 99" in words
    assert "Lather 9.0" in words
