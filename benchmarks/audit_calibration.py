"""Is every p-value of an audit uniform where nothing is wrong, and how often does the audit raise a false alarm?

    python benchmarks/audit_calibration.py                       # 300 audits of each shape: some 40 minutes
    python benchmarks/audit_calibration.py --replicates 50 --shapes 32x2,500x64

Latents follow N(0, I) exactly; each is a draw from a posterior N(μ, 1 − ε) with μ ~ N(0, εI), training data likewise.
For the test of two draws, whose null is that latents know nothing of their data, ε = 0. For each shape and row it
prints the Kolmogorov–Smirnov p-value of the p-values against uniform, the share below .05, and, counting all tests
of a report (Holm), the share of reports with a false alarm.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence

import torch
from scipy import stats
from torch import Tensor

from lather.auditing import Report, measure_latents
from lather.priors import StandardNormal

SHAPES = ((32, 2), (500, 64), (2_000, 256), (10_000, 16))
_SHARE = 0.7  # ε


def audited(n: int, d: int, seed: int, share: float = _SHARE) -> Report:
    """An audit of n latents in d dimensions with nothing wrong, beside 2n training posteriors."""
    g = torch.Generator().manual_seed(10_000 + seed)

    def posteriors(m: int) -> tuple[Tensor, Tensor]:
        return math.sqrt(share) * torch.randn(m, d, generator=g), torch.full((m, d), math.sqrt(1 - share))

    (mean, std), (train_mean, train_std) = posteriors(n), posteriors(max(2 * n, 80))
    z = mean + std * torch.randn(n, d, generator=g)
    return measure_latents(
        z, StandardNormal(d), means=mean, stds=std, train_means=train_mean, train_stds=train_std, seed=seed
    )


def main() -> None:
    """Print a table for each shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--replicates", type=int, default=300)
    parser.add_argument("--shapes", default=",".join(f"{n}x{d}" for n, d in SHAPES))
    arguments = parser.parse_args()
    for shape in arguments.shapes.split(","):
        n, d = map(int, shape.split("x"))
        started = time.perf_counter()
        reports = [audited(n, d, seed) for seed in range(arguments.replicates)]
        blind = [audited(n, d, seed, 0.0) for seed in range(arguments.replicates)] if n * d <= 32_000 else []
        print(f"\n{n} × {d}: {len(reports)} audits in {time.perf_counter() - started:.0f} s")
        print(f"{'row':<16}{'uniform: p':>12}{'share ≤ .05':>14}")
        for key in reports[0].rows:
            found = [report.rows[key].p for report in (blind if key == "two_draw" else reports)]
            p = [x for x in found if x is not None]
            if p:
                print(f"{key:<16}{stats.kstest(p, 'uniform').pvalue:>12.3f}{_share(p):>14.3f}")
        alarms = sum(report.verdict != "green" for report in reports)
        low, high = stats.binomtest(alarms, len(reports)).proportion_ci()
        print(f"reports with a false alarm: {alarms / len(reports):.3f} ({low:.3f} to {high:.3f})")


def _share(p: Sequence[float], level: float = 0.05) -> float:
    return sum(x <= level for x in p) / len(p)


if __name__ == "__main__":
    main()
