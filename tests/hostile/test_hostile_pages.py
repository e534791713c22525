"""Text made to break out of a page: as column, label, file name, recipe, contender, row, note, in every page there is.

Elsewhere already: names and rows of an audit (auditing/test_page), names in a comparison of audits
(auditing/test_comparison), errors of a comparison of recipes (comparing/test_compare). A page holds no script at all,
so there is no JSON in one to break out of; its policy forbids scripts, should one get in all the same.
"""

from __future__ import annotations

import csv
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import attack
import matplotlib.pyplot
import pytest
import torch

import lather
from lather.auditing import Report
from lather.auditing.compare_page import render_comparison
from lather.auditing.curves import loss_curves
from lather.auditing.theme import Theme, blank, save
from lather.data import Dataset, load
from lather.models import describe
from lather.pipeline import measure
from lather.repairing import repair
from lather.studies import Claim, Findings, Picture, Section, Table
from lather.train import Run, Settings
from lather.train.assemble import assemble
from lather.train.metrics import read_metrics

TEMPLATES = sorted(Path(lather.__file__).parent.rglob("*.j2"))
BREAKOUT = attack.BREAKOUT
FORBIDDEN = {"script", "iframe", "object", "embed", "link", "base", "form", "svg", "math"}


class Tags(HTMLParser):
    """Opening tags, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.opened: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:80]}")


def inert(page: str) -> None:
    """Nothing of ``BREAKOUT`` is there but as text, and it is there as text."""
    tags = Tags(page)
    assert not FORBIDDEN & {tag for tag, _ in tags.opened}
    assert not [name for _, attributes in tags.opened for name in attributes if name.startswith("on")]
    images = [attributes["src"] or "" for tag, attributes in tags.opened if tag == "img"]
    assert all(source.startswith("data:image/png;base64,") for source in images)
    policies = [a["content"] or "" for tag, a in tags.opened if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'")
    assert "</script><!--\"'></style></title><script>alert(1)</script>" in tags.text
    assert "{{ 7*7 }}" in tags.text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A table whose name, columns and labels all try to break out."""
    path = tmp_path_factory.mktemp("hostile") / "<img src=x onerror=alert(1)>'\"<!--.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([BREAKOUT, f"b{BREAKOUT}", "label"])
        table.writerows([i % 7, (i * i) % 11, (BREAKOUT, "</script>")[i % 2]] for i in range(200))
    return load(path)


@pytest.fixture(scope="module")
def folder(data: Dataset, tmp_path_factory: pytest.TempPathFactory, few_draws: None) -> Path:
    """A measured run on it, whose configuration and metrics were written by an attacker, too."""
    out = tmp_path_factory.mktemp("run")
    model = assemble("ae", data, 2, nets="mlp", net_options={"hidden": (4,)})
    words = {**describe(model), "algebra": BREAKOUT}
    config = {"lather": BREAKOUT, "recipe": {"name": BREAKOUT}, "data": {}, "model": words}
    rows = [{"step": i, "epoch": i, "split": "validation", "loss": 1.0, BREAKOUT: 2.0, "seconds": 1} for i in (1, 2)]
    measure(Run(model.eval(), out, {**config, "training": Settings().to_dict()}, rows), data, pictures=False)
    return out


def test_the_report_of_a_hostile_table(folder: Path, data: Dataset) -> None:
    assert data.classes is not None
    assert BREAKOUT in data.classes  # so that it was there to be shown
    page = (folder / "report.html").read_text(encoding="utf-8")
    inert(page)
    assert "&lt;img src=x onerror=alert(1)&gt;" in page  # the name of the file


def test_hostile_reports_side_by_side(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lather.auditing.compare_page.drawn", lambda report: [])  # which takes seconds
    report = Report.load(folder)
    row = next(iter(report.rows.values()))
    worse = replace(
        report, rows={BREAKOUT: replace(row, key=BREAKOUT, title=BREAKOUT, remedy=BREAKOUT)}, prior=BREAKOUT
    )
    inert(render_comparison([report, worse], [BREAKOUT, f"</title>{BREAKOUT}"]))


def test_a_hostile_study() -> None:
    def draw(theme: Theme) -> matplotlib.figure.Figure:
        figure, axes = blank(theme)
        axes.plot([0, 1])
        return figure

    table = Table("t", BREAKOUT, [{BREAKOUT: BREAKOUT, "n": 1}])
    section = Section(BREAKOUT, [BREAKOUT], [Picture("p", BREAKOUT, BREAKOUT, draw)], [table])
    claim = Claim(BREAKOUT, "fails", BREAKOUT)
    settings = {BREAKOUT: BREAKOUT}
    from lather.studies.page import render

    inert(render(Findings(BREAKOUT, BREAKOUT, [BREAKOUT], [claim], [section], settings, [BREAKOUT])))


def test_a_hostile_repair(folder: Path, few_draws: None) -> None:
    z = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    done = repair(lather.Latents(z, origin=BREAKOUT), candidates=("mixture",), audit=False)
    audit = replace(Report.load(folder), prior=BREAKOUT)
    trials = [{BREAKOUT: 1.0, f"</td>{BREAKOUT}": 2.0}]
    worse = replace(done.winner, name=BREAKOUT, choice=BREAKOUT, trials=trials)
    unfitted = replace(done.scores[0], name=f"</p>{BREAKOUT}", reason=BREAKOUT, prior=None)
    material = replace(done.material, notes=[BREAKOUT])
    from lather.repairing.page import render

    page = render(
        replace(
            done, scores=[done.scores[0], worse, unfitted], winner=worse, material=material, before=audit, after=audit
        )
    )
    inert(page)
    assert page.count("{{ 7*7 }}") >= 8


def test_metrics_of_an_attacker_are_drawn_as_text(tmp_path: Path) -> None:
    row = '{"step": 1, "epoch": 1, "split": "train", "loss": 1.0, "$x^{$": 2.0, "\\\\begin{": 3.0}\n'
    (tmp_path / "metrics.jsonl").write_text(row * 2)
    save(loss_curves(read_metrics(tmp_path / "metrics.jsonl")), tmp_path / "losses.png")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_templates_escape_everything(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup|<script|\son\w+\s*=|javascript:", text)
    assert not re.search(r"<[^<>]*=\s*\{\{", re.sub(r"\{%.*?%\}", "", text)), "an attribute without quotes"
    if "<html" in text:
        assert html.unescape(text).count("default-src 'none'") == 1


def test_there_are_templates() -> None:
    assert {path.parent.name for path in TEMPLATES} >= {"html", "comparing", "studies", "repairing"}
