"""Training learns, records what it did, and stops with a reason."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import PLAIN, digits, identical, rows, tiny, weights
from torch import Tensor, nn

from lather.errors import ConfigError, DataError, RunError, ShapeError, TrainingError
from lather.models import Autoencoder, Bernoulli, LatentNorm, Reconstruction
from lather.models.objective import Term
from lather.models.step import Step
from lather.priors import StandardNormal
from lather.train import Epoch, Settings, fit, open_run
from lather.train.checkpoint import load_tensors

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)


def quick(**changes: object) -> dict[str, object]:
    return {"epochs": 2, "batch_size": 128, "progress": False, "checkpoint_seconds": 0, **changes}


def test_the_loss_falls_and_the_run_can_be_opened(tmp_path: Path) -> None:
    seen: list[Epoch] = []
    run = fit(tiny(), digits(), out=tmp_path / "run", callbacks=[seen.append], **quick(epochs=6))
    losses = [loss for _, loss in rows(run.path, "validation")]
    assert losses[-1] < losses[0] - 1
    assert [epoch.number for epoch in seen] == [1, 2, 3, 4, 5, 6]
    assert seen[-1].validation["loss"] == losses[-1]
    again = open_run(tmp_path / "run")
    x = digits().test.batch(slice(0, 5))
    assert torch.equal(again.model.reconstruct(x), run.model.reconstruct(x))
    assert again.config["training"]["epochs"] == 6
    assert again.config["model"]["algebra"] == repr(tiny().objective)
    assert again.metrics == run.metrics
    row = again.metrics[-1]
    assert {"step", "epoch", "split", "loss", "reconstruction", "kl", "match", "seconds"} == set(row)


def test_without_a_directory_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = fit(tiny(PLAIN), digits(), **quick(epochs=1))
    assert run.path is None
    assert list(tmp_path.iterdir()) == []


def test_the_same_seed_gives_the_same_weights() -> None:
    a, b = (fit(m, digits(), **quick(seed=3)).model for m in (tiny(dropout=0.2), tiny(dropout=0.2)))
    other = fit(tiny(dropout=0.2), digits(), **quick(seed=4)).model
    assert identical(weights(a), weights(b))
    assert not identical(weights(a), weights(other))


def test_fit_does_not_move_the_global_generator() -> None:
    model = tiny(dropout=0.2)
    before = torch.get_rng_state()
    fit(model, digits(), **quick(epochs=1))
    assert torch.equal(before, torch.get_rng_state())


class BlowsUp(Term):
    """NaN from step ``at`` on."""

    key = "blows_up"  # type: ignore[misc]

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def forward(self, step: Step) -> Tensor:
        return step.z.sum() * (float("nan") if step.t == self.at else 0.0)


def test_a_loss_that_is_no_number_names_step_and_term_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    model = tiny(PLAIN + BlowsUp(at=25))
    with pytest.raises(TrainingError, match=r"at step 25 \(epoch 3\): blows_up .*last good checkpoint.*lower learning"):
        fit(model, digits(), out=tmp_path, **quick(epochs=4))
    state = json.loads((tmp_path / "last.ckpt" / "state.json").read_text())
    assert state["state"]["t"] == 22  # two epochs of 1437 // 128 steps
    tensors = load_tensors(tmp_path / "last.ckpt" / state["file"])
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values() if t.is_floating_point())


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    run = fit(
        tiny(PLAIN), digits(), out=tmp_path, **quick(epochs=30, lr=0.3, schedule="constant", patience=2, log_every=5)
    )
    losses = [loss for _, loss in rows(tmp_path, "validation")]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 30
    from lather.train.loop import validate

    kept = validate(run.model, digits().validation, Settings(batch_size=128), torch.device("cpu"))
    assert kept["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_average_of_weights_is_what_is_kept() -> None:
    plain = fit(tiny(PLAIN), digits(), **quick(epochs=1, schedule="constant")).model
    averaged = fit(tiny(PLAIN), digits(), **quick(epochs=1, schedule="constant", ema=0.5)).model
    nearly = fit(tiny(PLAIN), digits(), **quick(epochs=1, schedule="constant", ema=1e-9)).model
    assert not identical(weights(plain), weights(averaged))
    for name, tensor in weights(nearly).items():
        assert torch.allclose(tensor, weights(plain)[name], atol=1e-6)


@pytest.mark.parametrize(
    "change", [{"clip": 1e-3}, {"weight_decay": 1.0}, {"warmup": 20}, {"schedule": "constant"}, {"lr": 1e-2}]
)
def test_every_setting_of_the_optimizer_changes_the_weights(change: dict[str, object]) -> None:
    plain = fit(tiny(PLAIN), digits(), **quick(epochs=1)).model
    changed = fit(tiny(PLAIN), digits(), **quick(epochs=1, **change)).model
    assert not identical(weights(plain), weights(changed))


def test_double_precision_and_bfloat16() -> None:
    double = fit(tiny(PLAIN), digits(), **quick(epochs=1, precision="64-true")).model
    assert next(double.parameters()).dtype == torch.float64
    single = fit(tiny(PLAIN), digits(), **quick(epochs=1)).model
    mixed = fit(tiny(PLAIN), digits(), **quick(epochs=1, precision="bf16-mixed")).model
    assert next(mixed.parameters()).dtype == torch.float32
    for name, tensor in weights(single).items():
        assert torch.allclose(tensor, weights(mixed)[name], atol=0.05)
        assert torch.allclose(tensor.double(), weights(double)[name], atol=0.02)


def test_learning_rates() -> None:
    cosine = Settings(lr=1.0, warmup=10)
    assert [cosine.lr_at(t, 110) for t in (0, 9, 10, 60, 110)] == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0])
    constant = Settings(lr=1.0, warmup=2, schedule="constant")
    assert [constant.lr_at(t, 9) for t in (0, 1, 2, 8)] == pytest.approx([0.5, 1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs must be"),
        ({"batch_size": 1}, "at least 2"),
        ({"lr": float("nan")}, "lr must be a positive number"),
        ({"ema": 1.0}, "between 0 and 1"),
        ({"patience": 0}, "patience"),
        ({"seed": -1}, "seed"),
        ({"learning_rate": 1}, "unknown training settings: learning_rate"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        fit(tiny(PLAIN), digits(), **change)


def test_a_directory_in_use_or_full_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="already holds something else"):
        fit(tiny(PLAIN), digits(), out=tmp_path, **quick())
    fit(tiny(PLAIN), digits(), out=tmp_path / "run", **quick(epochs=1))
    with pytest.raises(RunError, match="already holds a run"):
        fit(tiny(PLAIN), digits(), out=tmp_path / "run", **quick())
    with pytest.raises(RunError, match="not a run directory"):
        open_run(tmp_path)


def test_two_processes_cannot_share_a_directory(tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".lock", is_singleton=False), pytest.raises(RunError, match="another process"):
        fit(tiny(PLAIN), digits(), out=tmp_path, resume=True, **quick())


def test_a_network_that_does_not_fit_the_data_shows_before_training(tmp_path: Path) -> None:
    wrong = Autoencoder(nn.Linear(9, 2), nn.Linear(2, 9), prior=StandardNormal(2), objective=Reconstruction() * 1)
    with pytest.raises(ShapeError, match=r"samples have shape \(1, 8, 8\)"):
        fit(wrong, digits(), **quick())
    unbounded = Autoencoder(
        nn.Linear(3, 2),
        nn.Linear(2, 3),
        prior=StandardNormal(2),
        objective=Reconstruction() + LatentNorm(),
        likelihood=Bernoulli(),
    )
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        fit(unbounded, torch.randn(200, 3), **quick())


def test_without_a_compiler_compiling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler --fast")
    with pytest.raises(ConfigError, match=r"C\+\+ compiler.*'no-such-compiler --fast'.*leave compile out"):
        fit(tiny(), digits(), **quick(compile=True, accelerator="cpu"))


def test_fewer_samples_than_a_batch_are_one_batch() -> None:
    x = torch.rand(60, 5, generator=torch.Generator().manual_seed(0))
    model = Autoencoder(nn.Linear(5, 2), nn.Linear(2, 5), prior=StandardNormal(2), objective=PLAIN)
    run = fit(model, x, **quick(epochs=3, batch_size=512))
    assert run.metrics[-1]["step"] == 3


def test_one_run_can_be_longer_than_it_was_meant_to_be(tmp_path: Path) -> None:
    fit(tiny(PLAIN), digits(), out=tmp_path, **quick(epochs=1))
    run = fit(tiny(PLAIN), digits(), out=tmp_path, resume=True, **quick(epochs=3))
    assert run.config["training"]["epochs"] == 3
    assert [row["epoch"] for row in run.metrics if row["split"] == "validation"] == [1, 2, 3]


def test_resuming_something_else_is_refused(tmp_path: Path) -> None:
    fit(tiny(PLAIN), digits(), out=tmp_path, **quick(epochs=1))
    with pytest.raises(RunError, match=r"lr \(0\.001 before, 0\.1 now\)"):
        fit(tiny(PLAIN), digits(), out=tmp_path, resume=True, **quick(epochs=2, lr=0.1))
    with pytest.raises(RunError, match=r"model\.objective"):
        fit(tiny(2 * PLAIN), digits(), out=tmp_path, resume=True, **quick(epochs=2))
    with pytest.raises(RunError, match="data"):
        fit(tiny(PLAIN), torch.rand(300, 1, 8, 8), out=tmp_path, resume=True, **quick(epochs=2))


def test_a_new_process_can_open_a_run(tmp_path: Path) -> None:
    fit(tiny(PLAIN), digits(), out=tmp_path / "run", **quick(epochs=1))
    code = "import sys, lather; print(lather.open_run(sys.argv[1]).model.generate(2).shape)"
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, check=False
    )
    assert result.stdout.strip() == "torch.Size([2, 1, 8, 8])", result.stderr
