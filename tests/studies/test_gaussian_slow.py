"""The whole study of Gaussian latents on digits, as small as it goes: every sentence, table and picture is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from lather.studies.gaussian import Sizes, gaussian
from lather.studies.plan import Plan


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws", "no_pictures")
def test_the_study_of_gaussian_latents_on_digits(tmp_path: Path) -> None:
    plan = Plan({"source": "digits", "seed": 0}, tmp_path, workers=0, progress=False)
    sizes = Sizes(
        recipes=("ae", "energy-ae"), weak=(), mended=("ae",), d=4, hidden=64, steps=150, candidates=("mixture",)
    )
    found = gaussian(plan, sizes)
    page = found.save(tmp_path).read_text(encoding="utf-8")
    assert plan.failures == []
    assert len(found.claims) == 6
    tables = {table.name: table.rows for table in found.tables}
    assert [row["method"] for row in tables["methods"]] == ["ae", "energy-ae", "energy-ae, uniform cube"]
    assert [row["drawn from"] for row in tables["draws"]] == ["its own prior", "mixture"]
    before, after = (row["sampling gap"].mean for row in tables["draws"])  # type: ignore[union-attr]
    assert after < before  # a plain autoencoder's latents are nowhere near N(0, I)
    whitened, normal, shells = tables["traps"]
    assert normal["overall: n*"] == float("inf")
    assert shells["Mardia: n*"] > 250 > shells["overall: n*"]  # type: ignore[operator]
    assert whitened["spread: n*"] > whitened["overall: n*"]  # type: ignore[operator]
    assert page.count("<img") == len(found.pictures) == 4
