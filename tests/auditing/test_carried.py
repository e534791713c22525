"""Nulls carried from 128 latents to more are those of more."""

from __future__ import annotations

import pytest
import torch
from scipy import stats

from lather.auditing.carried import carried_null
from lather.divergences import DistanceCDF, Energy
from lather.priors import StandardNormal


@pytest.mark.slow
@pytest.mark.parametrize("d", [3])
@pytest.mark.parametrize("divergence", [Energy(), DistanceCDF()], ids=["energy", "distance-cdf"])
def test_a_carried_null_is_that_of_the_larger_sample(divergence, d: int) -> None:
    g, n, prior = torch.Generator().manual_seed(d), 400, StandardNormal(d)
    direct = [float(divergence(prior.sample(n, generator=g), prior)) for _ in range(200)]
    null = carried_null(divergence, prior, n)
    assert stats.ks_2samp(direct, null.values.numpy()).pvalue > 1e-3
    p = [null.pvalue(x) for x in direct]
    for level in (0.01, 0.05, 0.2):
        hits = sum(x <= level for x in p)
        assert stats.binom.sf(hits - 1, 200, level) > 1e-3
        assert stats.binom.cdf(hits, 200, level) > 1e-3


def test_small_samples_have_a_null_of_their_own() -> None:
    null = carried_null(Energy(), StandardNormal(2), 40)
    assert null.n == 40
    assert (null.values == Energy().null(StandardNormal(2), 40, progress=False).values).all()
