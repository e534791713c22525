"""What the audit's pairwise rows cost, and what one shared Gram pass could save: the products of the smaller ones.

    python benchmarks/audit_rows.py                        # 10 000 latents, d = 16 and 64, one thread

CPU milliseconds of the thread, the median of --repeats, after a first pass that simulates nulls. *savable* is the time
of the matrix products of energy, MMD and pair distances alone, which the ladder's pass has as well.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from lather.auditing.energy import energy_row
from lather.auditing.ladder import ladder_rows
from lather.auditing.pairs import mmd_small_row, pair_distance_row
from lather.priors import StandardNormal

SIZES = (4000, 4000, 2000)  # latents in the energy, MMD and pair distance rows


def products(z: torch.Tensor, n: int) -> None:
    """The blocks of the upper half of the Gram matrix of ``n`` latents."""
    for i in range(0, n, 256):
        for j in range(i, n, 1024):
            _ = z[i : min(i + 256, n)] @ z[j : min(j + 1024, n)].T


def milliseconds(work: Callable[[], object]) -> float:
    start = time.thread_time()
    work()
    return 1e3 * (time.thread_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows = (ladder_rows, energy_row, mmd_small_row, pair_distance_row)
    print(f"n = {options.n}, one thread, torch {torch.__version__}; ms")
    print(f"{'d':>4}{'ladder':>10}{'energy':>10}{'mmd_small':>10}{'pairs':>10}{'savable':>10}{'share':>8}")
    for d in (16, 64):
        z, prior = torch.randn(options.n, d, dtype=torch.float64), StandardNormal(d)
        works: list[Callable[[], object]] = [lambda row=row, z=z, p=prior: row(z, p) for row in rows]  # type: ignore[misc]
        works.append(lambda z=z: [products(z, min(n, len(z))) for n in SIZES])  # type: ignore[misc]
        for work in works:
            work()
        runs = [[milliseconds(work) for work in works] for _ in range(options.repeats)]
        each = [statistics.median(column) for column in zip(*runs, strict=True)]
        print(f"{d:4}" + "".join(f"{ms:10.1f}" for ms in each) + f"{each[-1] / sum(each[:-1]):8.1%}")


if __name__ == "__main__":
    main()
