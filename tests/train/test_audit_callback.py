"""Watching the latents while training: what is recorded, and that watching changes nothing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from small import PLAIN, digits, identical, rows, tiny, weights

import lather as lt
from lather.auditing.curves import loss_curves
from lather.errors import ConfigError
from lather.train import Epoch, fit
from lather.train.metrics import read_metrics

pytestmark = pytest.mark.usefixtures("few_draws")

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
SETTINGS = {"epochs": 4, "batch_size": 128, "progress": False, "ema": 0.9, "checkpoint_seconds": 0}
NAMES = ("step", "epoch", "n_star", "by", "ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius", "radius_p", "n")

TESTS = {"ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius", "pair_distance", "energy", "mmd_small"}
TESTS |= {"per_axis", "signal", "strays"}


class StopNow(Exception):
    pass


def stop(epoch: Epoch) -> None:
    raise StopNow


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> lt.Run:
    path = tmp_path_factory.mktemp("audited") / "run"
    return fit(tiny(dropout=0.1), digits(), out=path, callbacks=[lt.AuditEvery(2)], **SETTINGS)


def test_rows_say_how_far_the_latents_are_from_the_prior(audited: lt.Run) -> None:
    found = [row for row in audited.metrics if row["split"] == "audit"]
    assert [row["epoch"] for row in found] == [2, 4]
    assert found == [row for row in read_metrics(audited.path / "metrics.jsonl") if row["split"] == "audit"]
    for row in found:
        assert set(NAMES) | {"split", "seconds"} == set(row)
        assert row["n"] == len(digits().validation)
        assert row["by"] in TESTS if row["n_star"] is not None else row["by"] is None
    step = {row["epoch"]: row["step"] for row in audited.metrics if row["split"] == "validation"}
    assert [row["step"] for row in found] == [step[2], step[4]]


def test_the_numbers_are_those_of_an_audit_of_the_same_latents() -> None:
    seen: list[tuple[str, dict[str, object]]] = []
    run = fit(tiny(PLAIN), digits(), **SETTINGS)
    epoch = Epoch(4, 44, run.model, {}, digits(), lambda kind, values: seen.append((kind, dict(values))))
    lt.AuditEvery(4, n=40, seed=3)(epoch)
    ((kind, values),) = seen
    order = torch.randperm(len(digits().validation), generator=torch.Generator().manual_seed(3))[:40]
    z = run.model.latents(digits().validation.batch(order))[0]  # this model's posteriors are points
    from lather.auditing import measure_latents

    report = measure_latents(z, run.model.prior, seed=3)
    assert kind == "audit"
    assert values["n"] == 40
    assert values["n_star"] == report.detection_size.n < 40
    assert values["by"] == report.telling.key
    assert values["radius_p"] == report.rows["radius"].p
    assert values["ladder_2"] == report.rows["ladder_2"].z


def test_weights_are_the_same_with_and_without(audited: lt.Run) -> None:
    plain = fit(tiny(dropout=0.1), digits(), **SETTINGS)
    assert identical(weights(audited.model), weights(plain.model))
    drop = [row for row in audited.metrics if row["split"] != "audit"]
    names = [name for name in drop[0] if name != "seconds"]
    assert [[row.get(n) for n in names] for row in drop] == [[row.get(n) for n in names] for row in plain.metrics]


def test_a_resumed_run_has_the_same_rows_and_weights(tmp_path: Path, audited: lt.Run) -> None:
    callbacks = [lt.AuditEvery(2), stop]  # stopped after the audit, in the same epoch
    for resume in (False, True, True):
        with pytest.raises(StopNow):
            fit(tiny(dropout=0.1), digits(), out=tmp_path, resume=resume, callbacks=callbacks, **SETTINGS)
    fit(tiny(dropout=0.1), digits(), out=tmp_path, resume=True, callbacks=[lt.AuditEvery(2)], **SETTINGS)
    assert rows(tmp_path, "audit", NAMES) == rows(audited.path, "audit", NAMES)
    assert (tmp_path / "model.safetensors").read_bytes() == (audited.path / "model.safetensors").read_bytes()


def test_it_shows_a_line_for_every_audit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    fit(tiny(PLAIN), digits(), callbacks=[lt.AuditEvery(2)], **{**SETTINGS, "progress": True})
    lines = [line for line in capsys.readouterr().err.splitlines() if "audit" in line]
    assert [line.split("  ")[0] for line in lines] == ["epoch 2/4", "epoch 4/4"]
    assert all("n_star" in line and "radius_p" in line for line in lines)


def test_latents_that_cannot_be_measured_do_not_end_the_training() -> None:
    seen: list[dict[str, object]] = []
    model = tiny(PLAIN)
    with torch.no_grad():
        for p in model.encoder.parameters():
            p.zero_()
    lt.AuditEvery()(Epoch(1, 1, model, {}, digits(), lambda kind, values: seen.append(dict(values))))
    assert list(seen[0]) == ["reason"]
    assert "identical" in str(seen[0]["reason"])
    assert model.training  # left as it was


def test_too_few_held_out_data_are_noticed_at_once() -> None:
    data = lt.load("digits", validation=10)
    with pytest.raises(ConfigError, match="validation split, which has 10 data here, and at least 20"):
        fit(tiny(PLAIN), data, callbacks=[lt.AuditEvery(4)], **SETTINGS)


@pytest.mark.parametrize(("options", "name"), [({"epochs": 0}, "epochs"), ({"n": 19}, "n")])
def test_wrong_numbers_are_refused(options: dict[str, object], name: str) -> None:
    with pytest.raises(ConfigError, match=rf"AuditEvery needs {name} of at least"):
        lt.AuditEvery(**options)


def test_loss_curves_show_losses_only(audited: lt.Run) -> None:
    titles = {axes.get_title() for axes in loss_curves(audited.metrics).axes if axes.get_visible()}
    assert titles == {"loss", "reconstruction", "kl", "match"}


def test_tensorboard_takes_numbers_and_leaves_words(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(tiny(PLAIN), digits(), out=tmp_path, tensorboard=True, callbacks=[lt.AuditEvery(2)], **SETTINGS)
    tags = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()["scalars"]
    assert "audit/radius" in tags
    assert "audit/by" not in tags
