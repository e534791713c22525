"""Many trainings: none stops another, what dies is taken up, what is finished stays."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lather.errors import ConfigError, DataError, MissingExtraError
from lather.jobs import Job, Outcome, carry_out
from lather.jobs.attempt import attempt
from lather.jobs.board import Board
from lather.jobs.cores import share
from lather.jobs.pool import Ending
from lather.jobs.train import train_job

pytestmark = pytest.mark.usefixtures("few_draws", "no_pictures")

JOB = Job(
    "ae",
    {"source": "digits", "seed": 0, "limit": 200, "validation": 40, "test": 40},
    (2,),
    net_options={"hidden": (16,)},
    settings={"epochs": 2},
)


class Script:
    """A pool that ends jobs as it is told, by the recipe's name."""

    size, apart = 2, True

    def __init__(self, endings: dict[str, list[Ending]]) -> None:
        self.endings, self.running, self.most, self.started = endings, [], 0, []

    def start(self, number: int, job: Job, folder: Path) -> None:
        self.running.append((number, job))
        self.started.append(job.recipe)
        self.most = max(self.most, len(self.running))

    def wait(self, seconds: float) -> list[tuple[int, Ending]]:
        number, job = self.running.pop(0)
        return [(number, self.endings[job.recipe].pop(0))]

    def stop(self) -> None: ...

    def __enter__(self) -> Script:
        return self

    def __exit__(self, *_: object) -> None: ...


def scripted(monkeypatch: pytest.MonkeyPatch, endings: dict[str, list[Ending]]) -> Script:
    pool = Script(endings)
    monkeypatch.setattr("lather.jobs.engine.open_pool", lambda *_, **__: pool)
    return pool


DEAD = Ending(died="killed by SIGKILL", seconds=1.0)


def test_what_dies_is_tried_again_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    pool = scripted(
        monkeypatch,
        {"a": [DEAD, DEAD, Ending(seconds=3)], "b": [DEAD, DEAD, DEAD], "c": [Ending("it is odd")], "d": [Ending()]},
    )
    told: list[Outcome] = []
    jobs = [replace(JOB, recipe=name) for name in "abcda"]
    found = carry_out(jobs, tmp_path, tell=told.append)
    assert [(o.job.recipe, o.attempts) for o in found] == [("a", 3), ("b", 3), ("c", 1), ("d", 1), ("a", 3)]
    assert [o.error is None for o in found] == [True, False, False, True, True]
    assert found[0].seconds == 5
    assert "3 times" in str(found[1].error)
    assert "SIGKILL" in str(found[1].error)
    assert found[2].error == "it is odd"
    assert found[0].path == tmp_path / jobs[0].name
    assert sorted(o.job.recipe for o in told) == list("abcd")  # each once
    assert pool.most == 2
    text = capsys.readouterr().err
    assert "a, d = 2, seed 0: its process ended (killed by SIGKILL); trying again" in text
    assert "c, d = 2, seed 0  failed: it is odd" in text
    assert "4/4" in text


def test_a_live_table_tells_what_runs(tmp_path: Path) -> None:
    from rich.console import Console

    board = Board([replace(JOB, recipe=name) for name in "abcd"], show=False, live=True)
    board.start(0, tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 3}\n{"epo')
    board.start(1, tmp_path)
    board.end(1, "it is odd", 2.0, before=False)
    console = Console(file=io.StringIO(), width=100)
    console.print(board._table())
    text = console.file.getvalue()
    assert "epoch 3" in text
    assert "it is odd" in text
    assert "1 running, 1 failed, 2 waiting" in text


def test_a_job_is_done_once_and_a_failing_one_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(JOB, seed=1)

    def failing(job: Job, folder: Path, **options: Any) -> Path:
        if job.seed == 1:
            raise DataError("the disk\nis odd")
        return train_job(job, folder, **options)

    with monkeypatch.context() as patch:
        patch.setattr("lather.jobs.attempt.train_job", failing)
        good, bad = carry_out([JOB, other], tmp_path, workers=0, pictures=False)
    assert good.error is None
    assert good.seconds > 0
    assert bad.error == "the disk is odd"
    assert "Traceback" in (bad.path / "error.txt").read_text()
    assert {"report.json", "report.npz", "latents.safetensors", "report.html"} <= {p.name for p in good.path.iterdir()}
    assert not list(good.path.glob("*.png"))
    before = (good.path / "model.safetensors").stat().st_mtime_ns
    again = carry_out([JOB, other], tmp_path, workers=0, pictures=False)
    assert [o.error for o in again] == [None, None]
    assert again[0].seconds == 0
    assert (good.path / "model.safetensors").stat().st_mtime_ns == before
    assert not (bad.path / "error.txt").exists()


def test_an_attempt_that_died_before_its_first_checkpoint_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / ".config.json.17.tmp").write_text("{")
    (folder / "error.txt").write_text("of an attempt that failed before its first step")
    assert attempt(JOB.plain(), str(folder), False)["error"] is None
    assert not (folder / "error.txt").exists()
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").unlink()  # died while it measured
    assert attempt(JOB.plain(), str(folder), False)["error"] is None
    assert json.loads((folder / "report.json").read_text()) == report


def test_validation_data_are_measured_where_something_is_chosen_by_them(tmp_path: Path) -> None:
    job = replace(JOB, split="validation")
    assert job.name != JOB.name
    assert attempt(job.plain(), str(tmp_path / "run"), False)["error"] is None
    assert json.loads((tmp_path / "run" / "report.json").read_text())["context"]["split"] == "validation, 40 samples"


def test_several_devices_are_refused(tmp_path: Path) -> None:
    answer = attempt(replace(JOB, settings={"devices": 2}).plain(), str(tmp_path / "run"), False)
    assert "one process" in answer["error"]


def test_plain_data_come_back_as_the_same_job() -> None:
    job = replace(JOB, options={"hidden": (3, 4)}, latent=(4, 2, 2), label="x")
    assert Job.from_plain(job.plain()) == job
    assert Job.from_plain(job.plain()).name == job.name
    assert replace(job, label="y").name == job.name
    assert replace(job, seed=1).name != job.name


def test_cores_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert share(8, None) == (4, 2)
    assert share(8, 3) == (3, 2)
    assert share(2, 5) == (5, 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert share(8, None) == (4, 1)
    with pytest.raises(ConfigError, match="workers"):
        share(8, -1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"address": "auto"}, "engine='ray'"),
        ({"engine": "ray", "workers": 0}, "this very process"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        carry_out([JOB], tmp_path, **settings)


def test_without_ray_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"lather\[ray\]"):
        carry_out([JOB], tmp_path, engine="ray")
