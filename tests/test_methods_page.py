"""The generated tables of docs/methods.md are what the registries say now."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lather.divergences import DIVERGENCES
from lather.train.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
TABLES = ("recipes", "sight", "divergences", "compatibility", "kl", "figures")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    pytest.importorskip("zuko")
    spec = importlib.util.spec_from_file_location("methods_page", ROOT / "benchmarks" / "methods_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["methods_page"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", TABLES)
def test_the_page_holds_what_the_registries_say(script: ModuleType, name: str) -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- generated: {name} -->\n(.*?)<!-- end -->", page, re.S)
    assert found is not None
    assert found[1].strip() == script.TABLES[name]().strip(), "run: python benchmarks/methods_page.py"


def test_every_part_is_checked(script: ModuleType) -> None:
    assert tuple(script.TABLES) == TABLES


@pytest.mark.parametrize("name", DIVERGENCES)
def test_every_divergence_says_what_it_sees_its_null_and_its_cost(script: ModuleType, name: str) -> None:
    words = script.facts(DIVERGENCES[name][1](8))
    assert set(words) == {"sees", "misses", "null", "cost"}
    assert all(words.values())


def test_figures_are_small_and_belong_to_recipes() -> None:
    for path in (ROOT / "docs" / "images" / "methods").glob("*.png"):
        assert path.stem in RECIPES
        assert path.stat().st_size <= 60_000
