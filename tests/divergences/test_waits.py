"""No divergence makes the host wait for the device in a step, but for those that say so."""

from __future__ import annotations

import pytest
import torch

from lather.divergences import DIVERGENCES, make_divergence, pairwise
from lather.priors import StandardNormal, UniformSphere
from waits import META, Waits, on_meta

WAITING = {  # what each asks the device for
    "sinkhorn": "whether it has converged",
    "sliced-epps-pulley": "how wide the latents spread, which the nodes depend on",
    "gaussian-fit": "singular values, whose routine reports errors to the host",
}


def waits(name: str, n: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a second step with ``name`` would wait for; the first may make tables."""
    prior = (UniformSphere if name == "sphere-uniformity" else StandardNormal)(8).to(META)
    divergence = make_divergence(name, 8)
    with on_meta(monkeypatch), Waits() as found:
        for _ in range(2):
            found.found.clear()
            z = torch.randn(n, 8, device=META, requires_grad=True)
            divergence(z, prior).backward()
            assert z.grad is not None
            assert z.grad.shape == z.shape
    return found.found


@pytest.mark.parametrize("name", sorted(set(DIVERGENCES) - set(WAITING)))
@pytest.mark.parametrize("n", [256, 600])  # beyond 512 distances are counted in bins
def test_a_step_waits_for_nothing(name: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert waits(name, n, monkeypatch) == []


@pytest.mark.parametrize("name", sorted(WAITING))
def test_those_that_wait_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="meta tensors"):
        waits(name, 64, monkeypatch)


def test_large_sums_ask_for_their_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwise, "_UNASKED", 64**2 * 8 - 1)
    with pytest.raises(RuntimeError, match="meta tensors"):
        waits("energy", 64, monkeypatch)


def test_the_watch_sees_what_it_should() -> None:
    x, host = torch.randn(5, device=META), torch.randn(5)
    with Waits() as found:
        host.to(META)
        x.copy_(host)
        host.to(META, non_blocking=True)
        x.sum() + 1
        with pytest.raises((RuntimeError, NotImplementedError)):
            x[x > 0]
        with pytest.raises((RuntimeError, NotImplementedError)):
            bool(x.sum() > 0)
        x.index_select(0, torch.arange(2))
    assert len(found.found) == 5, found.found
