"""What does each row of an audit see, and what does it overlook?

    python benchmarks/audit_power.py                # alternatives at n = 512, d = 16 and 64, then the puzzle: ~15 min

The alternatives are small departures from N(0, I), one at a time; the puzzle is latents whose every single draw follows
N(0, I) while each datum keeps a bubble of its own (centres N(0, εI), σ² = 1 − ε). Printed is how often each row's
own p-value is below .05, and the median n* where it was seen.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable

import torch
from torch import Tensor

from lather.auditing import Report, measure_latents
from lather.priors import StandardNormal

ROWS = ("two_draw", "three_way", "ladder_1", "ladder_2", "ladder_3", "ladder_4", "radius", "pair_distance", "energy")
ROWS += ("mmd_small", "per_axis", "signal", "holes", "crowding", "strays")


def normal(n: int, d: int, g: torch.Generator) -> Tensor:
    """Draws of N(0, I)."""
    return torch.randn(n, d, generator=g, dtype=torch.float64)


def shifted(n: int, d: int, g: torch.Generator) -> Tensor:
    """Mean (.25, 0, …)."""
    z = normal(n, d, g)
    z[:, 0] += 0.25
    return z


def shrunk(n: int, d: int, g: torch.Generator) -> Tensor:
    """Standard deviation .98 everywhere."""
    return 0.98 * normal(n, d, g)


def heavy(n: int, d: int, g: torch.Generator) -> Tensor:
    """Student's t with 30 degrees of freedom, scaled to unit variance."""
    chi2 = torch.distributions.Chi2(torch.tensor(30.0, dtype=torch.float64))
    torch.manual_seed(int(torch.randint(2**31, (), generator=g)))
    return normal(n, d, g) * (28 / chi2.sample((n, 1))).sqrt()


def bimodal(n: int, d: int, g: torch.Generator) -> Tensor:
    """One axis in two clumps at ±.9, unit variance."""
    z = normal(n, d, g)
    z[:, 0] = 0.9 * z[:, 0].sign() + math.sqrt(1 - 0.81) * normal(n, 1, g)[:, 0]
    return z


def clusters(n: int, d: int, g: torch.Generator) -> Tensor:
    """Ten clusters, whitened: mean 0 and covariance I."""
    centres = 2 * normal(10, d, g)
    z = centres[torch.randint(10, (n,), generator=g)] + 0.5 * normal(n, d, g)
    z = z - z.mean(0)
    values, vectors = torch.linalg.eigh(z.T @ z / n)
    return z @ vectors @ torch.diag(values.rsqrt()) @ vectors.T


def uniform(n: int, d: int, g: torch.Generator) -> Tensor:
    """Independent uniform coordinates of unit variance."""
    return math.sqrt(12) * (torch.rand(n, d, generator=g, dtype=torch.float64) - 0.5)


ALTERNATIVES: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "mean shift": shifted,
    "sd × .98": shrunk,
    "t₃₀ tails": heavy,
    "one bimodal axis": bimodal,
    "10 whitened clusters": clusters,
    "uniform": uniform,
}


def puzzle(n: int, d: int, share: float, seed: int) -> Report:
    """An audit of n latents and 2n training posteriors of the puzzle."""
    g = torch.Generator().manual_seed(seed)
    mean = math.sqrt(share) * normal(3 * n, d, g)
    std = torch.full_like(mean, math.sqrt(1 - share))
    z = mean[:n] + std[:n] * normal(n, d, g)
    sides = {"means": mean[:n], "stds": std[:n], "train_means": mean[n:], "train_stds": std[n:]}
    return measure_latents(z, StandardNormal(d), **sides, seed=seed)


def main() -> None:
    """Two tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=40)
    parser.add_argument("--dimensions", default="16,64")
    parser.add_argument("--puzzle", default="16:.3,64:.3,512:.05,4096:.01")
    arguments = parser.parse_args()
    for d in map(int, filter(None, arguments.dimensions.split(","))):
        print(f"\nshare of p ≤ .05 (median n*), n = 512, d = {d}")
        for name, draw in ALTERNATIVES.items():
            g = torch.Generator().manual_seed(d)
            prior = StandardNormal(d)
            reports = [measure_latents(draw(512, d, g), prior, seed=s) for s in range(arguments.replicates)]
            print(f"{name:<22}" + "  ".join(filter(None, (_cell(key, reports) for key in ROWS))), flush=True)
    for case in filter(None, arguments.puzzle.split(",")):
        d, share = int(case.split(":")[0]), float(case.split(":")[1])
        reports = [puzzle(1_000, d, share, s) for s in range(max(3, arguments.replicates // 4))]
        print(f"\npuzzle, d = {d}, ε = {share}: " + "  ".join(filter(None, (_cell(key, reports) for key in ROWS))))
        print(f"   {reports[0].verdict}; {reports[0].rows['rate'].meaning}", flush=True)


def _cell(key: str, reports: list[Report]) -> str:
    rows = [report.rows[key] for report in reports if report.rows[key].p is not None]
    if not rows:
        return ""
    seen = [row for row in rows if row.p is not None and row.p <= 0.05]
    sizes = [row.n_star.n for row in seen if row.n_star is not None]
    return f"{key} {len(seen) / len(rows):.2f}" + (f" ({statistics.median(sizes):.0f})" if sizes else "")


if __name__ == "__main__":
    main()
