"""An audit in parts is the audit of the whole: over any division, any number of processes, any file format."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import lather as lt
from lather.auditing.accumulator import Audit
from lather.data.latent_blocks import pieces_of, read_piece
from lather.errors import ConfigError, DataError, RunError, ShapeError
from lather.jobs.engines import check_engine
from lather.priors import StandardNormal, UniformCube
from lather.streaming.spread import spread

N, D = 3000, 3


def latents(n: int = N, seed: int = 0) -> torch.Tensor:
    return 1.1 * torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gathered(z: torch.Tensor, cuts: list[int], order: list[int], keep: int = 500) -> Audit:
    ends = [0, *sorted(cuts), len(z)]
    parts = []
    for first, last in itertools.pairwise(ends):
        parts.append(Audit(StandardNormal(D), keep=keep))
        parts[-1].update(z[first:last], start=first)
    total = Audit(StandardNormal(D), keep=keep)
    for i in order:
        total.merge(parts[i])
    return total


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, N), max_size=5), st.randoms(use_true_random=False))
def test_any_division_in_any_order_gives_the_same(cuts: list[int], chance: Any) -> None:
    z = latents()
    order = list(range(len(cuts) + 1))
    chance.shuffle(order)
    whole, parts = gathered(z, [], [0]), gathered(z, cuts, order)
    assert parts.n == whole.n == N
    assert torch.equal(parts.sample(), whole.sample())
    for name in ("radius", "axes", "slices"):
        assert torch.equal(getattr(parts.sums, name).counts, getattr(whole.sums, name).counts)
    torch.testing.assert_close(parts.sums.waves.sums, whole.sums.waves.sums, rtol=1e-12, atol=1e-9)
    torch.testing.assert_close(parts.sums.second, whole.sums.second, rtol=1e-12, atol=1e-9)
    assert parts.sums.fourth == pytest.approx(whole.sums.fourth, rel=1e-12)


def test_merging_is_associative() -> None:
    z = latents()

    def part(i: int) -> Audit:
        found = Audit(StandardNormal(D), keep=500)
        found.update(z[1000 * i : 1000 * (i + 1)], start=1000 * i)
        return found

    left, right, middle = part(0), part(0), part(1)
    left.merge(part(1))
    left.merge(part(2))
    middle.merge(part(2))
    right.merge(middle)
    assert torch.equal(left.sample(), right.sample())
    torch.testing.assert_close(left.sums.second, right.sums.second, rtol=1e-12, atol=1e-9)


def test_the_random_part_is_random() -> None:
    """Every place is kept as often as any other, and neighbours no more often together."""
    counts = np.zeros(400)
    pairs = 0
    for seed in range(300):
        audit = Audit(StandardNormal(1), keep=100, seed=seed)
        audit.update(torch.arange(400.0)[:, None])
        kept = np.zeros(400)
        kept[audit.sample()[:, 0].int().numpy()] = 1
        assert kept.sum() == 100
        counts += kept
        pairs += int((kept[1:] * kept[:-1]).sum())
    expected, sd = 300 / 4, np.sqrt(300 * 0.25 * 0.75)
    assert np.abs(counts - expected).max() < 4.5 * sd
    assert np.square((counts - expected) / sd).mean() == pytest.approx(1, abs=0.3)
    together = 300 * 399 * (100 * 99) / (400 * 399)
    assert abs(pairs - together) < 5 * np.sqrt(together)


def test_few_latents_have_the_report_of_lt_audit(few_draws: None) -> None:
    z = latents(400).float()
    audit = Audit(StandardNormal(D))
    for start in (200, 0):
        audit.update(z[start : start + 200], start=start)
    found, expected = audit.compute().to_dict(), lt.audit(z).to_dict()
    assert found["rows"] == expected["rows"]


def test_many_latents_have_rows_of_all_of_them(few_draws: None) -> None:
    z = latents(5000)
    audit = Audit(StandardNormal(D), keep=1000)
    audit.update(z)
    report = audit.compute()
    assert report.n == 5000
    assert audit.sums.ladder()[0] == pytest.approx(float(lt.HermiteLadder(order=1)(z, StandardNormal(D))), abs=1e-9)
    assert report.rows["radius"].details["n"] == 5000
    assert report.rows["energy"].details["n"] == 1000
    assert report.verdict == "red"
    torch.rand(1)  # the global generator has no part in it
    assert audit.compute().to_dict() == report.to_dict()


def test_what_does_not_go_together_is_refused() -> None:
    audit = Audit(StandardNormal(D))
    with pytest.raises(DataError, match="no latents were taken in"):
        audit.compute()
    z = latents(10)
    z[2, 1] = float("nan")
    with pytest.raises(DataError, match="first at sample 7, dimension 1"):
        audit.update(z, start=5)
    assert audit.n == 0
    with pytest.raises(ShapeError, match="3"):
        audit.update(torch.randn(10, 2))
    with pytest.raises(ShapeError, match="cannot take in"):
        audit.merge(Audit(StandardNormal(D), seed=1))
    with pytest.raises(ShapeError, match="cannot be added"):
        audit.merge(Audit(UniformCube(D)))
    twice = Audit(StandardNormal(D))
    for _ in range(2):
        twice.update(latents(50), start=0)
    with pytest.raises(DataError, match="claim the same places"):
        twice.compute()


# files ------------------------------------------------------------------------------------------------------------
def write(folder: Path, kind: str, parts: list[np.ndarray]) -> None:
    folder.mkdir()
    for i, part in enumerate(parts):
        path = folder / f"part-{i}.{kind.partition('-')[0]}"
        if kind == "npy":
            np.save(path, part)
        elif kind == "safetensors":
            save_file({"z": torch.from_numpy(part.copy()), "labels": torch.zeros(len(part))}, path)
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            if kind == "parquet-lists":
                columns = {"z": pa.array(list(part)), "name": pa.array(["x"] * len(part))}
            else:
                columns = {f"z_{j}": pa.array(part[:, j]) for j in reversed(range(part.shape[1]))}
            pq.write_table(pa.table(columns), path, row_group_size=300)


@pytest.mark.parametrize("kind", ["npy", "safetensors", "parquet-lists", "parquet-columns"])
def test_every_format_is_read_in_pieces(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lather.data.latent_blocks._VALUES", 1000)
    z = latents(1300).numpy()
    write(tmp_path / "z", kind, [z[:700], z[700:]])
    pieces = pieces_of(tmp_path / "z" if kind == "npy" else str(tmp_path / "z" / "part-*"))
    assert len(pieces) >= 3
    assert [piece.start for piece in pieces] == list(np.cumsum([0, *(piece.rows for piece in pieces)])[:-1])
    blocks = [block for piece in pieces for block in read_piece(piece)]
    assert max(map(len, blocks)) <= 350
    np.testing.assert_array_equal(np.concatenate(blocks), z)


def test_parquet_is_read_through_urls(few_draws: None) -> None:
    import fsspec
    import pyarrow as pa
    import pyarrow.parquet as pq

    z = latents(900).numpy()
    for i in range(3):
        with fsspec.open(f"memory://bucket/z/{i}.parquet", "wb") as file:
            pq.write_table(pa.table({"z": list(z[300 * i : 300 * (i + 1)])}), file)
    report = lt.audit_files("memory://bucket/z/*.parquet", workers=0, progress=False)
    assert report.rows["radius"].effect == lt.audit(z).rows["radius"].effect
    assert "3 files" in report.context["source"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"address": "auto"}, "is that of a Ray cluster; it takes engine='ray'"),
        ({"engine": "ray", "workers": 0}, "this very process"),
    ],
)
def test_settings_of_the_engine_that_do_not_go_together(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        lt.audit_files("never looked at", **settings)
    with pytest.raises(ConfigError, match=words), spread([Square(1)], **{"workers": 1, **settings}):
        pass
    with pytest.raises(ConfigError, match="must be 'local' or 'ray', got 'slurm'"):
        check_engine("slurm", None, 1)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names no file"):
        lt.audit_files(str(tmp_path / "*.npy"))
    with pytest.raises(ConfigError, match="workers"):
        lt.audit_files("x", workers=-1)
    (tmp_path / "z.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"store latents as .npy"):
        lt.audit_files(str(tmp_path / "z.csv"))
    np.save(tmp_path / "a.npy", latents(40).numpy())
    np.save(tmp_path / "b.npy", np.zeros((40, 5)))
    with pytest.raises(DataError, match=r"d=5 and .*d=3"):
        lt.audit_files(str(tmp_path / "?.npy"))
    np.save(tmp_path / "b.npy", np.full((40, 3), np.nan))
    with pytest.raises(DataError, match=r"b.npy .*NaN"):
        lt.audit_files(str(tmp_path / "?.npy"), workers=0, progress=False)
    (tmp_path / "c.safetensors").write_bytes(b"not one")
    with pytest.raises(DataError, match="damaged"):
        lt.audit_files(str(tmp_path / "c.safetensors"))


@pytest.mark.slow
def test_two_processes_give_the_report_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    z = latents(60_000).float().numpy()
    write(tmp_path / "z", "npy", [z[:25_000], z[25_000:]])
    one = lt.audit_files(tmp_path / "z", workers=0, progress=False)
    two = lt.audit_files(tmp_path / "z", workers=2, progress=False)
    assert two.to_dict() == one.to_dict()
    np.save(tmp_path / "whole.npy", z)
    whole = lt.audit_files(tmp_path / "whole.npy", workers=0, progress=False)
    for key, row in whole.rows.items():
        assert row.p == one.rows[key].p or row.p == pytest.approx(one.rows[key].p, rel=1e-6), key


class DiesOnce:
    """Kills its process the first time it is called, and is done the second time; where it can leave no mark, never."""

    def __init__(self, flag: Path) -> None:
        self.flag = flag

    def __call__(self) -> int:
        if not self.flag.exists():
            if self.flag.parent.exists():
                self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 7


class Square:
    def __init__(self, x: int) -> None:
        self.x = x

    def __call__(self) -> int:
        return self.x**2


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_a_killed_worker_is_replaced(tmp_path: Path, engine: Any) -> None:
    tasks: list[Any] = [Square(1), DiesOnce(tmp_path / "flag"), Square(2), Square(3)]
    if engine == "ray":  # its workers cannot import this file; functions made here go to them by value
        flag, kill = tmp_path / "flag", signal.SIGKILL

        def dies_once() -> int:
            if not flag.exists():
                flag.touch()
                os.kill(os.getpid(), kill)
            return 7

        tasks = [lambda: 1, dies_once, lambda: 4, lambda: 9]
    with spread(tasks, workers=2, engine=engine) as results:
        assert list(results) == [1, 7, 4, 9]


@pytest.mark.exhaustive
def test_a_worker_that_always_dies_ends_with_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="died 3 times"), spread([DiesOnce(tmp_path / "a" / "b")], workers=1) as results:
        list(results)
