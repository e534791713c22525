"""LatentAudit: the audit as a metric, in anyone's loop and over several processes."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("torchmetrics", reason="the extra torchmetrics is not installed")

import lather as lt
from lather.auditing import measure_latents
from lather.errors import ConfigError, DataError, MissingExtraError, ShapeError

pytestmark = pytest.mark.usefixtures("few_draws")


def filled(z: torch.Tensor, *, batch: int = 64, **options: object) -> lt.LatentAudit:
    audit = lt.LatentAudit(z[0].numel(), **options)
    for part in z.split(batch):
        audit.update(part)
    return audit


@pytest.fixture
def wide(generator: torch.Generator) -> torch.Tensor:
    return 1.3 * torch.randn(300, 3, generator=generator)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_scalars_are_those_of_an_audit_of_what_was_seen(wide: torch.Tensor) -> None:
    audit = filled(wide, seed=5)
    values, report = audit.compute(), audit.report()
    assert all(value.shape == () for value in values.values())
    kept = audit.latents[:300]
    assert torch.equal(kept.sort(0).values, wide.sort(0).values)
    assert report.to_dict() == measure_latents(kept, lt.StandardNormal(3), seed=5).to_dict()
    assert float(values["n_star"]) == pytest.approx(report.detection_size.n)
    assert float(values["ladder_2"]) == pytest.approx(report.rows["ladder_2"].z)
    assert float(values["energy"]) == pytest.approx(report.rows["energy"].z)
    assert float(values["radius_p"]) == pytest.approx(report.rows["radius"].p)
    assert values["verdict"] == {"green": 0, "amber": 1, "red": 2}[report.verdict]
    assert values["n"] == 300


def test_the_prior_itself_is_green(generator: torch.Generator) -> None:
    audit = filled(torch.randn(300, 3, generator=generator))
    values = audit.compute()
    bad = {k: (r.verdict, r.p, r.reason) for k, r in audit.report().rows.items() if r.verdict in ("amber", "red")}
    assert bad == {}
    assert values["verdict"] == 0
    assert values["n_star"] == float("inf")
    assert values["n_star_low"] == 300


def test_it_keeps_a_uniform_sample_of_all_that_went_by() -> None:
    n, size, times = 400, 40, 100
    counts = torch.zeros(n)
    for seed in range(times):
        audit = filled(torch.arange(float(n))[:, None], batch=50, size=size, seed=seed)
        assert audit.latents.shape == (size, 1)
        kept = audit.latents[:, 0].long()
        assert len(kept.unique()) == size
        counts[kept] += 1
    expected = times * size / n
    by_batch = counts.reshape(8, 50).sum(1)  # each 50·10 expected, with sd < √500
    assert (by_batch - 50 * expected).abs().max() < 4.5 * (50 * expected) ** 0.5
    assert counts.max() < expected + 6 * expected**0.5


def test_parts_merge_into_a_sample_of_the_whole(generator: torch.Generator) -> None:
    z = torch.arange(4000.0)[:, None]
    shares = []
    for seed in range(20):
        one, two = filled(z[:3000], size=100, seed=seed), filled(z[3000:], size=100, seed=1000 + seed)
        one.merge_state(two)
        assert one.latents.shape == (100, 1)
        assert one.seen == 4000
        shares.append(float((one.latents >= 3000).float().mean()))
    assert sum(shares) / 20 == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 2000) ** 0.5)


def test_posteriors_are_drawn_from(generator: torch.Generator) -> None:
    mean, std = torch.zeros(300, 3), torch.ones(300, 3)
    audit = lt.LatentAudit(3)
    audit.update(mean, std)
    assert audit.compute()["verdict"] == 0
    narrow = lt.LatentAudit(3)
    narrow.update(mean, 0.5 * std)
    assert narrow.compute()["verdict"] == 2
    assert float(narrow.latents[:300].std()) == pytest.approx(0.5, rel=0.1)


def test_same_batches_same_values_and_no_global_random_numbers(wide: torch.Tensor) -> None:
    before = torch.get_rng_state()
    first = filled(wide)
    values = first.compute()
    assert torch.equal(before, torch.get_rng_state())
    assert same(values, filled(wide).compute())
    assert not torch.equal(first.latents, filled(wide, seed=1).latents)


def test_reset_forgets(wide: torch.Tensor) -> None:
    audit = filled(wide, size=300)
    first, report = audit.compute(), audit.report()
    audit.reset()
    assert audit.seen == 0
    with pytest.raises(DataError, match="at least 20"), pytest.warns(UserWarning, match="before the ``update``"):
        audit.report()
    for part in wide.split(64):
        audit.update(part)
    assert same(audit.compute(), first)
    audit.update(2 * wide)
    assert audit.seen == 600
    assert audit.report().rows["ladder_2"].effect > report.rows["ladder_2"].effect  # not the one from before


def test_it_can_be_pickled_and_its_state_saved(wide: torch.Tensor) -> None:
    whole, half = filled(wide, size=50), filled(wide[:128], size=50)
    again = pickle.loads(pickle.dumps(half))
    half.persistent(True)
    loaded = lt.LatentAudit(3, size=50)
    loaded.persistent(True)
    loaded.load_state_dict(half.state_dict())
    for other in (again, loaded):
        for part in wide[128:].split(64):
            other.update(part)
        assert torch.equal(other.latents, whole.latents)
        assert torch.equal(other.keys, whole.keys)
    assert lt.LatentAudit(3).state_dict() == {}  # like other metrics: nothing in a model's checkpoint
    learned = lt.GaussianMixture.scattered(3, learned=True)
    assert list(learned.parameters())
    assert list(lt.LatentAudit(learned).parameters()) == []  # they are the model's


def test_it_moves_between_devices(wide: torch.Tensor) -> None:
    audit = filled(wide).to("meta")
    assert audit.latents.device.type == audit.keys.device.type == "meta"
    if torch.cuda.is_available():
        gpu = lt.LatentAudit(3).to("cuda")
        for part in wide.split(64):
            gpu.update(part.cuda())
        values = gpu.compute()
        assert values["n"].device.type == "cuda"
        assert same({k: v.cpu() for k, v in values.items()}, filled(wide).compute())


def test_spatial_latents_and_half_precision_are_taken(generator: torch.Generator) -> None:
    audit = lt.LatentAudit(lt.StandardNormal(32))
    audit.update(torch.randn(60, 2, 4, 4, generator=generator).to(torch.bfloat16))
    assert audit.seen == 60
    assert audit.latents[:60].abs().min() > 0


def test_what_cannot_be_audited_is_nan_and_the_report_says_why() -> None:
    for z, words in (
        (torch.randn(5, 2), "at least 20"),
        (torch.full((50, 2), float("nan")), "NaN"),
        (torch.ones(50, 2), "identical"),
    ):
        audit = filled(z)
        values = audit.compute()
        assert all(value.isnan() for value in values.values())
        with pytest.raises(DataError, match=words):
            audit.report()


def test_wrong_input_is_refused_with_what_would_be_right() -> None:
    audit = lt.LatentAudit(3)
    with pytest.raises(ShapeError, match=r"shape \(n, 3\).*got \(8, 4\)"):
        audit.update(torch.zeros(8, 4))
    with pytest.raises(ShapeError, match=r"must agree"):
        audit.update(torch.zeros(8, 3), torch.ones(8, 2))
    with pytest.raises(DataError, match="log-variance"):
        audit.update(torch.zeros(8, 3), -torch.ones(8, 3))
    with pytest.raises(DataError, match="floating-point"):
        audit.update(torch.zeros(8, 3, dtype=torch.long))
    with pytest.raises(ConfigError, match="takes a prior"):
        lt.LatentAudit(True)
    with pytest.raises(ConfigError, match="at least 20"):
        lt.LatentAudit(3, size=5)


def test_in_a_collection_beside_other_metrics(wide: torch.Tensor) -> None:
    from torchmetrics import MetricCollection

    both = MetricCollection({"a": lt.LatentAudit(3), "b": lt.LatentAudit(3, seed=1)}, prefix="latent_")
    both(wide)  # forward, too
    values = both.compute()
    assert sum("n_star_low" in name for name in values) == 2


def test_without_torchmetrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    monkeypatch.delitem(sys.modules, "lather.pipeline.metric", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'lather\[torchmetrics\]'"):
        lt.LatentAudit  # noqa: B018


PROCESS = """
import sys, torch
import torch.distributed as dist
import lather as lt
import lather.divergences.null as null

null._DRAWS = 99  # as few_draws
rank, place = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{place}/store", rank=rank, world_size=3)
audit = lt.LatentAudit(1, size=200)
if rank < 2:  # the third sees nothing
    for part in (torch.arange(0.0, 3000) if rank == 0 else torch.arange(3000.0, 4000)).split(100):
        audit.update(part[:, None])
values, report = audit.compute(), audit.report()
with audit.sync_context():
    kept = audit.latents.reshape(-1, 1)[audit.keys.flatten().topk(200, largest=False).indices, 0]
torch.save([{k: v.item() for k, v in values.items()}, report.n, kept, int(audit.seen)], f"{place}/{rank}.pt")
dist.barrier()
"""


@pytest.mark.slow
def test_several_processes_give_one_sample_and_one_report(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS]
    processes = [subprocess.Popen([*command, str(rank), str(tmp_path)], stderr=subprocess.PIPE) for rank in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors.decode()
    found = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(3)]
    values, n, kept, seen = found[0]
    assert n == 200
    assert all(other[0] == values and torch.equal(other[2], kept) for other in found[1:])
    assert [one[3] for one in found] == [3000, 1000, 0]  # what each saw is its own again
    assert float((kept >= 3000).float().mean()) == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 200) ** 0.5)
    assert seen == 3000


@pytest.mark.slow
def test_in_lightnings_trainer(tmp_path: Path) -> None:
    """A VAE of digits in a LightningModule, audited after every epoch, the checkpoint chosen by the audit."""
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")
    page = (Path(__file__).parent.parent / "docs" / "interoperability.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```py\n(import lightning\n.*?)^```", page, flags=re.M | re.S)
    names: dict[str, Any] = {}
    exec(compile(block, "interoperability.md", "exec"), names)
    data = lt.load("digits", validation=300)

    def loader(split: object) -> torch.utils.data.DataLoader:
        return torch.utils.data.DataLoader(split.batch(None), batch_size=100)

    best = names["best"]
    trainer = lightning.Trainer(
        default_root_dir=tmp_path,
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        callbacks=[best],
        log_every_n_steps=1,
    )
    module = names["AuditedVAE"](lt.assemble("vae", data, 2))
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(module, loader(data.train), loader(data.validation))
    found = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert found["n"] == 200
    assert 2 <= found["n_star_low"] <= 200
    assert float(best.best_model_score) >= found["n_star_low"]
    assert not any("audit" in name for name in module.state_dict())
