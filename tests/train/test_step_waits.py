"""A training step makes the host wait for the device in no recipe, but for those that say why."""

from __future__ import annotations

import pytest
import torch

import lather as lt
from lather.models import Autoencoder
from lather.train.assemble import assemble
from lather.train.metrics import Means
from lather.train.opponents import Opponents
from lather.train.recipes import RECIPES
from waits import META, Waits, on_meta

WAITING = {
    "sigreg": "its statistic asks how wide the latents spread; 17 nodes do not",
    "sinkhorn-ae": "Sinkhorn's iteration asks whether it has converged",
}
UNKNOWN = {"svae": "PyTorch has no meta kernel for draws from a gamma law"}


def model(recipe: str) -> Autoencoder:
    data = lt.load(torch.rand(64, 1, 12, 12, generator=torch.Generator().manual_seed(0)).numpy())
    return assemble(recipe, data, 6, nets="conv", net_options={"width": 4, "hidden": 16}).to(META)


@pytest.mark.parametrize("recipe", sorted(set(RECIPES) - set(WAITING) - set(UNKNOWN)))
def test_a_step_waits_for_nothing(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = model(recipe)
    opponents, optimizer = Opponents(built), torch.optim.Adam([p for p in built.parameters() if p.requires_grad])
    x, means = torch.rand(32, 1, 12, 12, device=META), Means()
    with on_meta(monkeypatch), Waits() as found:
        for t in range(2):
            found.found.clear()
            losses = opponents.train(x, t=t)
            optimizer.zero_grad()
            values = {**built(x, t=t), **losses}
            values["loss"].backward()
            torch.nn.utils.clip_grad_norm_(built.parameters(), 1.0, error_if_nonfinite=False)
            optimizer.step()
            means.add(values)
    assert found.found == []


@pytest.mark.parametrize("recipe", sorted(WAITING))
def test_those_that_wait_do(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with on_meta(monkeypatch), pytest.raises(RuntimeError, match="meta tensors"):
        model(recipe)(torch.rand(32, 1, 12, 12, device=META))["loss"].backward()


def test_the_paper_s_sigreg_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    built = model("ae")
    built.objective = 1.0 * lt.Reconstruction() + lt.Match(lt.make_divergence("sliced-epps-pulley-17", 6))
    with on_meta(monkeypatch), Waits() as found:
        built(torch.rand(32, 1, 12, 12, device=META))["loss"].backward()
    assert found.found == []


def test_rows_are_fetched_without_waiting() -> None:
    data = lt.load(torch.rand(64, 1, 12, 12).numpy())
    split = data.train.to(META)
    with Waits() as found:
        data.train.batch(torch.arange(8), META)
        split.batch(torch.arange(8), META)
    assert found.found == []
