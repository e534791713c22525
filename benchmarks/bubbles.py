"""log q of many queries under one Gaussian for every datum: Lather's, naive PyTorch's, and the bare tiles.

    python benchmarks/bubbles.py                       # N = 60 000, 2048 queries, d = 16 and 64, one thread
    python benchmarks/bubbles.py --queries 10000       # issue-sized; minutes

*naive* broadcasts (z − μ)/σ over all pairs, for 16 queries of which the time is scaled up. *bare* is what no tiled
version in PyTorch can be below: a float32 product, a maximum, a difference, a clamp, an exponential and a sum of every
tile. CPU time of the thread in nanoseconds a pair, each measured in turn in the same run; median and range.
*error* is the largest difference from float64 over 64 queries: in nats, and beyond 1000 nats in thousandths of them.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lather.priors import AggregatePosterior

ROWS, COLUMNS = 512, 512


def mixture(n: int, d: int, sigma: float) -> tuple[Tensor, Tensor]:
    spread = max(1 - sigma**2, 0.02) ** 0.5
    return spread * torch.randn(n, d), sigma * torch.empty(n, d).uniform_(0.7, 1.4)


def naive(z: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    logs = -0.5 * (((z[:, None] - mean) / std).square() + 2 * std.log() + math.log(2 * math.pi)).sum(-1)
    return logs.logsumexp(1) - math.log(len(mean))


def bare(n: int, m: int, d: int) -> Callable[[], None]:
    features, tile, block = torch.randn(ROWS, 2 * d + 1), torch.randn(2 * d + 1, COLUMNS), torch.empty(ROWS, COLUMNS)
    tiles = math.ceil(n / COLUMNS) * math.ceil(m / ROWS)

    def work() -> None:
        for _ in range(tiles):
            torch.mm(features, tile, out=block)
            block.sub_(block.amax(1, keepdim=True)).clamp_(min=-80.0).exp_().sum(1)

    return work


def nanoseconds(work: Callable[[], object], pairs: int) -> float:
    start = time.thread_time()
    work()
    return 1e9 * (time.thread_time() - start) / pairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--components", type=int, default=60_000)
    parser.add_argument("--queries", type=int, default=2048)
    parser.add_argument("--d", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--sigma", type=float, nargs="+", default=[0.8, 0.3, 0.03, 0.003])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    n, m = options.components, options.queries
    print(f"N = {n}, {m} queries, one thread, torch {torch.__version__}; ns a pair, median (range)")
    print(
        f"{'d':>3}{'sigma':>7}{'queries':>9}{'ours':>20}{'naive':>20}{'ratio':>7}{'bare':>18}{'/ bare':>8}{'error':>10}"
    )
    for d in options.d:
        for sigma in options.sigma:
            mean, std = mixture(n, d, sigma)
            law, works = AggregatePosterior(mean, std), bare(n, m, d)
            for kind in ("own", "prior"):
                z = torch.randn(m, d)
                if kind == "own":
                    some = torch.randint(n, (m,))
                    z = mean[some] + std[some] * z
                few = z[: min(16, m)]
                naive(few[:1], mean, std)
                runs = [
                    (
                        nanoseconds(lambda z=z, law=law: law.log_prob(z), n * m),
                        nanoseconds(lambda z=few, mean=mean, std=std: naive(z, mean, std), n * len(few)),
                        nanoseconds(works, n * m),
                    )
                    for _ in range(options.repeats)
                ]
                ours, slow, least = zip(*runs, strict=True)
                ratio, limit = (
                    statistics.median(a / b for a, b in zip(*p, strict=True)) for p in ((slow, ours), (ours, least))
                )
                exact = torch.cat([naive(row[None], mean.double(), std.double()) for row in z[:64].double()])
                wrong = (law.log_prob(z)[:64].double() - exact).abs()
                error = float((wrong / (exact.abs() / 1000).clamp_min(1)).max())
                columns = [f"{statistics.median(v):.2f} ({min(v):.2f}–{max(v):.2f})" for v in (ours, slow, least)]
                print(
                    f"{d:3}{sigma:7}{kind:>9}{columns[0]:>20}{columns[1]:>20}{ratio:7.1f}{columns[2]:>18}{limit:8.2f}"
                    f"{error:10.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
