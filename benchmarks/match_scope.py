"""What it costs in gradient noise that each process compares its own latents only (``match_scope="local"``).

    python benchmarks/match_scope.py

A batch of n latents, split over k processes. The gradient of the divergence with respect to a common scale and a
common shift of all latents, and to single latents (eight that stay the same while the rest of the batch is drawn anew),
is computed for the whole batch and for the mean over the k parts. Both estimate the same gradient without bias (with
a bandwidth that does not depend on n); printed is the ratio of their standard deviations over repeated batches,
local / global, with a 95% interval (bootstrap over batches).
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from torch import Tensor

from lather.divergences import CramerWold, make_divergence
from lather.priors import StandardNormal

FIXED = 8  #: latents that are the same in all batches


def gradient(name: str, z: Tensor, parts: int) -> list[float]:
    """Derivatives by log scale, by a shift along the first axis, and by the coordinates of the first eight latents."""
    scale = torch.zeros((), dtype=z.dtype, requires_grad=True)
    shift = torch.zeros((), dtype=z.dtype, requires_grad=True)
    z = z.clone().requires_grad_()
    moved = z * scale.exp() + torch.cat([shift.expand(len(z), 1), torch.zeros_like(z[:, 1:])], 1)
    divergence = CramerWold(gamma=0.5) if name == "cramer-wold" else make_divergence(name, z.shape[1])
    prior = StandardNormal(z.shape[1]).to(z.dtype)
    generator = torch.Generator().manual_seed(0)
    value = torch.stack([divergence(part, prior, generator=generator) for part in moved.chunk(parts)]).mean()
    by_scale, by_shift, by_latent = torch.autograd.grad(value, [scale, shift, z])
    return [float(by_scale), float(by_shift), *by_latent[:FIXED].flatten().tolist()]


def deviations(gradients: np.ndarray) -> np.ndarray:
    """Standard deviation over batches by scale, by shift, and by single latents (root mean square over coordinates)."""
    sd = gradients.std(0)
    return np.array([sd[0], sd[1], np.sqrt(np.square(sd[2:]).mean())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=256, help="latents in the whole batch")
    parser.add_argument("--d", type=int, default=16)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--names", default="energy,cramer-wold,mmd-imq,mmd-gaussian,sliced-wasserstein")
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(1)
    print("| divergence | latents | processes | scale | shift | single latents |\n|---|---|---|---|---|---|")
    for name in arguments.names.split(","):
        for kind in ("at the prior", "half way"):  # half way: sd ½ and mean ½ on every axis
            draws = torch.randn(arguments.batches, arguments.n, arguments.d, dtype=torch.float64, generator=generator)
            draws[:, :FIXED] = draws[0, :FIXED]
            draws = draws if kind == "at the prior" else 0.5 * draws + 0.5
            whole = np.array([gradient(name, z, 1) for z in draws])
            for parts in (2, 4, 8):
                local = np.array([gradient(name, z, parts) for z in draws])
                picks = np.random.default_rng(0).integers(len(draws), size=(300, len(draws)))
                ratio = deviations(local) / deviations(whole)
                ratios = np.array([deviations(local[p]) / deviations(whole[p]) for p in picks])
                low, high = np.quantile(ratios, [0.025, 0.975], axis=0)
                cells = [f"{r:.2f} ({a:.2f}–{b:.2f})" for r, a, b in zip(ratio, low, high, strict=True)]
                print(f"| {name} | {kind} | {parts} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
