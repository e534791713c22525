"""Random numbers as a pure function of (seed, where we are), so that a resumed run draws the same ones."""

from __future__ import annotations

import torch

__all__ = ["reseed", "reseed_global", "seed_for"]

_MASK = 2**64 - 1


def seed_for(*parts: int) -> int:
    """Mix whole numbers into one seed (SplitMix64 finaliser after each), well spread for consecutive inputs."""
    state = 0x9E3779B97F4A7C15
    for part in parts:
        state = (state + part + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state >> 1  # torch takes non-negative 63-bit seeds


def reseed(generator: torch.Generator, *parts: int) -> torch.Generator:
    """Set ``generator`` to the stream that belongs to ``parts``."""
    return generator.manual_seed(seed_for(*parts))


def reseed_global(device: torch.device, *parts: int) -> None:
    """Set torch's global generators of the CPU and of ``device`` (dropout draws from them) to the stream of ``parts``.

    ``torch.manual_seed`` does so for every device there is, which takes a hundred times as long.
    """
    torch.default_generator.manual_seed(seed_for(*parts))
    if device.type != "cpu":
        getattr(torch, device.type).manual_seed(seed_for(*parts))
