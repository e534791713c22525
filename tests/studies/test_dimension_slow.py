"""The whole study of dimensions on digits, as small as it goes: every sentence, table and picture is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lather.studies.dimension import Sizes, dimension
from lather.studies.plan import Plan


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws", "no_pictures")
def test_the_study_of_dimensions_on_digits(tmp_path: Path) -> None:
    plan = Plan({"source": "digits", "seed": 0}, tmp_path, workers=0, progress=False)
    sizes = Sizes(flat=(2, 16), steps=150, hidden=64, candidates=("gaussian",), ideal=(9, 288), bubbles=400)
    found = dimension(plan, sizes)
    page = found.save(tmp_path).read_text(encoding="utf-8")
    assert plan.failures == []
    assert len(found.answer) == 5
    assert len(found.claims) == 6
    assert [table.name for table in found.tables] == ["latent-sizes", "match", "sources", "ideal-latents"]
    rows = json.loads((tmp_path / "study.json").read_text(encoding="utf-8"))["tables"]["latent-sizes"]["rows"]
    assert [row["latent"] for row in rows] == ["2", "16"]
    assert all(row["rate R (nats)"]["mean"] > 0 for row in rows)
    assert page.count("<img") == len(found.pictures) == 7
    runs = sorted(path.parent for path in (tmp_path / "runs").glob("*/report.json"))
    before = [(run / "report.json").stat().st_mtime_ns for run in runs]
    dimension(plan, Sizes(flat=(2,), steps=150, hidden=64, candidates=("gaussian",), ideal=(), bubbles=400))
    assert before == [(run / "report.json").stat().st_mtime_ns for run in runs]  # not run again
