"""Audit an embedding in an AnnData file (.h5ad), as scanpy, scVI or cellxgene leave it in ``obsm``.

Here the "cells" are pictures and the embedding is their PCA, in ``obsm/X_pca`` as scanpy writes it; with a file of your
own, only the last part matters. The file is written with h5py in the layout of AnnData 0.8 and later, so that the
example needs no anndata (``anndata.read_h5ad`` opens it). What one learns: PCA scores are not standardised, so compared
with N(0, I) everything is red and the reason is their spread; divide that out, and what remains is what a generative
model on top of this embedding (a diffusion on X_pca, say, or optimal transport with a Gaussian reference) has to bend.

    python examples/anndata_embedding.py            # 10 000 MNIST pictures, 50 components
    python examples/anndata_embedding.py --quick    # 1797 digits, 10 components
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np
from sklearn.decomposition import PCA

import lather as lt


def write_h5ad(path: Path, x: np.ndarray, embedding: np.ndarray, labels: np.ndarray) -> None:
    """The parts of an AnnData file that matter here: X, obs (an index and a categorical column), var and obsm."""

    def frame(group: h5py.Group, index: list[str], columns: list[str]) -> None:
        group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
        group.attrs["column-order"] = np.array(columns, dtype=h5py.string_dtype())
        group["_index"] = np.array(index, dtype=h5py.string_dtype())
        group["_index"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})

    def matrix(group: h5py.Group, name: str, values: np.ndarray) -> None:
        group.create_dataset(name, data=values).attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})

    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        matrix(file, "X", x.astype(np.float32))
        frame(file.create_group("obs"), [f"cell{i}" for i in range(len(x))], ["cell_type"])
        kinds = file["obs"].create_group("cell_type")
        kinds.attrs.update({"encoding-type": "categorical", "encoding-version": "0.2.0", "ordered": False})
        matrix(kinds, "codes", labels.astype(np.int8))
        kinds["categories"] = np.array([f"digit {k}" for k in range(10)], dtype=h5py.string_dtype())
        kinds["categories"].attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        frame(file.create_group("var"), [f"pixel{i}" for i in range(x.shape[1])], [])
        obsm = file.create_group("obsm")
        obsm.attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        matrix(obsm, "X_pca", embedding.astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="digits in place of MNIST")
    parser.add_argument("--out", default="runs/anndata-embedding", help="folder for the file and the reports")
    args = parser.parse_args()
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)

    data = lt.load("digits", test=0.5) if args.quick else lt.load("mnist")
    split = data.train if args.quick else data.test
    x = split.batch(None).flatten(1).numpy()
    write_h5ad(out / "cells.h5ad", x, PCA(10 if args.quick else 50).fit_transform(x), split.labels.numpy())

    # with a file of your own, start here
    embedding = lt.Latents.read(out / "cells.h5ad", key="obsm/X_pca", labels="cell_type")
    report = lt.audit(embedding)
    print("As it is:\n")
    print(report)
    report.save(out / "as-it-is")

    z = (embedding.z - embedding.z.mean(0)) / embedding.z.std(0)
    standardised = lt.audit(z, labels=embedding.labels)
    print("\n\nEvery component divided by its standard deviation:\n")
    print(standardised)
    standardised.save(out / "standardised")
    print(f"\nreports: {out}/as-it-is/report.html, {out}/standardised/report.html")


if __name__ == "__main__":
    main()
