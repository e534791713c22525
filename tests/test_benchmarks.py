"""The scripts in benchmarks/ run; what they time is for them to say."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

if not BENCHMARKS.is_dir():
    pytest.skip("benchmarks/ is not part of an installed package", allow_module_level=True)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"benchmark_{name.replace('/', '_')}", BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device: run benchmarks/gpu.py itself")
def test_the_gpu_script_says_that_there_is_none_and_runs_all_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = script("gpu")
    few = ("mmd-gaussian", "stein", "sliced-wasserstein")
    monkeypatch.setattr(gpu, "NAMES", few)
    monkeypatch.setattr(gpu.waits, "__defaults__", (few,))
    gpu.main(["--n", "64", "--d", "4", "--repeats", "1"])
    printed = capsys.readouterr().out
    assert "no CUDA device found" in printed
    assert "DIFFERS" not in printed
    device = torch.device("cpu")
    for line in gpu.agreement(device, 64, 4):
        name, value, gradient = line.split()
        assert float(value) < 1e-3, name
        assert float(gradient) < 1e-4, name


def test_memory_of_a_large_batch_is_measured_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "large_batch.py", "--n", "128", "--d", "4", "--threads", "1", "--names", "energy", "--plain"],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    rows = [line.rsplit(maxsplit=3) for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["energy", "energy, plain"], done.stderr
    assert all(float(peak) >= float(before) > 50 for _, before, peak, _ in rows)


def test_exponents_are_slopes() -> None:
    scaling = script("scaling")
    assert scaling.exponent({n: 3e-9 * n**1.5 for n in (100, 200, 400, 800)}) == pytest.approx(1.5)
    works = scaling.curves(32)
    assert {what for what, _ in works} == {"samples", "dimensions", "slices", "components"}
    times = scaling.timed(works["slices", "sliced-wasserstein"], 1)
    assert all(seconds > 0 for seconds in times.values())


def test_the_references_are_the_statistics_they_stand_for() -> None:
    """What Lather is compared with computes the same thing."""
    from lather import EppsPulley, Sliced, StandardNormal

    sliced = script("sliced")
    z = 1.3 * torch.randn(400, 6, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    v = sliced.directions(50, 6)
    torch.manual_seed(1)
    theirs = sliced.sigreg(z, 50)
    ours = Sliced(EppsPulley(0.5, unbiased=False, nodes=17), directions=v)(z, StandardNormal(6))
    assert float(ours) == pytest.approx(float(theirs), rel=1e-4)
    bubbles = script("bubbles")
    mean, std = bubbles.mixture(50, 3, 0.3)
    exact = torch.distributions.Normal(mean, std).log_prob(z[:5, None, :3]).sum(-1).logsumexp(1)
    assert torch.allclose(bubbles.naive(z[:5, :3], mean, std) + torch.tensor(50.0).log(), exact, atol=1e-4)


def test_what_is_timed_between_commits_runs() -> None:
    assert json.loads((BENCHMARKS / "asv.conf.json").read_text())["benchmark_dir"] == "between_commits"
    bench = script("between_commits/bench")
    one = bench.Divergence()
    one.setup("energy", 64)
    one.time_forward_and_backward("energy", 64)
    bubbles = bench.Bubbles()
    bubbles.setup(2, 0.8)
    bubbles.z = bubbles.z[:10]
    bubbles.time_log_prob(2, 0.8)
    for found in (bench.Training, bench.Audit):
        assert any(name.startswith("time_") for name in vars(found))
    assert "lather" in sys.modules
