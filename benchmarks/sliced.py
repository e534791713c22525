"""Sliced divergences against POT and SIGReg at the same slices, forward and backward; Cramér–Wold against SIGReg.

    python -m venv peers && peers/bin/pip install . -r benchmarks/requirements-peers.txt
    peers/bin/python benchmarks/sliced.py                          # n = 1024 and 16 384, d = 64 and 512, 256 slices

*W2, POT* is ``ot.sliced_wasserstein_distance`` between latents and as many prior draws, which is what POT offers for
this. SIGReg is written out from its paper (LeJEPA, arXiv:2511.08544: 17 trapezoid nodes on [0, 3], γ = ½), because its
package is not in the public registry: the reference formulation, without the all-reduce. Ours is once on SIGReg's
grid, once exact. CPU time of one thread in milliseconds; sides in turn in the same run; median of the ratios (range).

The last table is Cramér–Wold with γ = ½, which is 1/2π of SIGReg with infinitely many slices, against SIGReg with 1024:
time, and *noise*, the standard deviation over draws of directions on one fixed batch, in percent of the standard
deviation over batches: how much of what a training step sees is the choice of its slices.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

import lather as lt
from lather.divergences import Sliced, Wasserstein1d

try:
    import ot
except ImportError:
    ot = None

STATISTICS = {"w2": Wasserstein1d(), "grid": lt.EppsPulley(gamma=0.5, nodes=17), "exact": lt.EppsPulley(gamma=0.5)}


def directions(k: int, d: int) -> Tensor:
    v = torch.randn(k, d)
    return v / v.norm(dim=1, keepdim=True)


def sigreg(z: Tensor, k: int) -> Tensor:
    """SIGReg, a mean over slices, not multiplied by n."""
    t = torch.linspace(0, 3, 17)
    weight = torch.full((17,), 2 * 3 / 16)
    weight[[0, -1]] /= 2
    target = torch.exp(-t.square() / 2)
    angle = (z @ directions(k, z.shape[1]).T).unsqueeze(-1) * t
    error = (angle.cos().mean(0) - target).square() + angle.sin().mean(0).square()
    return (error @ (weight * target)).mean()


def pot(z: Tensor, k: int) -> Tensor:
    v = directions(k, z.shape[1]).T
    return ot.sliced_wasserstein_distance(z, torch.randn_like(z), projections=v) ** 2


def seconds(loss: Callable[[Tensor], Tensor], z: Tensor) -> float:
    start = time.thread_time()
    loss(z.clone().requires_grad_()).backward()
    return time.thread_time() - start


def compared(peer: Callable[[Tensor], Tensor], ours: Callable[[Tensor], Tensor], z: Tensor, repeats: int) -> str:
    for loss in (peer, ours):
        seconds(loss, z)
    runs = [(seconds(peer, z), seconds(ours, z)) for _ in range(repeats)]
    theirs, own = (1e3 * statistics.median(column) for column in zip(*runs, strict=True))
    ratios = [a / b for a, b in runs]
    return f"{theirs:12.1f}{own:12.1f}{statistics.median(ratios):8.1f} ({min(ratios):.1f}–{max(ratios):.1f})"


def spread(loss: Callable[[Tensor], Tensor], z: list[Tensor]) -> float:
    with torch.no_grad():
        return statistics.pstdev(float(loss(x)) for x in z)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[1024, 16_384])
    parser.add_argument("--d", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--slices", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    k = options.slices
    print(f"{k} slices, one thread, torch {torch.__version__}, POT {ot.__version__ if ot else 'not installed'}; ms")
    print(f"{'':22}{'n':>7}{'d':>5}{'peer':>12}{'ours':>12}{'ratio':>8}")
    for n in options.n:
        for d in options.d:
            z, prior = torch.randn(n, d), lt.StandardNormal(d)
            ours = {name: Sliced(statistic, directions=k) for name, statistic in STATISTICS.items()}
            if ot is not None:
                line = compared(lambda z: pot(z, k), lambda z, p=prior, s=ours: s["w2"](z, p), z, options.repeats)
                print(f"{'W2, POT':22}{n:7}{d:5}{line}", flush=True)
            for name in ("grid", "exact"):
                line = compared(lambda z: sigreg(z, k), lambda z, p=prior, s=ours[name]: s(z, p), z, options.repeats)
                print(f"{f'SIGReg, {name}':22}{n:7}{d:5}{line}", flush=True)
    print(f"\n{'Cramér–Wold':22}{'n':>7}{'d':>5}{'SIGReg 1024':>12}{'ours':>12}{'ratio':>8}{'noise of each, %':>30}")
    for n in (256, 1024):
        for d in options.d:
            prior, exact = lt.StandardNormal(d), lt.CramerWold(gamma=0.5)
            line = compared(
                lambda z: sigreg(z, 1024),
                lambda z, e=exact, p=prior: 2 * math.pi * e(z, p),
                torch.randn(n, d),
                options.repeats,
            )
            batches = [torch.randn(n, d) for _ in range(20)]
            fixed = [batches[0]] * 20
            noise = [
                100 * spread(loss, fixed) / spread(loss, batches)
                for loss in (lambda z: sigreg(z, 1024), lambda z, e=exact, p=prior: e(z, p))
            ]
            print(f"{'':22}{n:7}{d:5}{line}{noise[0]:12.0f}{noise[1]:6.0f}", flush=True)


if __name__ == "__main__":
    main()
