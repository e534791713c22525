"""Forward and backward of every divergence against the formulation one would write down in plain PyTorch.

    python benchmarks/divergences.py                     # n = 256 and 4096, d = 64, float32, one thread
    python benchmarks/divergences.py --n 1024 --repeats 9 --device cuda

Both sides of a row are timed in turn in the same run, after a warm-up, and the medians are compared: read the
ratios, not the times, which on a CPU are those of the thread. *products* is the time of the matrix products that a
pairwise divergence cannot do without: half of the n × n × d forwards, all of it for the gradient. *MiB* is what each
keeps for its backward pass.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from lather.divergences import make_divergence
from lather.priors import StandardNormal

SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def squared(x: Tensor, y: Tensor) -> Tensor:
    return (x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T).clamp_min(0.0)


def off_diagonal_mean(k: Tensor) -> Tensor:
    n = len(k)
    return (k.sum() - k.diagonal().sum()) / (n * (n - 1))


def imq(s: Tensor, d: int) -> Tensor:
    k = torch.zeros_like(s)
    for scale in SCALES:
        k = k + 2 * d * scale / (2 * d * scale + s)
    return k


def plain_imq(z: Tensor) -> Tensor:
    """The WAE's loss, with prior draws."""
    y, d = torch.randn_like(z), z.shape[1]
    k = [imq(squared(a, b), d) for a, b in ((z, z), (y, y), (z, y))]
    return off_diagonal_mean(k[0]) + off_diagonal_mean(k[1]) - 2 * k[2].mean()


def plain_gaussian(z: Tensor) -> Tensor:
    d = z.shape[1]
    cross = (d / (1 + d)) ** (d / 2) * torch.exp(-z.square().sum(1) / (2 * (1 + d))).mean()
    return off_diagonal_mean(torch.exp(-squared(z, z) / (2 * d))) - 2 * cross


def plain_energy(z: Tensor) -> Tensor:
    y = torch.randn_like(z)
    return 2 * torch.cdist(z, y).mean() - off_diagonal_mean(torch.cdist(z, z))


def plain_cramer_wold(z: Tensor) -> Tensor:
    """The paper's loss, with its approximate kernel."""
    n, d = z.shape
    gamma = (4 / (3 * n)) ** 0.4
    pairs = torch.rsqrt(gamma + squared(z, z) / (2 * d - 3)).mean()
    cross = torch.rsqrt(gamma + 0.5 + z.square().sum(1) / (2 * d - 3)).mean()
    return (pairs + (1 + gamma) ** -0.5 - 2 * cross) / (2 * math.sqrt(math.pi))


def slices(z: Tensor) -> Tensor:
    v = torch.randn(256, z.shape[1], device=z.device)
    return z @ (v / v.norm(dim=1, keepdim=True)).T


def plain_sliced_wasserstein(z: Tensor) -> Tensor:
    """The SWAE's loss, with prior draws."""
    v = torch.randn(256, z.shape[1], device=z.device)
    v = (v / v.norm(dim=1, keepdim=True)).T
    return ((z @ v).sort(dim=0).values - (torch.randn_like(z) @ v).sort(dim=0).values).square().mean()


def plain_sliced_epps_pulley(z: Tensor) -> Tensor:
    """SIGReg: 17 trapezoidal nodes on [0, 3]."""
    t = torch.linspace(0, 3, 17, device=z.device)
    angle = slices(z)[..., None] * t
    gap = (angle.cos().mean(0) - torch.exp(-t.square() / 2)).square() + angle.sin().mean(0).square()
    return 2 * torch.trapezoid(gap * torch.exp(-t.square() / 2), t, dim=1).mean()


def plain_radius_cdf(z: Tensor) -> Tensor:
    u = torch.special.gammainc(torch.tensor(z.shape[1] / 2), z.square().sum(1).sort().values / 2)
    return (u - (torch.arange(len(z), device=z.device) + 0.5) / len(z)).square().mean()


def plain_distance_cdf(z: Tensor) -> Tensor:
    q = torch.pdist(z).square().sort().values
    u = torch.special.gammainc(torch.tensor(z.shape[1] / 2), q / 4)
    return (u - (torch.arange(len(q), device=z.device) + 0.5) / len(q)).square().mean()


PLAIN: dict[str, Callable[[Tensor], Tensor]] = {
    "mmd-imq": plain_imq,
    "mmd-gaussian": plain_gaussian,
    "energy": plain_energy,
    "cramer-wold": plain_cramer_wold,
    "sliced-wasserstein": plain_sliced_wasserstein,
    "sliced-epps-pulley": plain_sliced_epps_pulley,
    "radius-cdf": plain_radius_cdf,
    "distance-cdf": plain_distance_cdf,
}


def seconds(work: Callable[[], None], device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    clock = time.perf_counter if device == "cuda" else time.thread_time
    start = clock()
    work()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def kept(loss: Callable[[Tensor], Tensor], z: Tensor) -> float:
    """MiB held between forward and backward."""
    held: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss(z.clone().requires_grad_())
    return sum(held.values()) / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, nargs="+", default=[256, 4096])
    parser.add_argument("--d", type=int, default=64)
    parser.add_argument("--names", nargs="+", default=list(PLAIN), choices=list(PLAIN))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    prior = StandardNormal(options.d).to(options.device)
    for n in options.n:
        z = torch.randn(n, options.d, device=options.device)
        print(f"\nn = {n}, d = {options.d}, {options.device}, {options.threads} thread(s), torch {torch.__version__}")
        print(
            f"{'':20}{'plain ms':>10}{'ours ms':>10}{'ratio (range)':>20}{'/ products':>11}"
            f"{'plain MiB':>11}{'ours MiB':>10}"
        )
        for name in options.names:
            ours, plain = make_divergence(name, options.d), PLAIN[name]

            def both(loss: Callable[[Tensor], Tensor], z: Tensor = z) -> Callable[[], None]:
                return lambda: loss(z.clone().requires_grad_()).backward()

            works = [both(plain), both(lambda z, ours=ours: ours(z, prior)), lambda z=z: (z @ z.T) @ z]
            for work in works:
                work()
            runs = [[seconds(work, options.device) for work in works] for _ in range(options.repeats)]
            a, b, limit = (1e3 * statistics.median(column) for column in zip(*runs, strict=True))
            ratios = [run[0] / run[1] for run in runs]
            ratio = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}–{max(ratios):.1f})"
            memory = kept(plain, z), kept(lambda z, ours=ours: ours(z, prior), z)
            print(f"{name:20}{a:10.2f}{b:10.2f}{ratio:>20}{b / (0.75 * limit):11.2f}{memory[0]:11.1f}{memory[1]:10.1f}")


if __name__ == "__main__":
    main()
