"""Real processes and a real Ray cluster, killed in the middle of a training: the result is the same to the last bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from lather.jobs import Job, carry_out
from lather.jobs.attempt import attempt
from lather.jobs.cores import cores, share

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc, which Linux has"),
]

JOB = Job(
    "cwae",
    {"source": "digits", "seed": 0, "limit": 300},
    (2,),
    net_options={"hidden": (16,)},
    settings={"epochs": 60, "checkpoint_seconds": 0.0},
)
WRONG = Job("ae", {"source": "nowhere.npy"})


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The job, carried out in this process."""
    folder = tmp_path_factory.mktemp("undisturbed") / JOB.name
    assert attempt(JOB.plain(), str(folder), False, share(cores(), None)[1])["error"] is None
    return folder


def same(one: Path, other: Path) -> bool:
    """Weights to the last bit, and every row of the report."""
    a, b = (load_file(folder / "model.safetensors") for folder in (one, other))
    rows = [json.loads((folder / "report.json").read_text())["rows"] for folder in (one, other)]
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a) and rows[0] == rows[1]


def descendants() -> Iterator[tuple[int, str]]:
    """Process id and command line of everything that this process has started, directly or not."""
    parents, commands = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                commands[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except (OSError, IndexError):
                continue
    for number in parents:
        above = number
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and number != above:
            yield number, commands.get(number, "")


def in_training(folder: Path, sign: str) -> list[int]:
    """Processes of ours that train in ``folder``, as soon as there is a checkpoint."""
    until, found = time.monotonic() + 300, []
    while not (folder / "last.ckpt" / "state.json").exists() and time.monotonic() < until:
        if not found or not Path(f"/proc/{found[0]}").exists():
            found = [number for number, command in descendants() if sign in command]
        time.sleep(0.01)
    return found


def kill_in_training(folder: Path, sign: str) -> Callable[[], list[int]]:
    """Kill once whatever of ours trains in ``folder`` when it has written a checkpoint; returns a way to ask what."""
    killed: list[int] = []

    def watch() -> None:
        for number in in_training(folder, sign):
            os.kill(number, signal.SIGKILL)
            killed.append(number)

    thread = threading.Thread(target=watch)
    thread.start()

    def ask() -> list[int]:
        thread.join()
        return killed

    return ask


@pytest.mark.parametrize(("engine", "sign"), [("local", "lather.jobs.worker import main"), ("ray", "ray::attempt")])
def test_a_killed_worker_costs_nothing_but_time(engine: Any, sign: str, tmp_path: Path, undisturbed: Path) -> None:
    if engine == "ray":
        pytest.importorskip("ray", reason="the extra ray is not installed")
    asked = kill_in_training(tmp_path / JOB.name, sign)
    told: list[str] = []
    outcomes = carry_out(
        [JOB, WRONG],
        tmp_path,
        engine=engine,
        workers=1,
        progress=False,
        pictures=False,
        tell=lambda o: told.append(o.job.recipe),
    )
    assert len(asked()) == 1
    assert outcomes[0].error is None
    assert outcomes[0].attempts == 2
    assert "nowhere.npy" in str(outcomes[1].error)
    assert sorted(told) == ["ae", "cwae"]
    assert same(outcomes[0].path, undisturbed)
    assert not [command for _, command in descendants() if sign in command]  # nothing is left running


SCRIPT = """
import json, signal, sys
from pathlib import Path
from lather.jobs import Job, carry_out
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with & is deaf to it
carry_out([Job.from_plain(json.loads(sys.argv[1]))], Path(sys.argv[2]), pictures=False)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.exhaustive)])
def test_a_stopped_call_leaves_runs_that_go_on(number: signal.Signals, tmp_path: Path, undisturbed: Path) -> None:
    """Ctrl-C, and the death of the calling process, whose workers then stop by themselves."""
    call = [sys.executable, "-c", SCRIPT, json.dumps(JOB.plain()), str(tmp_path)]
    process = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
    folder = tmp_path / JOB.name
    workers = in_training(folder, "lather.jobs.worker import main")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0
    if number == signal.SIGINT:
        assert "the same command goes on" in said
    until = time.monotonic() + 60
    while any(Path(f"/proc/{n}").exists() for n in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert workers
    assert not any(Path(f"/proc/{n}").exists() for n in workers)
    assert not (folder / "model.safetensors").exists()
    assert attempt(JOB.plain(), str(folder), False, share(cores(), None)[1])["error"] is None
    assert same(folder, undisturbed)


@pytest.mark.exhaustive
def test_a_study_on_ray_loses_a_worker_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``lather study --engine ray``, whose only training is killed, against the same study here and undisturbed."""
    pytest.importorskip("ray", reason="the extra ray is not installed")
    from lather.cli import main
    from lather.studies.dimension import Sizes

    small = Sizes(flat=(2,), steps=1500, hidden=64, candidates=("gaussian",), ideal=(9,), bubbles=400)
    monkeypatch.setattr("lather.studies.dimension.QUICK", small)
    folders = {engine: tmp_path / engine for engine in ("local", "ray")}
    call = ["study", "dimension", "--data", "digits", "--quick", "--workers", "1", "--quiet"]
    asked, name = None, ""
    for engine, out in folders.items():
        if engine == "ray":
            (name,) = (path.name for path in (folders["local"] / "runs").iterdir() if path.is_dir())
            asked = kill_in_training(out / "runs" / name, "ray::attempt")
        with pytest.raises(SystemExit) as ended:
            main([*call, "--out", str(out), "--engine", engine])
        assert ended.value.code == 0
    assert asked is not None
    assert len(asked()) == 1
    assert same(*(out / "runs" / name for out in folders.values()))
    local, ray = (json.loads((out / "study.json").read_text(encoding="utf-8")) for out in folders.values())
    assert local["failures"] == ray["failures"] == []
    assert local["tables"] == ray["tables"]
    assert local["claims"] == ray["claims"]
