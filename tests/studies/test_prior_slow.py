"""The study of priors from end to end, as small as it gets: what it writes, not what it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lather.studies.plan import Plan
from lather.studies.prior import prior
from lather.studies.prior_kinds import FULL, QUICK, Sizes, jobs, matched, variational
from lather.train.assemble import assemble

TINY = Sizes(
    limit=None,
    held_out=100,
    latent=3,
    large=6,
    hidden=(32,),
    steps=40,
    matched=("normal",),
    variational=("normal",),
    drawn=40,
)


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws", "no_pictures")
def test_the_study_of_priors_on_digits(tmp_path: Path) -> None:
    plan = Plan({"source": "digits", "seed": 0}, tmp_path, workers=0, progress=False)
    findings = prior(plan, TINY)
    assert not plan.failures
    page = findings.save(tmp_path).read_text(encoding="utf-8")
    assert len(findings.claims) == 6
    assert all(claim.verdict == "not decided" for claim in findings.claims)  # with one seed, or no other prior
    assert page.count("<figure") == len(findings.pictures) == 6
    saved = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))
    rows = {row["model"]: row for row in saved["tables"]["priors"]["rows"]}
    assert list(rows) == ["AE", "matched: normal", "VAE: normal"]
    assert rows["AE"]["likelihood bound (nats)"]["mean"] is None
    assert rows["VAE: normal"]["likelihood bound (nats)"]["mean"] is not None
    assert len(saved["tables"]["blur"]["rows"]) == 8


@pytest.mark.parametrize("sizes", [QUICK, FULL])
def test_every_combination_of_prior_and_recipe_exists(sizes: Sizes, tmp_path: Path) -> None:
    plan = Plan({"source": "digits"}, tmp_path, progress=False)
    found = jobs(plan, sizes)
    data = plan.data
    for name in (*matched(sizes), *variational(sizes)):
        job = found[name]
        assemble(job.recipe, data, 4, nets="mlp", prior=job.prior, likelihood=job.likelihood, options=job.options)
    assert len({job.name for job in found.values()}) == len(found)
