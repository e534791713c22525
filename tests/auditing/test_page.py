"""The page of a report: its order, what it escapes, how it fits a small screen."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch

from lather.auditing import Report, Row, measure_latents
from lather.auditing.card import plain
from lather.auditing.groups import GROUPS, grouped
from lather.auditing.page import render
from lather.auditing.scales import number
from lather.auditing.views import row_view
from lather.divergences.detection import DetectionSize
from lather.priors import StandardNormal

pytestmark = pytest.mark.usefixtures("few_draws")

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }} $\\frac{\x1b[31m"


@pytest.fixture(scope="module")
def report() -> Report:
    """Everything that arrays can give: posteriors, training data, decoder, labels; names that try to break out."""
    g = torch.Generator().manual_seed(3)
    mean, train = (1.2 * torch.randn(n, 4, generator=g) for n in (240, 400))
    std = torch.full((240, 4), 0.4)
    return measure_latents(
        mean + std * torch.randn(240, 4, generator=g),
        StandardNormal(4),
        data=torch.rand(240, 1, 6, 6, generator=g),
        decode=lambda z: torch.sigmoid(z[:, :1, None, None] * torch.ones(1, 1, 6, 6)),
        means=mean,
        stds=std,
        train_means=train,
        train_stds=torch.full((400, 4), 0.4),
        labels=torch.arange(240) % 3,
        label_names=[HOSTILE, "b", "c"],
        context={"data": HOSTILE, HOSTILE: {"a": [1, HOSTILE]}, "notes": [HOSTILE, "three constant columns"]},
        further=[
            Row("unheard_of", HOSTILE, effect=1.0, meaning=HOSTILE, remedy=HOSTILE),
            Row(
                "fidelity_table",
                "blame",
                effect=3.0,
                details={"table": {"columns": ["set", HOSTILE], "rows": [["real", 0.123456], [HOSTILE, None]]}},
            ),
        ],
    )


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render(report)


class Tags(HTMLParser):
    """Opening and closing tags in order, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.opened: list[tuple[str, dict[str, str | None]]] = []
        self.unclosed: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source", "col", "br"):
            self.unclosed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.unclosed.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_order_is_that_of_the_questions(report: Report, page: str) -> None:
    tags = Tags(page)
    sections = [attributes["id"] for tag, attributes in tags.opened if tag == "section" and "id" in attributes]
    assert sections == [group.key for group in GROUPS] + ["more"]
    links = [attributes["href"] for tag, attributes in tags.opened if tag == "a"]
    assert links == [f"#{key}" for key in sections]
    assert page.index("latents in 4 dimensions") < page.index(f"<h1>{report.headline}</h1>")
    assert page.index("<h1>") < page.index("What was not measured, and why") < page.index('<section id="rate"')
    assert "three constant columns" in page
    rows = [attributes["id"] for tag, attributes in tags.opened if tag == "tbody" and "id" in attributes]
    assert sorted(rows) == sorted(f"row-{key}" for key in report.rows)


def test_every_row_says_its_number_its_verdict_and_what_to_do(report: Report, page: str) -> None:
    page = " ".join("".join(Tags(page).text).split())
    for row in report.rows.values():
        if row.computed:
            assert " ".join(row.meaning.split()) in page
            assert row.remedy in page
        else:
            assert row.reason in page
    for sign in ("✕ red", "✓ green", "– described"):
        assert sign in page
    assert "The statistic that needs fewest" in page


def test_nothing_breaks_out(page: str) -> None:
    tags = Tags(page)
    assert not tags.unclosed
    assert not {"script", "iframe", "object", "link"} & {tag for tag, _ in tags.opened}
    assert not [name for _, attributes in tags.opened for name in attributes if name.startswith("on")]
    assert all(a["src"].startswith("data:image/png;base64,") for tag, a in tags.opened if tag == "img")
    assert "49" not in page.partition("{{ 7")[2][:20]
    assert page.count("&lt;script&gt;") >= 8
    assert "default-src 'none'" in page


def test_pictures_have_words_for_those_who_cannot_see_them(page: str) -> None:
    images = [attributes for tag, attributes in Tags(page).opened if tag == "img"]
    assert len(images) == 11  # everything but the columns of data that are no images
    assert all(len(attributes["alt"]) > 20 for attributes in images)


def test_a_page_from_disk_is_the_same_and_bytes_repeat(report: Report, tmp_path: Path) -> None:
    report.save(tmp_path / "a")
    Report.load(tmp_path / "a").save(tmp_path / "b")
    for name in ("report.json", "report.npz", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / "report.html").stat().st_size < 3e6
    assert (tmp_path / "a" / "report.npz").stat().st_size < 1e6


def test_tables_in_details_are_printed_if_they_are_tables(report: Report, page: str) -> None:
    assert '<table class="inner">' in page
    assert ">0.123<" in page
    for broken in (
        3,
        {"columns": ["a"]},
        {"columns": ["a"], "rows": [[1, 2]]},
        {"columns": "ab", "rows": [["a", "b"]]},
    ):
        assert row_view(replace(report.rows["fidelity_table"], details={"table": broken})).table is None


def test_a_report_of_nothing_has_a_page_and_a_card() -> None:
    empty = Report(20, 1, "StandardNormal(1)", 0, {"radius": Row("radius", "distance", reason="too few")})
    page = render(empty)
    assert "not compared with the prior" in page
    assert "Not measured: too few." in page
    assert "distance (too few)" in plain(empty)
    assert "effect" not in plain(empty)


def test_cards_follow_the_same_order_and_cannot_speak_to_the_terminal(report: Report) -> None:
    card = plain(report)
    assert "\x1b" not in card
    titles = [group.title for group in GROUPS if group.key not in ("agreement", "likelihood")]  # not measured here
    places = [card.index(title) for title in titles]
    assert places == sorted(places)
    assert GROUPS[4].title not in card
    lines = card.splitlines()
    start = next(i for i, line in enumerate(lines) if "effect" in line and "n*" in line)
    ends = {
        match.end()
        for line in lines[start : start + 30]
        if (match := re.search(r"[≈>] [\d\N{NARROW NO-BREAK SPACE}]+", line))
    }
    assert len(ends) == 1  # numbers are aligned


def test_unknown_keys_come_last_and_every_key_once(report: Report) -> None:
    found = grouped(report.rows.values())
    assert found[-1][0].key == "more"
    assert [row.key for row in found[-1][1]] == ["unheard_of"]
    keys = [row.key for _, rows in found for row in rows]
    assert sorted(keys) == sorted(report.rows)


def test_headlines_name_the_number_and_the_statistic() -> None:
    def said(n: float, verdict: str) -> str:
        row = Row("radius", "distance", p=1e-9, p_adjusted=1e-8, n_star=DetectionSize(n, n, n, 9000), verdict=verdict)
        return Report(9000, 2, "p", 0, {"radius": row}).headline

    for n, verdict in ((12.0, "red"), (900.0, "amber"), (7000.0, "green")):
        words = said(n, verdict)
        assert "distinguishable from it" in words
        assert f"about {number(n)} samples (distance)" in words


WRAPPER = """<!DOCTYPE html><meta charset="utf-8"><style>iframe {{ border: 0; width: {width}px; height: 900px }}</style>
<iframe id="page" srcdoc="{page}"></iframe><pre id="found"></pre><script>
const frame = document.getElementById("page");
const hidden = e => e.closest("thead") && getComputedStyle(e.closest("thead")).clipPath !== "none";
frame.onload = () => {{
  const root = frame.contentDocument.documentElement, inside = frame.contentWindow.innerWidth;
  const beyond = [...root.querySelectorAll("body *")].filter(e => {{
    const box = e.getBoundingClientRect();
    return box.width > 1 && (box.right > inside + 1 || box.left < -1) && !e.closest(".scroll") && !hidden(e);
  }});
  const found = [root.scrollWidth, inside, beyond.map(e => e.tagName + "." + e.className)];
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>"""


def _in_browser(page: str, width: int, folder: Path) -> tuple[int, int, list[str]]:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium here to look at the page with (apt-get install chromium)")
    file = folder / "wrapper.html"
    file.write_text(WRAPPER.format(width=width, page=html.escape(page, quote=True)), encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    command = [browser, *options, f"--user-data-dir={folder / 'profile'}", file.as_uri()]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="found">(.*?)</pre>', out)
    assert found, "the browser did not report back"
    width, inside, beyond = json.loads(html.unescape(found[1]))
    return width, inside, beyond


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 1200])
def test_no_horizontal_scroll_in_a_browser(page: str, tmp_path: Path, width: int) -> None:
    scroll, inside, beyond = _in_browser(page, width, tmp_path)
    assert inside == width
    assert scroll <= inside
    assert beyond == []


@pytest.mark.slow
def test_the_browser_notices_a_page_that_is_too_wide(tmp_path: Path) -> None:
    scroll, inside, beyond = _in_browser("<!DOCTYPE html><body><p style='width: 700px'>wide</p>", 400, tmp_path)
    assert scroll > inside
    assert beyond
