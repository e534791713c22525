"""lather.audit: whatever latents come as, what is audited is the right part of them, against the right thing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lather as lt
from lather.errors import ConfigError, DataError, MissingExtraError, ShapeError
from lather.pipeline.decoders import make_decoder
from lather.pipeline.onnx_decoder import OnnxDecoder
from lather.train.assemble import assemble
from lather.train.checkpoint import load_tensors

logging.getLogger("lightning_fabric").setLevel(logging.ERROR)

G = torch.Generator().manual_seed(1)
Z = torch.randn(300, 3, generator=G)
MEAN = 0.9 * torch.randn(300, 3, generator=G)
STD = torch.full((300, 3), 0.4)


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the measuring part is called with, instead of measuring."""
    seen: dict[str, Any] = {}

    def measured(latents: torch.Tensor, prior: lt.Prior, **rest: Any) -> lt.Report:
        seen.clear()
        seen.update(latents=latents, prior=prior, **rest)
        return lt.Report(len(latents), prior.d, repr(prior), rest["seed"], {}, dict(rest["context"]))

    monkeypatch.setattr("lather.pipeline.audit.measure_latents", measured)
    return seen


def test_the_verdict_is_right_for_arrays_and_files(tmp_path: Path) -> None:
    np.save(tmp_path / "z.npy", 1.6 * Z.numpy())
    from_file = lt.audit(tmp_path / "z.npy")
    assert from_file.verdict == "red"
    assert from_file.rows["ladder_2"].verdict == "red"
    from_array = lt.audit(1.6 * Z.numpy())
    assert {**from_array.to_dict(), "context": {}} == {**from_file.to_dict(), "context": {}}
    assert from_file.context["source"].endswith("z.npy")
    assert lt.audit(Z).verdict == "green"


def test_all_latents_are_audited_unless_some_are_held_out(received: dict[str, Any]) -> None:
    lt.audit(Z)
    assert torch.equal(received["latents"], Z)
    assert repr(received["prior"]) == "StandardNormal(3)"
    assert all(received[name] is None for name in ("means", "stds", "train_means", "train_stds", "data", "labels"))
    lt.audit(Z, mean=MEAN, std=STD)
    assert torch.equal(received["latents"], Z)
    assert torch.equal(received["means"], MEAN)
    assert torch.equal(received["stds"], STD)


def test_posteriors_alone_are_drawn_from_once(received: dict[str, Any]) -> None:
    lt.audit(mean=MEAN, logvar=2 * STD.log())
    first = received["latents"]
    assert float(((first - MEAN) / STD).std()) == pytest.approx(1.0, abs=0.1)
    lt.audit(mean=MEAN, std=STD)
    torch.testing.assert_close(received["latents"], first)
    lt.audit(mean=MEAN, std=STD, seed=1)
    assert not torch.allclose(received["latents"], first)
    lt.audit(mean=MEAN)  # means without widths are codes
    assert torch.equal(received["latents"], MEAN)
    assert received["means"] is None


def test_held_out_in_every_form(received: dict[str, Any], tmp_path: Path) -> None:
    other, width = MEAN[:40] + 1, STD[:40]
    np.savez(tmp_path / "test.npz", mean=other.numpy(), std=width.numpy())
    for held_out in ((other, width), lt.Latents(mean=other, std=width), tmp_path / "test.npz"):
        lt.audit(mean=MEAN, std=STD, held_out=held_out)
        assert torch.equal(received["means"], other)
        assert torch.equal(received["stds"], width)
        assert torch.equal(received["train_means"], MEAN)
        assert torch.equal(received["train_stds"], STD)
        assert len(received["latents"]) == 40
        assert received["context"]["split"] == "40 latents, against 300 of training data"
    lt.audit(Z, held_out=other)  # codes on both sides
    assert torch.equal(received["latents"], other)
    assert torch.equal(received["train_means"], Z)
    assert received["train_stds"] is None
    assert received["means"] is None


def test_a_mask_or_a_share_divides_everything_alike(received: dict[str, Any]) -> None:
    mask = torch.arange(300) % 3 == 0
    labels, data = np.arange(300), torch.arange(600.0).reshape(300, 2)
    for given in (mask, mask.numpy()):
        lt.audit(mean=MEAN, std=STD, held_out=given, labels=labels, data=data, decoder=lambda z: z)
        assert torch.equal(received["means"], MEAN[mask])
        assert torch.equal(received["train_means"], MEAN[~mask])
        assert received["labels"].tolist() == list(range(0, 300, 3))
        assert torch.equal(received["data"], data[mask])
    lt.audit(Z, held_out=0.2, labels=labels)
    rows = received["labels"]
    assert len(rows) == 60
    assert torch.equal(received["latents"], Z[rows])
    assert torch.equal(received["train_means"], Z[[i for i in range(300) if i not in set(rows.tolist())]])
    lt.audit(Z, held_out=0.2, labels=labels, seed=1)
    assert received["labels"].tolist() != rows.tolist()


def test_spatial_latents_reach_the_decoder_in_their_shape() -> None:
    z = torch.randn(60, 2, 3, 2, generator=G)
    shapes = set()

    def decode(latents: torch.Tensor) -> np.ndarray:
        shapes.add(tuple(latents.shape[1:]))
        return latents.flatten(1).numpy() * 2

    report = lt.audit(z, decoder=decode, data=2 * z.flatten(1))
    assert report.d == 12
    assert shapes == {(2, 3, 2)}
    assert report.rows["reconstruction_error"].effect == pytest.approx(0.0, abs=1e-9)
    assert report.rows["gap"].computed


def test_any_prior_by_name_or_as_an_object(received: dict[str, Any]) -> None:
    for prior in ("laplace", lt.LaplacePrior(3)):
        lt.audit(Z, prior=prior)
        assert repr(received["prior"]) == repr(lt.LaplacePrior(3))
    with pytest.raises(ConfigError, match="no prior is called 'gauss'; there are: normal"):
        lt.audit(Z, prior="gauss")


def test_a_prior_of_other_dimensions_is_named() -> None:
    with pytest.raises(ShapeError, match=r"d=3 dimensions but StandardNormal\(4\)"):
        lt.audit(Z, prior=lt.StandardNormal(4))


def test_notes_are_in_the_report(received: dict[str, Any]) -> None:
    z = Z.clone()
    z[:, 0] = 1.0
    z[200] = z[201]
    report = lt.audit(z, context={"model": "mine", "notes": ["first"]})
    assert report.context["model"] == "mine"
    first, constant, copies = report.context["notes"]
    assert first == "first"
    assert constant.startswith("1 of 3 dimensions is the same")
    assert copies.startswith("1 of 300 latents is an exact copy")
    (train,) = lt.audit(torch.cat([Z, Z[:1]]), held_out=MEAN).context["notes"]
    assert train.startswith("Of the training latents: 1 of 301")


@pytest.mark.slow
def test_one_dimension_and_more_dimensions_than_latents_are_measured() -> None:
    assert lt.audit(2 * Z[:, :1]).verdict == "red"
    (wide,) = lt.audit(torch.randn(30, 50, generator=G)).context["notes"]
    assert wide.startswith("There are more dimensions (50) than latents (30)")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"z": Z[:19]}, DataError, "at least 20 latents, got 19; encode more"),
        ({"z": Z.T[:, :200]}, DataError, "got 3; these 3 rows of 200 look transposed: give z.T"),
        ({"z": Z, "held_out": 0.05}, DataError, "got 15"),
        ({"z": Z, "held_out": 1.5}, ConfigError, "share lies between 0 and 1"),
        ({"z": Z, "held_out": True}, ConfigError, "share lies between 0 and 1"),
        (
            {"z": Z, "held_out": torch.ones(9, dtype=torch.bool)},
            ShapeError,
            r"mask held_out has shape \(9,\).*\(300,\)",
        ),
        ({"z": Z, "held_out": MEAN[:, :2]}, ShapeError, "have 2 dimensions and training latents 3"),
        ({"z": Z, "held_out": 0.5, "labels": np.zeros(150, int)}, ShapeError, "labels has 150 rows; .* 300 latents"),
        ({"z": Z, "data": Z[:20], "decoder": lambda z: z}, ShapeError, "data has 20 rows and there are 300"),
        ({"z": Z, "key": "emb"}, ConfigError, "key: these name parts of a file"),
        ({"z": Z, "std": "std.npy"}, ConfigError, "std: names and paths go with z=path"),
        ({"z": lt.Latents(Z), "mean": MEAN}, ConfigError, "mean: these are part of Latents"),
        ({"z": "none.npy"}, DataError, "'none.npy' is not an existing file"),
        ({"z": Z, "decoder": "weights.pt"}, DataError, "'weights.pt' is no decoder: give the directory of a run"),
        ({}, ConfigError, "neither was given"),
    ],
)
def test_mistakes_are_explained(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        lt.audit(**arguments)


# runs --------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> lt.Run:
    data = lt.load("digits")
    notes = {"data": {"load": {"source": "digits", "seed": 0}}}
    out = tmp_path_factory.mktemp("run")
    return lt.fit(assemble("vae", data, 3, nets="mlp"), data, out=out, epochs=2, progress=False, notes=notes)


def test_a_run_and_its_latents_agree(run: lt.Run) -> None:
    report = lt.audit(run.path)
    assert report.context["notes"] == []
    latents = load_tensors(run.path / "latents.safetensors")
    again = lt.audit(run.path / "latents.safetensors", decoder=run.path, data=lt.load("digits"))
    assert again.n == report.n == len(latents["z"])
    for key in ("ladder_1", "ladder_2", "reconstruction_error"):
        assert again.rows[key].effect == pytest.approx(report.rows[key].effect, rel=1e-5), key
    assert "map_labels" in again.arrays or again.plots["map_classes"]
    with pytest.raises(ConfigError, match=r"prior, key: a run brings its own.*latents\.safetensors"):
        lt.audit(run, prior="normal", key="z")
    with pytest.raises(ConfigError, match="the Dataset that it was trained on"):
        lt.audit(run, data=np.zeros((5, 2)))
    assert lt.audit(run, data="digits").n == report.n
    with pytest.raises(ShapeError, match="reads latents of 3 numbers"):
        make_decoder(run, (4,))
    with pytest.raises(ShapeError, match=r"\(the test split of the dataset\) and there are 300"):
        lt.audit(Z, decoder=run, data="digits")


# decoders ----------------------------------------------------------------------------------------------------
def test_modules_are_called_in_evaluation_mode_and_left_as_they_were() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Dropout(0.9)).double()
    module[0].eval()
    decode = make_decoder(module, (3,))
    assert torch.equal(decode(Z), module[0](Z.double()))
    assert [part.training for part in module.modules()] == [True, False, True]
    with pytest.raises(DataError, match="returned str"):
        make_decoder(lambda z: "picture", (3,))(Z)


def test_onnx_files_decode_as_the_graph_says(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    weights = np.arange(12, dtype=np.float32).reshape(3, 4)
    expected = Z.numpy() @ weights
    for batch in ("n", 7, 512):
        path = write_onnx(tmp_path / f"{batch}.onnx", weights, batch)
        np.testing.assert_allclose(make_decoder(path, (3,))(Z).numpy(), expected, rtol=1e-5, atol=1e-5)
    flat = OnnxDecoder(path, (3, 1, 1))  # a spatial latent for a graph that takes it flat
    np.testing.assert_allclose(flat(Z[:5].reshape(5, 3, 1, 1)).numpy(), expected[:5], rtol=1e-5, atol=1e-5)
    report = lt.audit(Z, decoder=str(path), data=expected)
    assert report.rows["reconstruction_error"].effect == pytest.approx(0.0, abs=1e-6)
    double = write_onnx(tmp_path / "double.onnx", weights.astype(np.float64), "n")
    assert make_decoder(double, (3,))(Z).dtype == torch.float32


def test_onnx_files_that_do_not_fit_are_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    weights = np.ones((3, 4), dtype=np.float32)
    with pytest.raises(ShapeError, match=r"input 'z' has shape \(n, 3\), and one latent has shape \(4,\)"):
        OnnxDecoder(write_onnx(tmp_path / "a.onnx", weights, "n"), (4,))
    with pytest.raises(DataError, match=r"takes tensor\(int64\)"):
        OnnxDecoder(write_onnx(tmp_path / "b.onnx", weights.astype(np.int64), "n"), (3,))
    with pytest.raises(DataError, match=r"has 2 inputs \('z', 'w'\) and 1 outputs"):
        OnnxDecoder(write_onnx(tmp_path / "c.onnx", None, "n"), (3,))
    (tmp_path / "d.onnx").write_bytes(b"no model")
    with pytest.raises(DataError, match="not an ONNX model that onnxruntime can run"):
        OnnxDecoder(tmp_path / "d.onnx", (3,))
    with pytest.raises(DataError, match="does not exist"):
        OnnxDecoder(tmp_path / "e.onnx", (3,))
    with pytest.raises(DataError, match=r"not an ONNX model.*(?i:mine|domain)"):
        OnnxDecoder(write_onnx(tmp_path / "f.onnx", weights, "n", domain="mine"), (3,))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"needs onnxruntime.*lather\[onnx\]"):
        OnnxDecoder(tmp_path / "a.onnx", (3,))


def write_onnx(path: Path, weights: np.ndarray | None, batch: int | str, domain: str = "") -> Path:
    """A graph that multiplies latents by ``weights`` (by a second input where there are none)."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    kind = TensorProto.FLOAT if weights is None else helper.np_dtype_to_tensor_dtype(weights.dtype)
    inputs = [helper.make_tensor_value_info("z", kind, [batch, 3])]
    if weights is None:
        inputs.append(helper.make_tensor_value_info("w", kind, [3, 4]))
    output = helper.make_tensor_value_info("x", kind, [batch, 4])
    initial = [] if weights is None else [numpy_helper.from_array(weights, "w")]
    node = helper.make_node("MatMul", ["z", "w"], ["x"], domain=domain)
    graph = helper.make_graph([node], "decoder", inputs, [output], initial)
    opsets = [helper.make_opsetid("", 13), *([helper.make_opsetid(domain, 1)] if domain else [])]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path
