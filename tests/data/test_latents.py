"""Latents of any model: what is accepted, what is refused and how it is said, and which array of a file is what."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from lather.data import Latents
from lather.data.arrays import map_npy
from lather.data.remarks import remarks, repeated_rows
from lather.errors import ConfigError, DataError, ShapeError

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(60, 3)).astype(np.float32)
MEAN = RNG.normal(size=(60, 3)).astype(np.float32)
LOGVAR = RNG.uniform(-3, -1, size=(60, 3)).astype(np.float32)
STD = np.exp(0.5 * LOGVAR)
LABELS = np.arange(60) % 4


# what is kept ------------------------------------------------------------------------------------------------
def test_arrays_and_tensors_are_kept_without_a_copy() -> None:
    z = Z.copy()
    assert Latents(z).z.data_ptr() == z.ctypes.data
    for dtype, kept in (
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float64, torch.float64),
    ):
        assert Latents(torch.from_numpy(Z).to(dtype)).z.dtype == kept
    assert Latents(Z.astype(">f4")).z.dtype == torch.float32
    assert torch.equal(Latents(Z.astype(">f4")).z, torch.from_numpy(Z))
    frozen = Z.copy()
    frozen.flags.writeable = False
    assert torch.equal(Latents(frozen).z, torch.from_numpy(Z))  # and no warning


def test_spatial_latents_are_flat_and_keep_their_shape() -> None:
    latents = Latents(RNG.normal(size=(30, 4, 2, 2)))
    assert latents.shape == (4, 2, 2)
    assert latents.d == 16
    assert latents.z.shape == (30, 16)
    assert latents.shaped(latents.z).shape == (30, 4, 2, 2)
    assert repr(latents) == "Latents(30 latents of (4, 2, 2), float64)"


def test_log_variances_become_deviations() -> None:
    latents = Latents(mean=MEAN, logvar=LOGVAR)
    torch.testing.assert_close(latents.std, torch.from_numpy(STD))
    assert latents.z is None
    assert len(latents) == 60


def test_draws_are_those_of_the_posteriors_and_reproducible() -> None:
    mean, std = np.full((4000, 2), 3.0), np.full((4000, 2), 0.5)
    latents = Latents(mean=mean, std=std)
    first, again = (latents.draws(torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert first.mean() == pytest.approx(3.0, abs=0.05)
    assert first.std() == pytest.approx(0.5, abs=0.05)
    assert Latents(Z, mean=MEAN, std=STD).draws() is not None
    assert torch.equal(Latents(Z, mean=MEAN, std=STD).draws(), torch.from_numpy(Z))
    assert torch.equal(Latents(mean=MEAN).draws(), torch.from_numpy(MEAN))


def test_an_encoder_without_noise_has_no_posteriors() -> None:
    latents = Latents(Z, mean=Z, std=np.zeros_like(Z))  # as runs of Lather store it
    assert latents.std is None
    assert latents.mean is None
    assert Latents(mean=Z, std=np.zeros_like(Z)).mean is not None


def test_labels_are_numbers_or_text() -> None:
    assert Latents(Z, labels=LABELS).labels.tolist() == LABELS.tolist()
    named = Latents(Z, labels=np.array(["b", "a", ""] * 20))
    assert named.labels[:3].tolist() == [1, 0, -1]
    assert named.classes == ("a", "b")
    assert named.some(torch.arange(60) < 3).labels.tolist() == [1, 0, -1]
    assert Latents(Z).labelled(LABELS).labels.tolist() == LABELS.tolist()
    with pytest.raises(DataError, match=r"60 samples, but labels of shape \(59,\)"):
        Latents(Z, labels=LABELS[:59])


# what is refused ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("z", "kind", "message"),
    [
        (Z[:, 0], ShapeError, r"shape \(60,\).* for 60 latents of one dimension give z\[:, None\]"),
        (np.array(1.0), ShapeError, "single number"),
        (np.zeros((0, 3)), DataError, r"holds no values \(shape \(0, 3\)\)"),
        (np.zeros((5, 0)), DataError, "holds no values"),
        (LABELS.reshape(20, 3), DataError, r"type int64.*pictures, classes.*astype\('float32'\)"),
        (torch.zeros(30, 3, dtype=torch.uint8), DataError, "type uint8"),
        (Z.astype(complex), DataError, "type complex128"),
        (np.full((30, 2), None), DataError, "type object"),
        (np.full((30, 2), "a"), DataError, "type <U1"),
        (torch.zeros(30, 3).to_sparse(), DataError, "to_dense"),
        (np.ma.masked_less(Z, 0), DataError, "masked"),
    ],
)
def test_what_cannot_be_latents_is_refused(z: object, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Latents(z)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_found(bad: float) -> None:
    z = Z.copy()
    z[41, 2] = bad
    z[50, 0] = bad
    with pytest.raises(DataError, match=r"2 of 180 values are NaN or infinite.* sample 41, position \(2,\)"):
        Latents(z)
    with pytest.raises(DataError, match="the latents, std: 2 of 180"):
        Latents(mean=MEAN, std=np.where(np.isfinite(z), STD, z))


def test_posteriors_must_be_whole_and_fit() -> None:
    with pytest.raises(ConfigError, match="neither was given"):
        Latents()
    with pytest.raises(ConfigError, match="give one of them"):
        Latents(mean=MEAN, std=STD, logvar=LOGVAR)
    with pytest.raises(ConfigError, match="logvar without mean"):
        Latents(Z, logvar=LOGVAR)
    with pytest.raises(ShapeError, match=r"mean has shape \(60, 3\) and std \(60, 2\)"):
        Latents(mean=MEAN, std=STD[:, :2])
    with pytest.raises(ShapeError, match="one of them is transposed"):
        Latents(mean=MEAN, std=STD.T)
    with pytest.raises(DataError, match=r"180 values are not positive.*sample 0, dimension 0.*logvar="):
        Latents(mean=MEAN, std=LOGVAR)
    with pytest.raises(DataError, match=r"1 values are not positive, the first is 0 in sample 7, dimension 1"):
        Latents(mean=MEAN, std=np.where(np.arange(180).reshape(60, 3) == 22, 0, STD))
    with pytest.raises(DataError, match="0 or infinite"):
        Latents(mean=MEAN, logvar=LOGVAR * 1e4)
    with pytest.raises(ConfigError, match="z equals mean"):
        Latents(MEAN, mean=MEAN, std=STD)


# what is remarked on -----------------------------------------------------------------------------------------
def test_remarks_name_what_is_odd() -> None:
    assert Latents(Z).notes == ()
    z = Z.copy()
    z[:, 1] = 2.0
    z[10] = z[11] = z[12]
    constant, copies = Latents(z).notes
    assert constant.startswith("1 of 3 dimensions is the same for every datum (number 1)")
    assert copies.startswith("2 of 60 latents are exact copies of another one")
    (wide,) = Latents(RNG.normal(size=(25, 40))).notes
    assert "more dimensions (40) than latents (25)" in wide
    assert "transpose" in wide
    assert len(remarks(torch.zeros(30, 20))[0]) < 250  # not every number is listed


def test_copies_are_counted_in_any_dtype_and_no_others() -> None:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(20_000, 2, generator=generator)
    z[15_000] = z[3]
    z[19_999] = z[3]
    # doubles that were floats, and halves that became floats, end in zero bits; they must not look alike
    for tensor, expected in ((z, 2), (z.double(), 2), (z[:3000].half().float(), None)):
        expected = len(tensor) - len(torch.unique(tensor, dim=0)) if expected is None else expected
        assert repeated_rows(tensor) == expected


# files -------------------------------------------------------------------------------------------------------
def test_npy_files_stay_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "z.npy"
    for array in (Z, np.asfortranarray(Z), Z.astype(">f8"), Z.astype(np.float16)):
        np.save(path, array)
        assert torch.equal(
            Latents.read(path).z, torch.from_numpy(array.astype(array.dtype.newbyteorder("="))).to(Latents.read(path).z)
        )
    np.save(path, Z)
    mapped = map_npy(path)
    assert isinstance(mapped.base, np.memmap)
    latents = Latents.read(path)
    assert latents.z.data_ptr() != 0
    latents.z[0] = 0.0  # changes a copy of the page
    assert np.array_equal(np.load(path), Z)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match="cut off"):
        Latents.read(path)
    np.save(path, np.array([[{}, 1]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="Python objects"):
        Latents.read(path)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
@pytest.mark.parametrize(
    "names", [("mean", "std", "labels"), ("mu", "sigma", "y"), ("MU", "log_variance", "label"), ("mu", "log_var", "y")]
)
def test_arrays_are_known_by_name(kind: str, names: tuple[str, str, str], tmp_path: Path) -> None:
    path = tmp_path / f"latents.{kind}"
    width = STD if names[1] in ("std", "sigma") else LOGVAR
    save(path, {names[0]: MEAN, names[1]: width, names[2]: LABELS})
    latents = Latents.read(path)
    assert latents.z is None
    assert torch.equal(latents.mean, torch.from_numpy(MEAN))
    torch.testing.assert_close(latents.std, torch.from_numpy(STD))
    assert latents.labels.tolist() == LABELS.tolist()
    save(path, {names[0]: MEAN, names[1]: width, "Z": Z})
    assert torch.equal(Latents.read(path).z, torch.from_numpy(Z))
    alone = Latents.read(path, key="Z")  # a key asks for this and nothing else
    assert alone.mean is None
    assert alone.std is None


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_arrays_can_be_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"latents.{kind}"
    save(path, {"a": MEAN, "b": LOGVAR, "c": Z, "kind": LABELS})
    with pytest.raises(DataError, match=r"holds 'a', 'b', 'c', 'kind'.*not clear.*--key"):
        Latents.read(path)
    with pytest.raises(DataError, match="no array 'q'; it has 'a'"):
        Latents.read(path, key="q")
    with pytest.raises(DataError, match=r"std='q' is neither an array of .* nor an existing file"):
        Latents.read(path, mean="a", std="q")
    posteriors = Latents.read(path, mean="a", logvar="b", labels="kind")
    assert posteriors.z is None
    assert posteriors.labels.tolist() == LABELS.tolist()
    both = Latents.read(path, key="c", mean="a", logvar="b")
    assert torch.equal(both.z, torch.from_numpy(Z))
    assert torch.equal(both.mean, torch.from_numpy(MEAN))
    save(path, {"whatever": Z})
    assert torch.equal(Latents.read(path).z, torch.from_numpy(Z))


def test_posteriors_in_files_of_their_own(tmp_path: Path) -> None:
    for name, x in (("mu", MEAN), ("logvar", LOGVAR), ("z", Z), ("kinds", LABELS)):
        np.save(tmp_path / f"{name}.npy", x)
    mu, logvar = tmp_path / "mu.npy", tmp_path / "logvar.npy"
    for latents in (
        Latents.read(mu, logvar=logvar),  # no mean named: the file itself holds it
        Latents.read(mu, mean=mu, logvar=logvar),  # and never z = mean
    ):
        assert latents.z is None
        assert torch.equal(latents.mean, torch.from_numpy(MEAN))
        torch.testing.assert_close(latents.std, torch.from_numpy(STD))
    all_three = Latents.read(tmp_path / "z.npy", mean=mu, logvar=logvar, labels=tmp_path / "kinds.npy")
    assert torch.equal(all_three.z, torch.from_numpy(Z))
    assert all_three.labels.tolist() == LABELS.tolist()


def test_numbered_columns_are_one_array(tmp_path: Path) -> None:
    order = [2, 0, 1]  # as they stand in the file; 10 comes after 9
    lines = [",".join(["id", *(f"mu_{i}" for i in order), *(f"logvar.{i}" for i in order), "label"])]
    for i in range(60):
        row = [f"cell{i}", *(repr(float(MEAN[i, j])) for j in order), *(repr(float(LOGVAR[i, j])) for j in order)]
        lines.append(",".join([*row, "ab"[i % 2]]))
    path = tmp_path / "posteriors.csv"
    path.write_text("\n".join(lines))
    latents = Latents.read(path)
    torch.testing.assert_close(latents.mean.float(), torch.from_numpy(MEAN))
    torch.testing.assert_close(latents.std.float(), torch.from_numpy(STD))
    assert latents.classes == ("a", "b")
    chosen = Latents.read(path, columns=("mu_1", "mu_2"))
    torch.testing.assert_close(chosen.z.float(), torch.from_numpy(MEAN[:, 1:]))
    torch.testing.assert_close(Latents.read(path, key="mu").z.float(), torch.from_numpy(MEAN))
    with pytest.raises(DataError, match="no column 'kind'"):
        Latents.read(path, labels="kind")
    with pytest.raises(DataError, match="something other than numbers"):
        Latents.read(path, key="id")


def test_a_plain_table_is_z_but_for_its_label(tmp_path: Path) -> None:
    path = tmp_path / "z.tsv"
    path.write_text("x\ty\tclass\n" + "\n".join(f"{a}\t{b}\t{k}" for (a, b, _), k in zip(Z, LABELS, strict=True)))
    latents = Latents.read(path)
    assert latents.d == 2  # y is a coordinate here
    assert latents.labels.tolist() == LABELS.tolist()
    np.save(tmp_path / "z.npy", Z)
    with pytest.raises(ConfigError, match="columns= is for tables"):
        Latents.read(tmp_path / "z.npy", columns=("x",))


def test_parquet_columns_of_lists(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "latents.parquet"
    table = {"text": ["t"] * 60, "mean": list(MEAN), "std": list(STD), "cell_type": [f"c{i}" for i in LABELS]}
    pq.write_table(pa.table(table), path)
    latents = Latents.read(path)
    assert latents.mean.dtype == torch.float32
    assert torch.equal(latents.mean, torch.from_numpy(MEAN))
    assert torch.equal(latents.std, torch.from_numpy(STD))
    assert latents.classes == ("c0", "c1", "c2", "c3")
    pq.write_table(pa.table({"emb": list(Z), "n": range(60)}), path)
    assert torch.equal(Latents.read(path, key="emb").z, torch.from_numpy(Z))


def test_h5ad_embeddings(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "cells.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = RNG.poisson(1.0, size=(60, 9))
        file["obsm/X_pca"] = Z
        file["obs/leiden"] = LABELS
    assert torch.equal(Latents.read(path).z, torch.from_numpy(Z))  # X is data, the one embedding is latents
    assert Latents.read(path, key="obsm/X_pca", labels="leiden").labels.tolist() == LABELS.tolist()
    with h5py.File(path, "a") as file:
        file["obsm/mu"], file["obsm/var"] = MEAN, LOGVAR
    with pytest.raises(DataError, match=r"'obsm/X_pca', 'obsm/mu', 'obsm/var'.*--key"):
        Latents.read(path)
    assert torch.equal(Latents.read(path, key="X_pca").z, torch.from_numpy(Z))
    posteriors = Latents.read(path, mean="mu", logvar="obsm/var")
    assert torch.equal(posteriors.mean, torch.from_numpy(MEAN))
    torch.testing.assert_close(posteriors.std, torch.from_numpy(STD))
    with pytest.raises(DataError, match="int64"):
        Latents.read(path, key="X")


def test_files_that_are_no_latents(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not an existing file"):
        Latents.read(tmp_path / "none.npy")
    with pytest.raises(DataError, match=r"directory without latents\.safetensors"):
        Latents.read(tmp_path)
    for name, message in (("z.pt", r"may be a pickle.*safetensors"), ("z.txt", "ending that is not known")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(DataError, match=message):
            Latents.read(tmp_path / name)
    for name in ("z.npz", "z.safetensors", "z.npy"):
        (tmp_path / name).write_bytes(b"\x93NUMPYxx" * 4)
        with pytest.raises(DataError, match=r"write it|not a"):
            Latents.read(tmp_path / name)


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        save_file({name: np.ascontiguousarray(x) for name, x in arrays.items()}, path)
