"""Real faults of the machine: a full disk, a quota, a directory that cannot be written to. Nothing earlier is lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from small import digits, identical, tiny

from lather.cli import main
from lather.errors import LatherError, RunError
from lather.train import fit
from lather.train.checkpoint import load_checkpoint, save_tensors

SETTINGS = {"epochs": 3, "batch_size": 64, "progress": False, "checkpoint_seconds": 0}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 72 KiB: the first checkpoint (20 KiB) fits, one with moments (60 KiB) beside it does not."""
    folder = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=72k", "none", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_keeps_the_last_checkpoint_and_training_goes_on_once_there_is_room(
    small_disk: Path, tmp_path: Path
) -> None:
    run = small_disk / "run"
    with pytest.raises(RunError, match=r"cannot write .*No space left on device.*go on with"):
        fit(tiny(), digits(), out=run, **SETTINGS)
    assert load_checkpoint(run / "last.ckpt")[1]["t"] == 0  # the first one, whole
    assert not list(run.rglob(".*.tmp"))
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    fit(tiny(), digits(), out=run, resume=True, **SETTINGS)
    fit(tiny(), digits(), out=tmp_path / "elsewhere", **SETTINGS)
    both = [load_checkpoint(path / "last.ckpt")[0] for path in (run, tmp_path / "elsewhere")]
    assert identical(*both)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_quota_is_named_and_the_file_of_before_stays(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "model.safetensors"
    save_tensors(path, {"a": torch.zeros(1000)})
    before = path.read_bytes()
    with largest_file(64 * 1024), pytest.raises(RunError, match=r"cannot write .*model.safetensors: .*too large"):
        save_tensors(path, {"a": torch.zeros(100_000)})
    assert path.read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who may read everything here and write nothing; the superuser may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_directory_that_cannot_be_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o555)
        data = digits()
        with without_rights(), pytest.raises(LatherError, match=r"cannot write to .*Permission denied"):
            fit(tiny(), data, out=folder / "run", **SETTINGS)
        with without_rights(), pytest.raises(SystemExit) as status:
            main(["train", "digits", "--epochs", "1", "--quiet", "--out", str(folder / "run")])
        assert status.value.code == 1
        assert "Permission denied" in capsys.readouterr().err
        folder.chmod(0o700)
        assert list(folder.iterdir()) == []
