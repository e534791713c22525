"""Peak memory of one forward and backward pass of the pairwise divergences at n = 65 536, each in its own process.

    python benchmarks/large_batch.py                          # n = 65 536, d = 64, float32; some minutes
    python benchmarks/large_batch.py --n 4096 --plain         # beside it what one would write down; 16 GiB beyond that

*peak* is the largest resident size of the whole process, *before* that with PyTorch and the latents loaded. A matrix
of all pairs would take n² · 4 bytes, 16 GiB, and the plain formulation of the kernel several of them.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

NAMES = ("mmd-imq", "mmd-gaussian", "energy", "cramer-wold", "stein", "distance-cdf")


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(name: str, n: int, d: int, threads: int, plain: bool) -> None:
    import torch

    from lather.divergences import make_divergence
    from lather.priors import StandardNormal

    torch.set_num_threads(threads)
    z = torch.randn(n, d, generator=torch.Generator().manual_seed(0)).requires_grad_()
    divergence, prior = make_divergence(name, d), StandardNormal(d)
    if plain:
        from divergences import PLAIN
    divergence(z[:1].repeat(64, 1), prior).backward()  # what is loaded at first use
    before, start = peak(), time.perf_counter()
    z.grad = None
    (PLAIN[name](z) if plain else divergence(z, prior)).backward()
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())
    side = f"{name}, plain" if plain else name
    print(f"{side:22}{before:12.0f}{peak():10.0f}{time.perf_counter() - start:10.1f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=65_536)
    parser.add_argument("--d", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--plain", action="store_true", help="the formulation in plain PyTorch, too")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        return measure(options.alone, options.n, options.d, options.threads, options.plain)
    print(f"n = {options.n}, d = {options.d}, float32, {options.threads} thread(s)")
    print(f"{'':22}{'before MiB':>12}{'peak MiB':>10}{'seconds':>10}", flush=True)
    same = ["--n", str(options.n), "--d", str(options.d), "--threads", str(options.threads)]
    for name in options.names:
        for side in ([], ["--plain"]) if options.plain and name != "stein" else ([],):
            subprocess.run([sys.executable, __file__, *same, "--alone", name, *side], check=True)


if __name__ == "__main__":
    main()
