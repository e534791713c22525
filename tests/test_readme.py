"""What README and docs tell people to type, works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lather.cli.app import app
from lather.train.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.M | re.S)


PYTHON = [(path.name, i, text) for path in PAGES for i, text in enumerate(blocks(path, "python"))]
COMMANDS = [
    (path.name, line)
    for path in PAGES
    for text in blocks(path, "sh")
    for line in (line.split("#")[0].strip() for line in text.splitlines())
    if re.match(r"(\.venv/bin/)?lather ", line)
]


@pytest.mark.parametrize(("page", "number", "text"), PYTHON, ids=[f"{page}-{i}" for page, i, _ in PYTHON])
def test_python_blocks_run(page: str, number: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(text, f"{page}, block {number}", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_commands_are_understood(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    model = bound.arguments.get("model")
    if model is not None:
        assert model.recipe in RECIPES


def test_readme_shows_commands() -> None:
    assert len(COMMANDS) >= 6
    assert len(PYTHON) >= 4


def test_links_lead_somewhere() -> None:
    for path in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_changelog_has_an_unreleased_section() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
