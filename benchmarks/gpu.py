"""The suite on a CUDA device: do values agree with the CPU, how long it takes, how near to the device's ceilings.

    python benchmarks/gpu.py                              # n = 65 536, d = 64 on CUDA
    python benchmarks/gpu.py --n 512 --d 8                # where there is none, the same on the CPU, and it says so

*Agreement*: value and gradient of every divergence in float32 on the device, against float64 on the CPU at n = 1024.
*Time*: forward and backward at the size asked for; beside it the share of the matrix-product ceiling, which is what the
engine's products alone take (1.5 n² d multiply–adds: half of the pairs forwards, all of them for the gradient) at the
rate measured for one large product; and peak memory. *bf16*: under bf16 autocast a statistic has float32's value for
the same latents. *Waits*: a training step with every divergence under ``torch.cuda.set_sync_debug_mode("error")``,
which raises where the host waits for the device.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from lather.divergences import Divergence, make_divergence
from lather.priors import StandardNormal

NAMES = (
    *("mmd-imq", "mmd-gaussian", "energy", "cramer-wold", "stein", "distance-cdf", "radius-cdf"),
    *("sliced-wasserstein", "sliced-epps-pulley"),
)
PAIRWISE = NAMES[:6]


def value_and_gradient(divergence: Divergence, z: Tensor) -> tuple[Tensor, Tensor]:
    z = z.clone().requires_grad_()
    value = divergence(z, StandardNormal(z.shape[1]).to(z.device), generator=torch.Generator(z.device).manual_seed(0))
    (gradient,) = torch.autograd.grad(value, z)
    return value.detach(), gradient


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    def finished() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    work()
    times = []
    for _ in range(repeats):
        finished()
        start = time.perf_counter()
        work()
        finished()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def ceilings(device: torch.device, repeats: int, size: int) -> tuple[float, float]:
    """Multiply–adds a second of a float32 product, and bytes a second of a copy."""
    a, b = torch.randn(2, size, size, device=device)
    product = size**3 / seconds(lambda: a @ b, device, repeats)
    x = torch.randn(size * size, device=device)
    y = torch.empty_like(x)
    return product, 2 * x.numel() * 4 / seconds(lambda: y.copy_(x), device, repeats)


def agreement(device: torch.device, n: int, d: int) -> list[str]:
    """Lines of a table: relative difference of value and of gradient from float64 on the CPU, the same directions."""
    lines = []
    directions = torch.nn.functional.normalize(torch.randn(64, d, dtype=torch.float64), dim=1)
    z = 1.1 * torch.randn(n, d, dtype=torch.float64) + 0.1
    for name in NAMES:
        divergence = make_divergence(name, d)
        if name.startswith("sliced"):  # generators of two devices draw differently
            divergence = type(divergence)(divergence.statistic, directions=directions)  # type: ignore[call-arg]
        exact, slope = value_and_gradient(divergence, z)
        value, gradient = (part.cpu().double() for part in value_and_gradient(divergence, z.float().to(device)))
        error = float((gradient - slope).norm() / slope.norm())
        lines.append(f"{name:20}{float((value - exact).abs() / exact.abs()):12.1e}{error:12.1e}")
    return lines


def times(device: torch.device, n: int, d: int, rate: float, repeats: int) -> list[str]:
    lines = []
    z = torch.randn(n, d, device=device)
    for name in NAMES:
        divergence = make_divergence(name, d)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        took = seconds(lambda divergence=divergence: value_and_gradient(divergence, z), device, repeats)
        share = f"{1.5 * n * n * d / rate / took:8.2f}" if name in PAIRWISE else f"{'–':>8}"
        peak = f"{torch.cuda.max_memory_allocated() / 2**20:10.0f}" if device.type == "cuda" else f"{'–':>10}"
        lines.append(f"{name:20}{1e3 * took:12.2f}{share}{peak}")
    return lines


def half_precision(device: torch.device, n: int, d: int) -> list[str]:
    """Values of a loss in an autocast region and outside of it, for latents that bf16 made."""
    lines = []
    encoder, x = nn.Linear(2 * d, d).to(device), torch.randn(n, 2 * d, device=device)
    prior = StandardNormal(d).to(device)
    for name in NAMES:
        divergence = make_divergence(name, d)

        def value(z: Tensor, divergence: Divergence = divergence) -> Tensor:
            return divergence(z, prior, generator=torch.Generator(device).manual_seed(0))

        with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
            z = encoder(x)
            inside = value(z)
        with torch.no_grad():
            outside = value(z.float())
        same = bool(torch.isclose(inside.float(), outside, rtol=1e-5, atol=1e-7))
        lines.append(f"{name:20}{str(z.dtype).removeprefix('torch.'):>12}{'same' if same else 'DIFFERS':>12}")
    return lines


def waits(device: torch.device, n: int, d: int, names: Sequence[str] = NAMES) -> list[str]:
    """Whether a step makes the host wait for the device."""
    lines = []
    encoder = nn.Linear(2 * d, d).to(device)
    optimizer = torch.optim.Adam(encoder.parameters(), fused=device.type == "cuda")
    prior, x = StandardNormal(d).to(device), torch.randn(n, 2 * d, device=device)
    for name in names:
        divergence, generator = make_divergence(name, d), torch.Generator(device).manual_seed(0)

        def step(divergence: Divergence = divergence, generator: torch.Generator = generator) -> None:
            optimizer.zero_grad()
            divergence(encoder(x), prior, generator=generator).backward()
            optimizer.step()

        step()  # tables that are made at first use
        if device.type != "cuda":
            lines.append(f"{name:20}{'not checked':>12}")
            continue
        torch.cuda.set_sync_debug_mode("error")
        try:
            step()
            lines.append(f"{name:20}{'none':>12}")
        except RuntimeError as error:
            lines.append(f"{name:20}{'WAITS':>12}  {str(error).splitlines()[0]}")
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=65_536)
    parser.add_argument("--d", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    n, d = options.n, options.d
    cuda = device.type == "cuda"
    where = torch.cuda.get_device_name() if cuda else "no CUDA device found: the same on the CPU"
    print(f"{where}, torch {torch.__version__}")
    few = min(n, 1024)
    product, copy = ceilings(device, options.repeats, 8192 if cuda else 256)
    print(f"ceilings: {product / 1e12:.2f} T multiply–adds/s, {copy / 1e9:.0f} GB/s of memory")
    print(f"\nagreement with float64 on the CPU, n = {few}, d = {d}: relative, value and gradient")
    print("\n".join(agreement(device, few, d)))
    print(f"\nforward and backward, n = {n}, d = {d}: ms, share of the product ceiling, peak MiB")
    print("\n".join(times(device, n, d, product, options.repeats)))
    print(f"\nbf16 autocast, n = {few}: dtype of the latents, the statistic against float32 of the same latents")
    print("\n".join(half_precision(device, few, d)))
    print(f"\nhost waiting for the device in a step, n = {few}")
    print("\n".join(waits(device, few, d)))


if __name__ == "__main__":
    main()
