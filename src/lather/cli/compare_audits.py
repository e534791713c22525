"""Two audits side by side, on the terminal, as JSON or as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lather.auditing import Report

__all__ = ["compare"]


def compare(
    reports: Sequence[Report], names: Sequence[str], *, out: Path | None, as_json: bool, quiet: bool = False
) -> None:
    """Print both reports row by row, and write the page.

    Args:
        reports: what to compare.
        names: what to call each.
        out: an ``.html`` file, or a directory for ``comparison.html``.
        as_json: print JSON, ``{"reports": [{"name": ..., ...}, ...]}``, instead of a table.
        quiet: print nothing.
    """
    from lather.auditing.compare_card import print_comparison
    from lather.auditing.compare_page import render_comparison
    from lather.files import atomically

    page = None
    if out is not None:
        page = out if out.suffix.lower() in (".html", ".htm") else out / "comparison.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with atomically(page) as temporary:
            temporary.write_text(render_comparison(reports, names), encoding="utf-8")
    if as_json:
        both = [{"name": name, **report.to_dict()} for name, report in zip(names, reports, strict=True)]
        print(json.dumps({"reports": both}, indent=2, ensure_ascii=False, allow_nan=False))
    elif not quiet:
        print_comparison(reports, names)
        if page is not None:
            print(f"\ncomparison: {page}")
