"""What the fuzzers found, each as the smallest case: an error of ours that names the file, and before it was not."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import damage
import numpy as np
import pytest
import torch

from lather.auditing import Report, Row
from lather.data import Dataset, Latents, load
from lather.data.latent_blocks import pieces_of
from lather.errors import ConfigError, DataError, LatherError, RunError
from lather.files import read_json
from lather.models import Autoencoder, describe
from lather.priors import StandardNormal, make_prior
from lather.train import Settings, open_run
from lather.train.assemble import assemble
from lather.train.checkpoint import load_checkpoint, save_checkpoint, save_tensors
from lather.train.metrics import read_metrics
from lather.train.sampler import load_sampler, save_sampler
from lather.train.state import TrainingState


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", limit=40)


@pytest.fixture
def model(digits: Dataset) -> Autoencoder:
    return assemble("vae", digits, 2, nets="mlp", net_options={"hidden": (4,)})


@pytest.mark.parametrize(
    "text", ["9" * 5000, "[" * 100_000, '{"a": NaN}', "[1e999]", "[-Infinity]", '["\\ud800"]', "12" * 11]
)
def test_json_that_nothing_of_ours_writes(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(RunError, match=r"x\.json cannot be read as JSON"):
        read_json(tmp_path / "x.json")


def test_json_that_is_fine(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('[18446744073709551615, -1.5e300, "\\ud835\\udd18 \\\\ud800", true]')
    assert read_json(tmp_path / "x.json") == [2**64 - 1, -1.5e300, "𝔘 \\ud800", True]


def test_a_shape_of_truth_values(tmp_path: Path) -> None:
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (True, 9)}"
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(72))
    with pytest.raises(DataError, match=r"x\.npy declares the impossible shape"):
        load(tmp_path / "x.npy")


def test_a_member_whose_name_is_no_text(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("zé.npy", damage.as_npy(np.ones((9, 2))))
    data = file.getvalue()
    (tmp_path / "x.npz").write_bytes(data.replace("é".encode(), b"\xff\xff", 1))
    with pytest.raises(DataError, match=r"x\.npz is not a readable \.npz file"):
        load(tmp_path / "x.npz")


def test_a_header_of_255_dimensions(tmp_path: Path) -> None:
    (tmp_path / "x.idx").write_bytes(bytes([0, 0, 8, 255]) + b"\xff" * 4 * 255 + bytes(9))
    with pytest.raises(DataError, match=r"x\.idx has an IDX header"):
        load(tmp_path / "x.idx")


def test_labels_with_numbers_of_5000_digits(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i * i % 7},k{'9' * (5000 if i % 2 else 1)}\n" for i in range(20))
    (tmp_path / "x.csv").write_text("a,b,label\n" + rows)
    assert load(tmp_path / "x.csv").classes == ("k9", "k" + "9" * 5000)


def test_names_that_no_system_takes() -> None:
    readers: list[Callable[[str], object]] = [load, Latents.read, pieces_of, open_run]
    for read in readers:
        with pytest.raises(LatherError):
            read("x" * 5000 + ".npy")


def test_deviations_without_means_name_the_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", z=np.ones((9, 2)), std=np.ones((9, 2)))
    with pytest.raises(ConfigError, match=r"x\.npz: std without mean"):
        Latents.read(tmp_path / "x.npz")


def test_a_sparse_matrix_without_its_values(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5ad", "w") as out:
        out.create_group("X").attrs["shape"] = np.array([2, 3])
        out["X/indptr"], out["X/indices"] = np.zeros(3), np.zeros(0)
    with pytest.raises(DataError, match=r"x\.h5ad is not an \.h5ad file"):
        load(tmp_path / "x.h5ad")


# runs -----------------------------------------------------------------------------------------------------------------
Change = Callable[[dict], object]


def mixture(means: object) -> dict[str, object]:
    return {"type": "GaussianMixture", "arguments": {"means": means}}


@pytest.mark.parametrize(
    "change",
    [
        lambda words: words["encoder"]["arguments"].update(hidden="a"),
        lambda words: words["encoder"]["arguments"].update(hidden=[2**31]),
        lambda words: words["decoder"]["arguments"].update(latent_shape={}),
        lambda words: words["objective"]["arguments"].update(terms=[[1.0]]),
        lambda words: words["objective"]["arguments"].update(terms=[[1.0, {"type": "x", "arguments": {}}]]),
        lambda words: words.update(prior=mixture({"tensor": [[1], []], "dtype": "float32"})),
        lambda words: words.update(prior=mixture({"shape": [2**40, 2**40], "dtype": "float32"})),
        lambda words: words["prior"]["arguments"].update(d={"float": "1_0"}),
        lambda words: words.update(latent_shape="é"),
        lambda words: words.update(likelihood=None),
    ],
)  # fmt: skip
def test_configurations_that_describe_no_model(tmp_path: Path, model: Autoencoder, change: Change) -> None:
    save_tensors(tmp_path / "model.safetensors", model.state_dict())
    words = describe(model)
    change(words)
    config = {"schema": 1, "data": {}, "model": words, "training": Settings().to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises((ConfigError, RunError), match=r"config\.json"):
        open_run(tmp_path)


def test_a_configuration_of_lists(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"schema": 1, "data": [], "model": {}, "training": {}}')
    with pytest.raises(RunError, match=r"config\.json is damaged: data must be"):
        open_run(tmp_path)


def test_metrics_that_are_no_text_or_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\xff\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl cannot be read"):
        read_metrics(path)
    good = {"step": 1, "epoch": 1, "split": "train", "loss": 1.0, "found": None}
    bad = ['{"step": 1}', json.dumps({**good, "epoch": []}), json.dumps({**good, "loss": {}}), "9" * 5000, "[" * 99_999]
    path.write_text("\n".join([*bad, json.dumps(good)]))
    assert read_metrics(path) == [good]


def test_a_checkpoint_whose_state_is_no_object(tmp_path: Path, model: Autoencoder) -> None:
    save_checkpoint(tmp_path, model.state_dict(), {}, t=1)
    record = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**record, "state": [1]}))
    with pytest.raises(RunError, match=r"state\.json is damaged"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("change", [{"t": "x"}, {"epoch": -1}, {"restore": 1}, {"seconds": None}, {"best_loss": [1]}])
def test_a_checkpoint_that_was_nowhere(model: Autoencoder, change: dict[str, object]) -> None:
    state = TrainingState(model, torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(RunError, match="of where the training was"):
        state.restore(state.tensors(), {**state.numbers(), **change})
    assert callable(state.restore)
    state.restore(state.tensors(), state.numbers())


def test_a_sampler_larger_than_its_file(tmp_path: Path) -> None:
    save_sampler(tmp_path, StandardNormal(2))
    shape = {"shape": [2**20, 2**20], "dtype": "float32"}
    (tmp_path / "prior.json").write_text(json.dumps({"schema": 1, "prior": mixture(shape)}))
    with pytest.raises(RunError, match=r"prior\.json describes a model of more than"):
        load_sampler(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"title": 1.5},
        {"effect": "x"},
        {"verdict": "pink"},
        {"details": []},
        {"p": True},
        {"key": None},
        {"p_is_bound": 1},
    ],
)
def test_rows_of_other_types(tmp_path: Path, change: dict[str, object], no_pictures: None) -> None:
    Report(20, 1, "p", 0, {"x": Row("x", "x", effect=1.0)}).save(tmp_path)
    words = json.loads((tmp_path / "report.json").read_text())
    assert Report.load(tmp_path).rows["x"].effect == 1.0
    words["rows"][0] |= change
    (tmp_path / "report.json").write_text(json.dumps(words))
    with pytest.raises(RunError, match=r"report\.json is damaged"):
        Report.load(tmp_path)


def test_arrays_of_a_report_that_are_none(tmp_path: Path, no_pictures: None) -> None:
    Report(20, 1, "p", 0, {"x": Row("x", "x", effect=1.0)}).save(tmp_path)
    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d,), }" % 10**15
    for data in (b"no array", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text):
        with zipfile.ZipFile(tmp_path / "report.npz", "w") as archive:
            archive.writestr("a.npy", data)
        with pytest.raises(RunError, match=r"report\.npz"):
            Report.load(tmp_path)


# what people type -----------------------------------------------------------------------------------------------------
def test_options_of_the_wrong_kind(digits: Dataset) -> None:
    for nets, options in (("conv", {"width": None}), ("conv", {"width": 2.5}), ("mlp", {"hidden": 0.5})):
        with pytest.raises(ConfigError, match=rf"the '{nets}' nets cannot be built with"):
            assemble("ae", digits, 2, nets=nets, net_options=options)
    for recipe, options in (("swae", {"directions": (1, 2)}), ("gmm-vae", {"k": "x"}), ("cwae", {"weight": "x"})):
        with pytest.raises(ConfigError, match=f"recipe '{recipe}'"):
            assemble(recipe, digits, 2, options=options)
    with pytest.raises(ConfigError, match="at least one dimension"):
        make_prior("mixture", -1)
