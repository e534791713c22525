"""Coverage-guided fuzzing of one reader with atheris (``pip install atheris``), which grows inputs that reach new code.

    PYTHONPATH=src python tests/fuzz/guided.py npz -max_total_time=600

Whatever follows the ending is for libFuzzer. What it finds is written to ``crash-*`` in the current folder.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["lather", "zipfile", "csv", "json", "PIL"]):
    from lather.data import Latents, load
    from lather.errors import LatherError
    from lather.files import read_json
    from lather.train.metrics import read_metrics

READERS: dict[str, Callable[[Path], object]] = {
    "npy": Latents.read,
    "npz": Latents.read,
    "safetensors": Latents.read,
    "csv": Latents.read,
    "parquet": Latents.read,
    "idx": load,
    "json": read_json,
    "jsonl": read_metrics,
}


def seeds(folder: Path, ending: str) -> None:
    """A valid file to start from, where there is one to write."""
    z = np.random.default_rng(0).normal(size=(6, 2)).astype("f4")
    numbers = io.BytesIO()
    np.save(numbers, z)
    (folder / "rows").write_bytes(b'z_0,z_1,label\n1,2,a\n3,4.5,"b"\n')
    (folder / "json").write_bytes(b'{"step": 1, "epoch": 1, "split": "train", "a": [1.5, null, "\\u00e9"]}')
    (folder / "idx").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 2]) + bytes(range(16)))
    (folder / "npy").write_bytes(numbers.getvalue())
    with zipfile.ZipFile(folder / "npz", "w") as archive:
        archive.writestr("z.npy", numbers.getvalue())


def main() -> None:
    ending = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as name:
        corpus, path = Path(name) / "corpus", Path(name) / f"x.{ending}"
        corpus.mkdir()
        seeds(corpus, ending)

        def once(data: bytes) -> None:
            path.unlink(missing_ok=True)
            path.write_bytes(data)
            with contextlib.suppress(LatherError):
                READERS[ending](path)

        atheris.Setup([sys.argv[0], str(corpus), *sys.argv[1:]], once)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
