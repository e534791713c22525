"""Files made to run something, to fill the memory or to reach other files: each is refused by name, or inert.

Elsewhere already: object arrays in ``.npy`` (data/test_numpy_files, data/test_latents), a zip bomb by its declared size
(data/test_numpy_files), a PNG bomb and PostScript (data/test_pictures), an HDF5 giant (data/test_h5ad_files), links out
of HDF5 files (data/test_h5ad_files), checkpoints and their checksums (train/test_faults, pipeline/test_check), a source
without ``torch.load``, pickle, ``eval`` or ``exec`` (test_imports).
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attack
import numpy as np
import pytest
import torch

import lather
from lather.auditing import Report
from lather.data import Latents, load
from lather.data.latent_blocks import pieces_of
from lather.errors import LatherError
from lather.pipeline.check import check_run
from lather.pipeline.decoders import make_decoder
from lather.train import open_run
from lather.train.checkpoint import load_tensors
from lather.train.metrics import read_metrics

SOURCE = Path(lather.__file__).parent


def refused(read: Callable[[Any], object], path: Path) -> str:
    """The message, which must name the file."""
    with pytest.raises(LatherError) as found:
        read(path)
    assert path.name in str(found.value)
    return str(found.value)


def saved_report(path: Path) -> Report:
    (path.parent / "report.json").write_text('{"schema": 1}')
    return Report.load(path.parent)


READERS: dict[str, tuple[Callable[[Path], object], ...]] = {
    ".pt": (Latents.read, load),
    ".pth": (Latents.read, load),
    ".ckpt": (Latents.read, load),
    ".bin": (Latents.read, load),
    ".pkl": (Latents.read, load),
    ".pickle": (Latents.read, load),
    ".joblib": (Latents.read, load),
    ".npy": (Latents.read, load, pieces_of),
    ".npz": (Latents.read, load),
    ".safetensors": (Latents.read, load_tensors, pieces_of),
    ".parquet": (Latents.read, load, pieces_of),
    ".h5ad": (Latents.read, load),
    ".csv": (Latents.read, load),
    ".idx": (load,),
    ".onnx": (lambda path: make_decoder(path, (2,)),),
}


@pytest.mark.parametrize("ending", READERS)
def test_a_pickle_is_never_opened_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    path, sprung = tmp_path / f"latents{ending}", tmp_path / "sprung"
    by_torch = io.BytesIO()
    torch.save({"z": attack.Trap(sprung)}, by_torch)  # a zip archive, as .npz is
    for data in (attack.pickled(sprung), by_torch.getvalue()):
        path.write_bytes(data)
        for read in READERS[ending]:
            refused(read, path)
    assert not sprung.exists()


def test_a_run_directory_of_pickles_runs_nothing(tmp_path: Path) -> None:
    run, sprung = tmp_path / "run", tmp_path / "sprung"
    (run / "last.ckpt").mkdir(parents=True)
    names = ("config.json", "model.safetensors", "metrics.jsonl", "prior.json", "prior.safetensors", "report.json")
    for name in (*names, "report.npz", "latents.safetensors", "last.ckpt/state.json"):
        (run / name).write_bytes(attack.pickled(sprung))
    refused(open_run, run)
    refused(read_metrics, run / "metrics.jsonl")
    assert {part.state for part in check_run(run)} == {"bad"}
    assert not sprung.exists()


def test_nothing_in_the_tree_unpickles_unpacks_or_starts_a_shell() -> None:
    deeds = (
        r"torch\.load\(|pickle\.loads?\(|\b(marshal|shelve|dill|joblib|cloudpickle)\.loads?\(|yaml\.(unsafe_)?load\(",
        r"\.extract(all)?\(|unpack_archive|shell=True|os\.system\(|register_custom_ops|allow_pickle=True",
    )
    root = SOURCE.parent.parent
    files = [*SOURCE.rglob("*.py"), *(root / "examples").rglob("*.py"), *(root / "benchmarks").rglob("*.py")]
    assert len(files) > 200
    for file in files:
        found = re.search("|".join(deeds), file.read_text(encoding="utf-8"))
        assert found is None or re.match(r"\.extract", found.group()), f"{file} contains {found and found.group()}"


# archives, links, pipes -----------------------------------------------------------------------------------------------
def test_members_of_an_archive_stay_in_it(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.arange(40.0).reshape(20, 2))
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    for name in ("../../escaped.npy", "/tmp/lather-escaped.npy", "..\\..\\escaped.npy"):
        with zipfile.ZipFile(inside / "x.npz", "w") as archive:
            archive.writestr(name, file.getvalue())
        assert len(load(inside / "x.npz").train) == 16  # read where it is, under whatever name
        assert len(Latents.read(inside / "x.npz")) == 20
    with zipfile.ZipFile(inside / "x.npz", "w") as archive:
        link = zipfile.ZipInfo("x.npy")
        link.external_attr = 0o120777 << 16  # a symbolic link
        archive.writestr(link, str(tmp_path / "secret.npy"))
    (tmp_path / "secret.npy").write_bytes(file.getvalue())
    refused(load, inside / "x.npz")  # not followed: the target is taken for the contents
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "secret.npy", "x.npz"]
    assert not Path("/tmp/lather-escaped.npy").exists()


def test_links_are_neither_circles_nor_ways_out(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("hunter2")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(9):
        (folder / f"{i}.png").write_bytes(attack.picture("PNG"))
    (folder / "circle").symlink_to(folder)
    (folder / "self.png").symlink_to(folder / "self.png")
    (folder / "nowhere.npy").symlink_to(folder / "nothing")
    assert "self.png" in str(refused(load, folder))
    (folder / "self.png").unlink()
    (folder / "out.png").symlink_to(tmp_path / "secret.txt")
    assert "hunter2" not in refused(load, folder)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").symlink_to(tmp_path / "secret.txt")
    assert "hunter2" not in refused(open_run, tmp_path / "run")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    for name in ("x.npy", "x.npz", "x.csv", "x.idx", "metrics.jsonl", "config.json", "model.safetensors"):
        os.mkfifo(tmp_path / name)
    for name in ("x.npy", "x.npz", "x.csv", "x.idx"):
        refused(load, tmp_path / name)
        if not name.endswith("idx"):
            refused(Latents.read, tmp_path / name)
    refused(read_metrics, tmp_path / "metrics.jsonl")
    refused(load_tensors, tmp_path / "model.safetensors")
    refused(open_run, tmp_path)
    assert {part.state for part in check_run(tmp_path)} <= {"bad", "missing"}


# giants ---------------------------------------------------------------------------------------------------------------
READ_IN_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import numpy, torch, PIL.Image, scipy.stats, sklearn, pyarrow.parquet, h5py, safetensors
import lather.data.memory, lather.data.latents
from lather.data import Latents, load
from lather.data.latent_blocks import pieces_of
from lather.errors import LatherError
from lather.train import open_run

lather.data.memory._physical = lambda: 256 << 20
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (2 << 30), -1))
for path in sorted(Path(sys.argv[1]).iterdir()):
    readers = [load] if path.is_dir() or "-ubyte" in path.name else [load, Latents.read]
    if path.name == "run":
        readers = [open_run]
    if path.suffix == ".safetensors":
        readers = [Latents.read, pieces_of]
    for read in readers:
        try:
            read(path)
        except LatherError as error:
            assert path.name in str(error) or "/giant" in str(error), error
        else:
            raise SystemExit(f"{path.name} was read by {read}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 << 10, f"{grown >> 10} MiB for {path.name}"
    print(path.name, flush=True)
"""


def giant_files(folder: Path) -> None:
    """Small files that declare, or unpack to, gigabytes."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    h5py = pytest.importorskip("h5py")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (%d, 1000), }"
    for name, rows in (("declared", 10**12), ("overflow", 2**62)):
        text = header % rows
        npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(800)
        (folder / f"{name}.npy").write_bytes(npy)
        with zipfile.ZipFile(folder / f"{name}.npz", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("z.npy", npy)
    for name, shape, end in (
        ("declared", [2**30, 2**10], 2**42),
        ("overflow", [2**40, 2**40], 64),
        ("cut", [8, 1], 64),
    ):
        text = json.dumps({"z": {"dtype": "F64", "shape": shape, "data_offsets": [0, end]}}).encode()
        (folder / f"{name}.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(32))
    (folder / "header.safetensors").write_bytes(struct.pack("<Q", 2**60) + b"{}")
    idx = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**31, 2**10, 2**10)
    (folder / "declared-ubyte").write_bytes(idx + bytes(100))
    (folder / "packed-ubyte.gz").write_bytes(gzip.compress(idx + bytes(100)))
    for name, rows, value in (("repeats", 40_000_000, 1.5), ("pictures", 2_000, bytes(1 << 20))):
        column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, "i1")), pa.array([value]))
        table = pa.table({"image": column, "z": column})
        pq.write_table(
            table, folder / f"{name}.parquet", compression="zstd", store_schema=False, row_group_size=rows // 2
        )
    bombs = [{"bytes": data} for data in attack.giants().values()]
    pq.write_table(pa.table({"image": bombs}), folder / "bombs.parquet")
    (folder / "line.csv.gz").write_bytes(gzip.compress(b"a,b\n1," + b"2" * (40 << 20), 1))
    (folder / "field.csv.gz").write_bytes(gzip.compress(b'a,b\n1,"' + b"2\n" * (2 << 20), 1))
    with h5py.File(folder / "sparse.h5ad", "w") as out:
        group = out.create_group("X")
        group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", np.array([2, 3])
        for name in ("indptr", "indices", "data"):
            group.create_dataset(name, (2**38,), "f8", chunks=(1024,))
    with h5py.File(folder / "labels.h5ad", "w") as out:
        out["X"] = np.ones((20, 3))
        out.create_dataset("obs/label", (2**38,), "f8", chunks=(1024,))
    for ending, data in attack.giants().items():
        place = folder / f"giant{ending[1:]}"
        place.mkdir()
        (place / f"giant{ending}").write_bytes(data)


def giant_run(folder: Path) -> None:
    """A run whose configuration asks for networks that no machine holds."""
    from lather.models import describe
    from lather.train import Settings
    from lather.train.assemble import assemble
    from lather.train.checkpoint import save_tensors

    folder.mkdir()
    data = load("digits", limit=40)
    model = assemble("ae", data, 2, nets="mlp", net_options={"hidden": (4,)})
    save_tensors(folder / "model.safetensors", model.state_dict())
    words = describe(model)
    words["encoder"]["arguments"]["hidden"] = [2**20, 2**20]
    config = {"schema": 1, "data": {}, "model": words, "training": Settings().to_dict()}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits on memory are Linux's")
def test_what_a_file_declares_is_not_allocated(tmp_path: Path) -> None:
    giant_files(tmp_path)
    giant_run(tmp_path / "run")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 2 << 20
    command = [sys.executable, "-c", READ_IN_LITTLE_MEMORY, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stderr[-2000:]
    assert found.stdout.split() == sorted(path.name for path in tmp_path.iterdir())


# decoders -------------------------------------------------------------------------------------------------------------
def onnx_model(weights: str) -> bytes:
    """z @ w, with w in another file."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[2, 4], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", weights), ("offset", "0"), ("length", "32")):
        tensor.external_data.add(key=key, value=value)
    info, helper = onnx.helper.make_tensor_value_info, onnx.helper
    node = helper.make_node("MatMul", ["z", "w"], ["x"])
    graph = helper.make_graph([node], "g", [info("z", 1, ["n", 2])], [info("x", 1, ["n", 4])], [tensor])
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )


def test_an_onnx_decoder_reads_weights_of_its_own_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "decoder"
    folder.mkdir()
    for place in (tmp_path / "secret.bin", folder / "weights.bin"):
        place.write_bytes(np.arange(8, dtype="f4").tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = folder / "decoder.onnx"
    path.write_bytes(onnx_model("weights.bin"))
    assert make_decoder(path, (2,))(torch.eye(2)).tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    outside = ("../secret.bin", str(tmp_path / "secret.bin"), "a/../../secret.bin", "../../../../../../etc/passwd")
    for weights in (*outside, "link.bin"):
        path.write_bytes(onnx_model(weights))
        assert "not an ONNX model that onnxruntime can run" in refused(lambda p: make_decoder(p, (2,)), path)


def test_an_onnx_decoder_brings_no_operators_of_its_own(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    info, helper = onnx.helper.make_tensor_value_info, onnx.helper
    node = helper.make_node("PyOp", ["z"], ["x"], domain="ai.onnx.contrib", module="os", cls="system")
    graph = helper.make_graph([node], "g", [info("z", 1, ["n", 2])], [info("x", 1, ["n", 2])])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.contrib", 1)]
    path = tmp_path / "decoder.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    refused(lambda p: make_decoder(p, (2,)), path)


def test_an_onnxruntime_that_would_read_other_folders_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "decoder.onnx"
    path.write_bytes(b"not read")
    monkeypatch.setattr(onnxruntime, "__version__", "1.23.2")
    assert "upgrade to 1.24.1 or newer" in refused(lambda p: make_decoder(p, (2,)), path)
