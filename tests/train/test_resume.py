"""Interrupted runs end where uninterrupted ones do, bit for bit, however they were stopped."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from small import digits, identical, rows, tiny

from lather.divergences import Energy
from lather.errors import RunError
from lather.models import Autoencoder, Match, Reconstruction
from lather.train import fit, open_run
from lather.train.checkpoint import load_checkpoint, load_tensors, save_checkpoint
from lather.train.loop import Epoch

SETTINGS = {"epochs": 4, "batch_size": 64, "progress": False, "ema": 0.9, "log_every": 7, "checkpoint_seconds": 0}
SCRIPT = """
import logging, sys
from pathlib import Path
logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
sys.path.insert(0, sys.argv[2])
from small import digits, tiny
from lather.train import fit
out = Path(sys.argv[1])
settings = {"epochs": 4, "batch_size": 64, "progress": False, "ema": 0.9, "log_every": 7, "checkpoint_seconds": 0}
resume = (out / "last.ckpt" / "state.json").exists()
print("go", flush=True)
fit(tiny(dropout=0.1), digits(), out=out, resume=resume, **settings)
"""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "run"
    fit(tiny(dropout=0.1), digits(), out=path, **SETTINGS)
    return path


def same_run(a: Path, b: Path) -> None:
    one, two = (load_checkpoint(path / "last.ckpt") for path in (a, b))
    assert identical(one[0], two[0])  # weights, moments, average, generator
    for split in ("train", "validation"):
        assert rows(a, split)[-1] == rows(b, split)[-1]
    assert rows(a, "validation") == rows(b, "validation")


class StopAt(Exception):
    pass


def test_resumed_after_any_epoch(tmp_path: Path, uninterrupted: Path) -> None:
    def stop(epoch: Epoch) -> None:
        raise StopAt

    for _ in range(3):
        with pytest.raises(StopAt):
            fit(
                tiny(dropout=0.1),
                digits(),
                out=tmp_path,
                resume=(tmp_path / "config.json").exists(),
                callbacks=[stop],
                **SETTINGS,
            )
    fit(tiny(dropout=0.1), digits(), out=tmp_path, resume=True, **SETTINGS)
    same_run(tmp_path, uninterrupted)
    final = (tmp_path / "model.safetensors").read_bytes()
    assert final == (uninterrupted / "model.safetensors").read_bytes()


def test_a_held_divergence_is_taken_up_again(tmp_path: Path) -> None:
    """The multiplier and all that it remembers, stopped in the middle of one of its blocks."""

    def held() -> Autoencoder:
        return tiny(Reconstruction() + Match(Energy()).to_noise_floor())

    def stop(epoch: Epoch) -> None:
        assert epoch.t % 16, "a step in the middle of a block"
        raise StopAt

    settings = {**SETTINGS, "ema": None, "batch_size": 16}
    fit(held(), digits(), out=tmp_path / "whole", **settings)
    for _ in range(2):
        resume = (tmp_path / "parts").exists()
        with pytest.raises(StopAt):
            fit(held(), digits(), out=tmp_path / "parts", resume=resume, callbacks=[stop], **settings)
    fit(held(), digits(), out=tmp_path / "parts", resume=True, **settings)
    same_run(tmp_path / "whole", tmp_path / "parts")
    names = ("step", "match_weight", "match_z")
    assert rows(tmp_path / "whole", "train", names) == rows(tmp_path / "parts", "train", names)
    assert rows(tmp_path / "parts", "train", names)[-1][1] != 6.4  # it has moved


def start(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    return process


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline, "no checkpoint within four minutes"
        time.sleep(0.002)


def resumed_in_this_process(path: Path) -> None:
    torch.set_num_threads(1)
    fit(tiny(dropout=0.1), digits(), out=path, resume=True, **SETTINGS)


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_of_that_very_step(tmp_path: Path, uninterrupted: Path) -> None:
    path = tmp_path / "run"
    process = start(path)
    wait_for(path / "last.ckpt" / "state.json", process)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=240)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in errors
    _, state = load_checkpoint(path / "last.ckpt")
    assert 0 < state["t"] < 88
    with pytest.raises(RunError, match="not finished; go on with: lather train --resume"):
        open_run(path)
    resumed_in_this_process(path)
    same_run(path, uninterrupted)


#: forks a child that trains, for each line it reads: 25 trainings for one start of Python
NURSERY = (
    SCRIPT.split("print(")[0]
    + """
import os
import torch
import lather.data, lather.train.loop, lightning_fabric  # once for all children
torch.set_num_threads(1)
data = digits()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        resume = (out / "last.ckpt" / "state.json").exists()
        fit(tiny(dropout=0.1), data, out=out, resume=resume, **settings)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
)


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path: Path, uninterrupted: Path) -> None:
    """25 times, at any moment from before the first write on: no unreadable checkpoint ever, and the same weights."""
    path, chance = tmp_path / "run", random.Random(8)
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(path), str(Path(__file__).parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    positions: list[int] = []
    killed, longest = -1, 0.0
    while killed < 25:
        print("go", file=nursery.stdin, flush=True)
        child, started = int(nursery.stdout.readline()), time.monotonic()
        if killed >= 0:
            time.sleep(chance.uniform(0.0, longest))
            with contextlib.suppress(ProcessLookupError):  # it was through before
                os.kill(child, signal.SIGKILL)
        status = int(nursery.stdout.readline())
        if killed < 0:  # the first shows how long a training takes here and now
            longest, killed = 0.6 * (time.monotonic() - started), 0
        assert status in (0, signal.SIGKILL), "a resumed training failed; its error is above"
        killed += status == signal.SIGKILL
        if (path / "last.ckpt" / "state.json").exists():
            positions.append(load_checkpoint(path / "last.ckpt")[1]["t"])  # readable, whenever it was killed
        if (path / "model.safetensors").exists():  # it was through, or nearly: start anew
            load_tensors(path / "model.safetensors")
            shutil.rmtree(path)
    nursery.stdin.close()
    assert nursery.wait(timeout=60) == 0
    nursery.stdout.close()
    assert len(set(positions)) > 2, positions
    if (path / "config.json").exists():
        fit(tiny(dropout=0.1), digits(), out=path, resume=True, **SETTINGS)
    else:
        fit(tiny(dropout=0.1), digits(), out=path, **SETTINGS)
    same_run(path, uninterrupted)
    assert not list(path.rglob(".*.tmp"))


def test_a_damaged_checkpoint_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "last.ckpt"
    save_checkpoint(folder, {"a": torch.arange(1000.0)}, {"t": 3}, t=3)
    tensors, state = load_checkpoint(folder)
    assert torch.equal(tensors["a"], torch.arange(1000.0))
    assert state == {"t": 3}
    path = next(folder.glob("state-*.safetensors"))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-5] ^= 1
    for damaged, words in [(bytes(flipped), "checksum"), (whole[:-100], "checksum"), (b"", "checksum")]:
        path.write_bytes(damaged)
        with pytest.raises(RunError, match=words):
            load_checkpoint(folder)
    path.unlink()
    with pytest.raises(RunError, match="does not exist"):
        load_checkpoint(folder)
    (folder / "state.json").write_text('{"schema": 1, "file": "../../etc/passwd", "sha256": "", "state": {}}')
    with pytest.raises(RunError, match="outside its folder"):
        load_checkpoint(folder)
    (folder / "state.json").write_text('{"schema": 99, "file": "", "sha256": "", "state": {}}')
    with pytest.raises(RunError, match="format 99"):
        load_checkpoint(folder)
    (folder / "state.json").write_text("{")
    with pytest.raises(RunError, match="cannot be read as JSON"):
        load_checkpoint(folder)


def test_only_one_checkpoint_is_kept(tmp_path: Path) -> None:
    for t in (1, 2, 3):
        save_checkpoint(tmp_path, {"a": torch.full((3,), float(t))}, {"t": t}, t=t)
    assert len(list(tmp_path.glob("state-*"))) == 1
    assert load_checkpoint(tmp_path)[1] == {"t": 3}


def test_a_failed_write_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_checkpoint(tmp_path, {"a": torch.zeros(3)}, {"t": 1}, t=1)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(RunError, match="No space"):
        save_checkpoint(tmp_path, {"a": torch.ones(3)}, {"t": 2}, t=2)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)[1] == {"t": 1}
    assert not list(tmp_path.glob(".*tmp"))
