"""The study of noise from end to end, as small as it gets: what it writes, not what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lather.studies.noise import noise
from lather.studies.noise_kinds import FULL, QUICK, Sizes, jobs, limited
from lather.studies.plan import Plan
from lather.train.recipes import find_recipe

TINY = Sizes(
    limit=None,
    held_out=100,
    small=(150,),
    sigmas=(0.3,),
    latent=4,
    hidden=(32,),
    steps=40,
    drift_epochs=3,
    drift_data=200,
    curve_epochs=2,
    pairs=20,
)


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws", "no_pictures")
def test_the_study_of_noise_on_digits(tmp_path: Path) -> None:
    plan = Plan({"source": "digits", "seed": 0}, tmp_path, workers=0, progress=False)
    findings = noise(plan, TINY)
    assert not plan.failures
    page = findings.save(tmp_path).read_text(encoding="utf-8")
    assert len(findings.claims) == 6
    assert all(claim.verdict == "not decided" for claim in findings.claims)  # with one seed
    assert page.count("<figure") == len(findings.pictures) == 7
    saved = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    rows = {row["model"]: row for row in saved["tables"]["robustness"]["rows"]}
    assert list(rows) == ["AE", "norm alone", "σ = 0.3", "noise, no norm", "VAE"]
    assert rows["AE"]["noise / spread"]["mean"] == 0
    assert {row["training pictures"] for row in saved["tables"]["overfitting"]["rows"]} == {150, 1437}


@pytest.mark.parametrize("sizes", [QUICK, FULL])
def test_every_training_can_be_designed(sizes: Sizes, tmp_path: Path) -> None:
    plan = Plan({"source": "digits"}, tmp_path, progress=False)
    found = jobs(plan, sizes, 300, escaped=True)
    for job in found.values():
        find_recipe(job.recipe).design(784, **job.options)
        assert job.load["train_limit"] == 300
    assert len({job.name for job in found.values()}) == len(found) == len(sizes.sigmas) + 4
    assert ("limit" in limited({"source": "digits"}, sizes)) == (sizes is QUICK)
    assert limited({"source": "digits", "limit": 7}, sizes)["limit"] == 7
