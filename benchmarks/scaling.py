"""How cost grows with samples, dimensions, slices and components: times, fitted exponents, a plot.

    python benchmarks/scaling.py                                         # a few minutes, one thread
    python benchmarks/scaling.py --plot docs/images/scaling.png

CPU time of the thread, forward and backward where there is a gradient; all points of a curve in turn, the fastest of
--repeats passes. The exponent is the slope in log–log over the upper half of a curve, where fixed costs no longer show.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from lather.divergences import Sliced, Wasserstein1d, hermite, make_divergence
from lather.priors import AggregatePosterior, StandardNormal

Work = Callable[[], object]
DIVERGENCES = ("mmd-imq", "mmd-gaussian", "energy", "cramer-wold", "stein", "distance-cdf", "radius-cdf")


def of_divergence(name: str, n: int, d: int) -> Work:
    divergence, prior = make_divergence(name, d), StandardNormal(d)
    z = torch.randn(n, d)
    return lambda: divergence(z.clone().requires_grad_(), prior).backward()


def of_slices(k: int, n: int = 1024, d: int = 64) -> Work:
    divergence, prior, z = Sliced(Wasserstein1d(), directions=k), StandardNormal(d), torch.randn(n, d)
    return lambda: divergence(z.clone().requires_grad_(), prior).backward()


def of_components(n: int, d: int, m: int = 1024) -> Work:
    law, z = AggregatePosterior(0.6 * torch.randn(n, d), torch.full((n, d), 0.8)), torch.randn(m, d)
    return lambda: law.log_prob(z)


def of_ladder(n: int, d: int = 16) -> Work:
    z = torch.randn(n, d)
    return lambda: hermite.hermite_ladder(z)


def curves(largest: int) -> Mapping[tuple[str, str], Mapping[int, Work]]:
    """By what grows and whose cost it is: work for every size."""
    samples = [n for n in (256, 512, 1024, 2048, 4096, 8192) if n <= largest]
    dimensions = [d for d in (8, 32, 128, 512) if d <= largest]
    found: dict[tuple[str, str], dict[int, Work]] = {}
    for name in DIVERGENCES:
        found["samples", name] = {n: of_divergence(name, n, 32) for n in samples}
        found["dimensions", name] = {d: of_divergence(name, min(1024, largest), d) for d in dimensions}
    found["samples", "hermite ladder (audit)"] = {n: of_ladder(n) for n in samples}
    found["slices", "sliced-wasserstein"] = {k: of_slices(k) for k in (32, 128, 512, 2048) if k <= largest}
    sizes = [n for n in (1000, 4000, 16_000, 64_000) if n <= 16 * largest]
    found["components", "log q, d = 16"] = {n: of_components(n, 16) for n in sizes}
    found["components", "log q, d = 64"] = {n: of_components(n, 64) for n in sizes}
    return found


def timed(works: Mapping[int, Work], repeats: int) -> dict[int, float]:
    best = dict.fromkeys(works, math.inf)
    for work in works.values():
        work()  # tables that are made at first use
    for _ in range(repeats):
        for size, work in works.items():
            start = time.thread_time()
            work()
            best[size] = min(best[size], time.thread_time() - start)
    return best


def exponent(times: Mapping[int, float]) -> float:
    """Least-squares slope of log time in log size over the upper half."""
    points = [(math.log(size), math.log(seconds)) for size, seconds in times.items()][len(times) // 2 - 1 :]
    x, y = (sum(column) / len(points) for column in zip(*points, strict=True))
    return sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)


def plot(results: Mapping[tuple[str, str], Mapping[int, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    kinds = list(dict.fromkeys(what for what, _ in results))
    figure, axes = plt.subplots(1, len(kinds), figsize=(4 * len(kinds), 3.6), layout="constrained", sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        for (what, name), times in results.items():
            if what == kind:
                axis.loglog(list(times), [1e3 * s for s in times.values()], ".-", label=name)
        axis.set(xlabel=kind)
        axis.xaxis.set_minor_formatter("")
        axis.legend(fontsize=6, frameon=False)
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="CPU milliseconds, one thread")
    figure.savefig(path, dpi=120, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=4096, help="samples in the longest curves")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(f"one thread, torch {torch.__version__}\n\n| grows | whose cost | exponent | ms at the largest |")
    print("|---|---|---|---|")
    results = {}
    for (what, name), works in curves(options.largest).items():
        times = results[what, name] = timed(works, options.repeats)
        size, longest = max(times.items())
        print(f"| {what} | {name} | {exponent(times):.2f} | {1e3 * longest:.1f} at {size} |", flush=True)
    if options.plot:
        plot(results, options.plot)


if __name__ == "__main__":
    main()
