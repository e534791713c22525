"""The picture of docs/calibration.md: detection size against effect size, for three statistics.

    python benchmarks/calibration.py                     # writes docs/images/detection-size.png, a few minutes

Latents are s · N(0, I) in 16 dimensions for several s < 1: too narrow, by 1 − s. Points are estimates from 3000
latents, bars their intervals; an arrow means that 3000 latents do not show the difference.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch

import lather as lt

D, N = 16, 3000
NARROWER = (0.02, 0.04, 0.08, 0.16, 0.32)
STATISTICS = {
    "RadiusCDF()": lt.RadiusCDF(),
    "HermiteLadder(order=2)": lt.HermiteLadder(order=2),
    "Energy()": lt.Energy(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/detection-size.png"))
    out = parser.parse_args().out

    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    prior = lt.StandardNormal(D)
    z = prior.sample(N, generator=torch.Generator().manual_seed(0))
    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for (name, divergence), colour, marker, nudge in zip(
        STATISTICS.items(), ("#0072b2", "#d55e00", "#009e73"), "osD", (0.97, 1.0, 1.03), strict=True
    ):
        seen: list[tuple[float, float]] = []
        for narrower in NARROWER:
            size = lt.detection_size(divergence, (1 - narrower) * z, prior)
            print(f"{name:24s} scale {1 - narrower:.2f}  n* {size}", flush=True)
            x = 100 * narrower * nudge
            if not size.detected:
                axes.annotate("", (x, 1.9 * N), (x, N), arrowprops={"arrowstyle": "->", "color": colour, "lw": 1.6})
                axes.plot(x, N, marker, color=colour, mfc="white")
                continue
            high = size.high if math.isfinite(size.high) else 1e5
            axes.plot([x, x], [size.low, high], color=colour, lw=1.2, alpha=0.6)
            seen.append((x, size.n))
        axes.plot(*zip(*seen, strict=True), marker=marker, color=colour, label=name, ms=5)
    axes.axhline(N, color="0.6", lw=0.8, ls=":")
    axes.text(33, N * 1.06, f"{N} latents at hand", color="0.4", ha="right", va="bottom", fontsize=8)
    axes.set(xscale="log", yscale="log", ylim=(1.6, 9000))
    axes.set_xticks([100 * s for s in NARROWER], [f"{100 * s:.0f}%" for s in NARROWER])
    axes.minorticks_off()
    axes.set_xlabel("latents narrower than the prior by")
    axes.set_ylabel("detection size n*")
    axes.set_title(f"Samples needed to notice, d = {D}", fontsize=11, loc="left")
    axes.legend(frameon=False, loc="lower left")
    axes.spines[["top", "right"]].set_visible(False)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150)


if __name__ == "__main__":
    main()
