"""A repair finds the law behind latents, is not fooled by one that replays them, and keeps what it found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import lather as lt
from lather.errors import ConfigError, DataError, RunError, ShapeError
from lather.repairing import CANDIDATES, Repair, Score, repair
from lather.repairing.candidates import Candidate, Fitted, find_candidates
from lather.repairing.choice import RULE, choose, improves
from lather.repairing.copies import Copies, CopyCheck
from lather.repairing.gaps import GapBench, interval
from lather.repairing.material import Material, from_latents, from_run
from lather.repairing.pool import Pool
from lather.samplers import SAMPLERS
from lather.train.assemble import assemble
from lather.train.sampler import load_sampler


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def clusters(n: int, seed: int = 0) -> Tensor:
    """Three narrow clusters in four dimensions, far from N(0, I)."""
    centres = 3 * torch.randn(3, 4, generator=seeded(99))
    g = seeded(seed)
    return centres[torch.randint(3, (n,), generator=g)] + 0.3 * torch.randn(n, 4, generator=g)


def score(name: str, *, gap: float | None = None, likelihood: float = 0.0, share: float = 0.5) -> Score:
    scatter = 0.05 * torch.randn(20, generator=seeded(sum(map(ord, name))), dtype=torch.float64)
    splits = None if gap is None else gap + scatter - scatter.mean()
    return Score(
        name,
        lt.StandardNormal(2),
        log_likelihood=likelihood,
        each=likelihood + torch.tensor([-0.1, 0.1] * 50, dtype=torch.float64),
        copies=Copies(share, None, 0.02),
        splits=splits,
        gap=None if splits is None else interval(splits),
    )


# the rule -----------------------------------------------------------------------------------------------------------
def test_the_smallest_gap_wins_unless_it_replays_and_ties_go_to_the_likelihood() -> None:
    good, better, copy = score("good", gap=5.0), score("better", gap=2.0), score("copy", gap=0.1, share=0.9)
    assert choose([good, better, copy]) is better
    tied = score("tied", gap=2.05, likelihood=3.0)
    assert choose([better, tied]) is tied
    assert choose([score("a", likelihood=1.0), score("b", likelihood=2.0)]).name == "b"
    assert choose([Score("broken", reason="no"), good]) is good
    with pytest.raises(DataError, match="no candidate could be fitted"):
        choose([Score("broken", reason="no")])
    with pytest.raises(DataError, match="replays the training data"):
        choose([copy])


def test_better_means_certainly_better() -> None:
    assert improves(score("new", gap=1.0), score("old", gap=2.0))
    assert not improves(score("new", gap=1.0), score("old", gap=1.02))
    assert improves(score("new", likelihood=1.0), score("old"))
    assert not improves(score("new"), score("old"))


def test_copies_are_found_in_latents_and_in_what_is_decoded() -> None:
    train, held, new = clusters(400), clusters(300, 1), clusters(300, 2)
    material = Material(train, None, None, held, held, lt.StandardNormal(4))
    assert CopyCheck(material).of(train[:300] + 0.01).memorises
    assert not CopyCheck(material).of(new).memorises
    # noise in directions that the decoder ignores hides a copy from the latents alone
    wide = torch.cat([clusters(400), torch.zeros(400, 8)], 1)
    wide[:, 4:] = torch.randn(400, 8, generator=seeded(3))
    others = torch.cat([held, torch.randn(300, 8, generator=seeded(4))], 1)
    hidden = torch.cat([train[:300], torch.randn(300, 8, generator=seeded(5))], 1)

    def decode(z: Tensor) -> Tensor:
        return z[:, :4]

    blind = CopyCheck(Material(wide, None, None, others, others, lt.StandardNormal(12))).of(hidden)
    seen = CopyCheck(Material(wide, None, None, others, others, lt.StandardNormal(12), decode=decode)).of(hidden)
    assert not blind.memorises
    assert seen.memorises
    assert seen.decoded == 1.0


def test_a_pool_hands_out_rows_of_one_set_of_draws() -> None:
    pool = Pool(lt.StandardNormal(3), seed=1)
    first = pool.sample(50, generator=seeded())
    assert len(first.unique(dim=0)) == 50
    more = pool.sample(80, generator=seeded(1))
    assert len(more.unique(dim=0)) == 80
    known = {tuple(row) for row in pool.sample(80, generator=seeded(2)).tolist()}
    assert {tuple(row) for row in first.tolist()} <= known
    assert repr(pool) == "StandardNormal(3)"
    assert pool.standard
    torch.testing.assert_close(pool.log_prob(first), lt.StandardNormal(3).log_prob(first))


def test_the_gap_of_the_latents_themselves_is_nothing() -> None:
    material = Material(
        clusters(100), None, None, clusters(100, 1), clusters(200, 2), lt.StandardNormal(4),
        data=clusters(200, 2), decode=lambda z: z,
    )  # fmt: skip
    bench = GapBench(material, None, 0)
    assert float(bench.of(clusters(200, 2)).abs().max()) == 0
    assert interval(bench.of(torch.randn(200, 4, generator=seeded()))).low > 0


# bare latents -------------------------------------------------------------------------------------------------------
def test_bare_latents_are_repaired() -> None:
    result = repair(clusters(1_200), held_out=clusters(900, 1), candidates=("mixture", "gaussian"), seed=3, audit=False)
    assert [s.name for s in result.scores] == ["before", "gaussian", "mixture"]
    assert result.winner.name == "mixture"
    assert result.improved
    before, gaussian, mixture = result.scores
    exact = float(result.prior.log_prob(result.material.scoring).mean())
    assert mixture.log_likelihood == pytest.approx(exact, abs=1e-4)
    assert mixture.log_likelihood > gaussian.log_likelihood + 1 > before.log_likelihood + 2  # type: ignore[operator]
    assert before.n_star is not None
    assert mixture.n_star is not None
    assert before.n_star.n < 10 < 100 < mixture.n_star.n
    assert abs(mixture.auc - 0.5) < 0.06 < abs(before.auc - 0.5)  # type: ignore[operator]
    assert not mixture.memorises
    assert "mixture (k = " in str(result)
    assert RULE in str(result)
    # the three parts share no latent, and the same seed gives the same numbers
    parts = [{tuple(row) for row in z.tolist()} for z in (result.material.choosing, result.material.scoring)]
    assert not parts[0] & parts[1]
    again = repair(clusters(1_200), held_out=clusters(900, 1), candidates=("gaussian",), seed=3, audit=False)
    first, second = (s.to_dict() for s in (result.scores[1], again.scores[1]))
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_what_the_latents_follow_already_is_kept(tmp_path: Path) -> None:
    z = torch.randn(1_000, 3, generator=seeded())
    repair(clusters(400), candidates="gaussian", audit=False, out=tmp_path)
    assert (tmp_path / "repaired.json").exists()
    result = repair(z, candidates="gaussian", audit=False, out=tmp_path)
    assert not result.improved
    assert result.prior.standard
    assert "keep it" in result.headline
    assert not (tmp_path / "repaired.json").exists()  # that of the earlier repair is not left to mislead


def test_one_that_replays_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    def replay(material: Material, seed: int, on_step: object) -> Fitted:
        return Fitted(lt.AggregatePosterior(material.train, torch.full_like(material.train, 1e-3)))

    def fail(material: Material, seed: int, on_step: object) -> Fitted:
        raise ConfigError("not today")

    monkeypatch.setitem(CANDIDATES, "aggregate", Candidate("replays", replay))
    monkeypatch.setitem(CANDIDATES, "flow", Candidate("fails", fail))
    result = repair(clusters(600), candidates=["aggregate", "gaussian", "flow"], audit=False)
    assert result.winner.name == "gaussian"
    (aggregate,) = (s for s in result.scores if s.name == "aggregate")
    assert aggregate.copies is not None
    assert aggregate.copies.share == 1
    assert aggregate.own > aggregate.log_likelihood + 100  # type: ignore[operator]
    assert "flow was not fitted: not today" in str(result)


def test_posteriors_widths_are_used() -> None:
    g = seeded()
    mean, std = torch.randn(700, 2, generator=g), torch.full((700, 2), 0.5)
    material = from_latents(lt.Latents(mean=mean, std=std), None, lt.StandardNormal(2), most=400, seed=0)
    assert len(material.train) == 400
    assert material.std is not None
    assert float((material.train - material.anchors).std()) == pytest.approx(0.5, abs=0.05)
    assert float((material.scoring - material.scoring_mean).std()) == pytest.approx(0.5, abs=0.08)  # type: ignore[operator]
    result = repair(mean=mean, std=std, candidates="aggregate", audit=False)
    assert isinstance(result.winner.prior, lt.AggregatePosterior)
    assert float(result.winner.prior.std.min()) >= 0.5 - 1e-6


def test_a_decoder_and_data_bring_the_gap(tmp_path: Path) -> None:
    z = clusters(600)
    images = z.reshape(-1, 1, 2, 2)

    def decode(z: Tensor) -> Tensor:
        return z.reshape(-1, 1, 2, 2)

    features = lambda x: x.flatten(1)  # noqa: E731
    result = repair(
        z, data=images, decoder=decode, candidates="gaussian,mixture", features=features, audit=False, out=tmp_path
    )
    assert result.winner.gap is not None
    assert result.scores[0].gap is not None
    assert result.winner.gap.value < 0.1 * result.scores[0].gap.value
    assert "the sampling gap falls from" in result.headline
    assert "sampling gap" in str(result)


def test_saving_keeps_table_page_picture_and_prior(tmp_path: Path) -> None:
    z = lt.Latents(clusters(300), origin="<b>evil</b>")
    result = repair(z, candidates=("mixture",), out=tmp_path, audit=False)
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {"repaired.json", "repaired.safetensors", "repair/repair.json", "repair/repair.html"}
    assert names == kept | {"repair/before-after.png"}
    page = (tmp_path / "repair" / "repair.html").read_text()
    assert "<b>evil" not in page
    assert "&lt;b&gt;evil" in page
    assert "mixture" in page
    assert "http" not in page.replace("http-equiv", "")
    data = json.loads((tmp_path / "repair" / "repair.json").read_text())
    assert data["winner"] == "mixture"
    assert data["audits"] == {"before": None, "after": None}
    assert data["scores"][1]["trials"][0]["components"] == 1
    prior = load_sampler(tmp_path, "repaired")
    assert prior is not None
    drawn = [p.sample(5, generator=seeded()) for p in (prior, result.prior)]
    torch.testing.assert_close(*drawn)


@pytest.mark.slow
def test_audits_before_and_after(tmp_path: Path) -> None:
    result = repair(clusters(300), candidates=("mixture",), out=tmp_path)
    assert result.before is not None
    assert result.after is not None
    assert result.before.verdict == "red"
    assert result.after.prior.startswith("GaussianMixture")
    assert result.after.detection_size.n > 5 * result.before.detection_size.n  # type: ignore[union-attr]
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"repair/before/report.html", "repair/after/report.json"} <= names
    data = json.loads((tmp_path / "repair" / "repair.json").read_text())
    assert data["audits"]["before"]["verdict"] == "red"


# runs ---------------------------------------------------------------------------------------------------------------
def test_a_run_is_repaired_in_its_directory(tmp_path: Path) -> None:
    data = lt.load("digits", test=400, validation=200)
    model = assemble("ae", data, 4, nets="mlp")
    lt.fit(model, data, out=tmp_path, epochs=15, progress=False)
    run = lt.open_run(tmp_path)
    assert run.repaired is None
    result = repair(run, data=data, candidates=("gaussian", "mixture"), audit=False)
    assert isinstance(result, Repair)
    assert result.winner.name == "mixture"
    before, after = result.scores[0], result.winner
    assert before.gap is not None
    assert after.gap is not None
    assert after.gap.value < 0.2 * before.gap.value
    repaired = lt.open_run(tmp_path).repaired
    assert repaired is not None
    assert torch.equal(repaired.sample(3, generator=seeded()), result.prior.sample(3, generator=seeded()))
    # what was drawn from before, what was fitted to, and what scored came from three sets
    material = from_run(run, data, 100, 0)
    assert len(material.train) == 100
    assert len(material.choosing) == 200
    assert len(material.scoring) == 400
    (tmp_path / "repaired.safetensors").unlink()
    with pytest.raises(RunError, match="does not exist"):
        lt.open_run(tmp_path)


# mistakes -----------------------------------------------------------------------------------------------------------
def test_mistakes_are_told() -> None:
    z = clusters(300)
    with pytest.raises(ConfigError, match="'gan'; there are: gaussian, mixture"):
        repair(z, candidates="gan")
    with pytest.raises(ConfigError, match="there are: gaussian"):
        find_candidates([])
    with pytest.raises(ConfigError, match="share"):
        repair(z, held_out=1.5)
    with pytest.raises(ShapeError, match="same encoder"):
        repair(z, held_out=torch.zeros(50, 3) + torch.arange(50.0)[:, None])
    with pytest.raises(DataError, match="too few"):
        repair(z[:40])
    with pytest.raises(ConfigError, match="decoder"):
        repair(z, data=z)
    with pytest.raises(ShapeError, match="data has 5 rows"):
        repair(z, data=z[:5], decoder=lambda z: z)
    with pytest.raises(ShapeError, match="must agree"):
        repair(z, prior=lt.StandardNormal(3))
    with pytest.raises(ConfigError, match="names a part of a file"):
        repair(z, key="z")
    with pytest.raises(ConfigError, match="leaves none"):
        repair(z, most=0)
    with pytest.raises(ConfigError, match="neither"):
        repair()
    assert set(CANDIDATES) == set(SAMPLERS)


def test_an_interrupted_repair_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(material: Material, seed: int, on_step: object) -> Fitted:
        raise KeyboardInterrupt

    monkeypatch.setitem(CANDIDATES, "gaussian", replace_fit(interrupted))
    with pytest.raises(KeyboardInterrupt):
        repair(clusters(300), candidates="gaussian", out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def replace_fit(fit: object) -> Candidate:
    return Candidate("interrupted", fit)  # type: ignore[arg-type]


def test_scores_are_json() -> None:
    one = replace(score("a", gap=1.0), trials=[{"k": 1}])
    assert json.loads(json.dumps(one.to_dict()))["copies"]["memorises"] is False
