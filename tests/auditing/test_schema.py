"""report.json keeps to the schema that is shipped with it, and other versions are told apart."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch

from lather.auditing import Report, Row, measure_latents
from lather.auditing.report import SCHEMA
from lather.errors import RunError
from lather.priors import StandardNormal, UniformCube

pytestmark = pytest.mark.usefixtures("few_draws")

jsonschema = pytest.importorskip("jsonschema", reason="the schema is checked by jsonschema (extra dev)")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads((files("lather.auditing") / "report.schema.json").read_text(encoding="utf-8"))


def reports() -> dict[str, Report]:
    g = torch.Generator().manual_seed(8)
    z, std = torch.randn(120, 3, generator=g), torch.full((120, 3), 0.5)
    return {
        "latents alone": measure_latents(z, StandardNormal(3)),
        "posteriors": measure_latents(z, StandardNormal(3), means=z, stds=std, train_means=z, train_stds=std),
        "points": measure_latents(z, StandardNormal(3), train_means=z),
        "a cube": measure_latents(torch.rand(60, 1, generator=g), UniformCube(1)),
        "nothing": Report(20, 1, "p", 0, {"x": Row("x", "x", reason="too few")}),
    }


def test_reports_keep_to_the_schema(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name, report in reports().items():
        found = json.loads(json.dumps(report.to_dict(), allow_nan=False))
        assert not [error.message for error in validator.iter_errors(found)], name


def test_the_schema_notices(schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema)
    good = Report(20, 1, "p", 0, {"x": Row("x", "x", effect=1.0)}).to_dict()
    assert validator.is_valid(good)
    for change in ({"schema": 99}, {"verdict": "pink"}, {"n": 1.5}, {"rows": [{}]}, {"rate": {"R": 1.0}}, {"extra": 1}):
        assert not validator.is_valid({**good, **change}), change


def test_the_schema_speaks_of_this_version(schema: dict[str, Any]) -> None:
    assert schema["properties"]["schema"]["const"] == SCHEMA
    assert set(schema["$defs"]["row"]["required"]) == set(Row("x", "x").to_dict())


@pytest.mark.parametrize(
    ("found", "words"), [(SCHEMA + 1, "upgrade Lather"), (0, "audit the latents again"), (None, "no report of Lather")]
)
def test_other_versions_say_what_to_do(tmp_path: Path, found: int | None, words: str) -> None:
    Report(20, 1, "p", 0, {}).save(tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps({**data, "schema": found}))
    with pytest.raises(RunError, match=words):
        Report.load(tmp_path)
