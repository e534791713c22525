"""The compiled loop over a tile of logits gives log Σ exp, whichever way it goes through a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

pytest.importorskip("numba", reason="compiled loops need the extra fast")

from lather.priors import fused


def log_sums(tiles: list[torch.Tensor], depth: float = -np.inf) -> tuple[np.ndarray, list[tuple[int, int, int, float]]]:
    """log Σ exp of the rows of ``tiles`` side by side, and what was set aside as (tile, row, column, logit)."""
    n = len(tiles[0])
    low, top = np.full((2, n), -np.inf, np.float32)
    total, risk = np.zeros((2, n))
    harm = np.zeros(n)
    near = np.empty(1000, np.int64), np.empty(1000, np.int64), np.empty(1000, np.float32)
    aside = []
    for t, tile in enumerate(tiles):
        flat = tile.float().contiguous().clone().view(-1)
        error, nothing, depths = (np.full(n, value, np.float32) for value in (1e-3, 40.0, depth))
        views = flat.numpy(), flat.view(torch.int32).numpy(), tile.shape[1]
        needed = bool(np.isfinite(depth))
        limits = error, depths, nothing, harm
        found = fused.add_tile(*views, 0, n, *limits, needed, low, top, total, risk, *near)
        aside += [(t, int(near[0][k]), int(near[1][k]), float(near[2][k])) for k in range(found)]
    with np.errstate(divide="ignore"):
        return top + np.log(total), aside


CASES = {
    "alike": lambda x: x,
    "few columns": lambda x: x[:, :5],
    "large": lambda x: 20 * x,
    "rising by less than 30 after the first 64": lambda x: torch.cat([x[:, :64], x[:, 64:] + 25], 1),
    "rising by more than 30": lambda x: torch.cat([x[:, :64], x[:, 64:] + 300], 1),
    "falling": lambda x: torch.cat([x[:, :64] + 300, x[:, 64:]], 1),
    "one far above": lambda x: torch.where(torch.arange(x.shape[1]) == 700, x + 1000, x),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("depth", [-np.inf, 2.0])
def test_log_sums(case: str, depth: float) -> None:
    generator = torch.Generator().manual_seed(0)
    tiles = [CASES[case](torch.randn(9, 1000, generator=generator).float()) - 50 * t for t in (1, 0, 2)]
    exact = torch.cat(tiles, 1).double().logsumexp(1).numpy()
    found, aside = log_sums(tiles, depth)
    for t, row, column, logit in aside:
        assert logit == tiles[t][row, column]
        found[row] = np.logaddexp(found[row], logit)
    assert bool(aside) == np.isfinite(depth)
    np.testing.assert_allclose(found, exact, rtol=0, atol=3e-6 * (1 + 20 * (case == "large")))


@pytest.mark.parametrize("place", [3, 500])
def test_a_nan_adds_nothing_and_stays_in_its_row(place: int) -> None:
    """As before: a row with a NaN has a maximum that is none, so that nothing is added; the caller sees a sum of 0."""
    x = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    x[1, place] = torch.nan
    found, _ = log_sums([x])
    assert not np.isfinite(found[1])
    np.testing.assert_allclose(found[[0, 2, 3]], x[[0, 2, 3]].double().logsumexp(1).numpy(), atol=3e-6)
