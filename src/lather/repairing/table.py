"""The table of a repair for a terminal, and as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lather.repairing.choice import RULE
from lather.repairing.result import Repair
from lather.repairing.scores import Score

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["HEADS", "cells", "legend", "plain", "print_table"]

HEADS = ("drawn from", "log-likelihood", "n*", "AUC", "sampling gap", "copies", "seconds", "")


def cells(score: Score, winner: Score) -> tuple[str, ...]:
    """One line of the table, in the order of :data:`HEADS`."""
    name = f"{score.name} ({score.choice})" if score.choice else score.name
    if score.reason is not None:
        return (name, "", "", "", "", "", "", "not fitted")
    likelihood = ""
    if score.log_likelihood is not None:
        likelihood = f"{'≥ ' if score.bound else ''}{score.log_likelihood:.2f} ± {score.error:.2f}"
    gap = "" if score.gap is None else f"{score.gap.value:.3g} ± {score.gap.high - score.gap.value:.1g}"
    share = "" if score.copies is None else f"{score.copies.share:.0%}"
    if score.copies is not None and score.copies.decoded is not None:
        share += f" / {score.copies.decoded:.0%}"
    size = "" if score.n_star is None else f"{score.n_star:short}"
    auc = "" if score.auc is None else f"{score.auc:.2f}"
    mark = "chosen" if score is winner else "copies" if score.memorises and score.name != "before" else ""
    seconds = "" if score.name == "before" else f"{score.seconds:.1f}"
    return (name, likelihood, size, auc, gap, share, seconds, mark)


def legend(repair: Repair) -> list[str]:
    """What the columns say."""
    decodes = repair.winner.copies is not None and repair.winner.copies.decoded is not None
    lines = [
        f"log-likelihood: nats for each of {len(repair.material.scoring)} held-out latents that nothing was fitted to "
        "or chosen by, ± standard error; higher is better.",
        "n*: how many held-out latents it takes to tell them from draws; more is better. AUC: how often a held-out "
        "latent lies deeper among the training latents than a draw; .50 is perfect.",
        "copies: share of draws nearer to a training latent than half of the held-out latents are; "
        + ("behind the stroke the same of what is decoded from them; " if decodes else "")
        + "50% is usual, and certainly more than 55% means that training data are replayed.",
    ]
    if repair.winner.gap is not None:
        lines.append(
            "sampling gap: by how much decoded draws are further from real data than decoded held-out latents (Fréchet "
            "distance of features, ± two standard errors); 0 is perfect."
        )
    return lines


def plain(repair: Repair) -> str:
    """The table as text without colours."""
    table = [HEADS, *(cells(score, repair.winner) for score in repair.scores)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADS))]
    lines = [repair.headline, ""]
    for line in table:
        aligned = [line[0].ljust(widths[0]), *(line[i].rjust(widths[i]) for i in range(1, len(HEADS) - 1)), line[-1]]
        lines.append("  ".join(aligned).rstrip())
    lines += ["", *_reasons(repair), *legend(repair), f"Rule: {RULE}"]
    return "\n".join(lines)


def print_table(repair: Repair, console: Console | None = None) -> None:
    """Print it: in colours on a terminal, else in plain text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    if not console.is_terminal:
        console.file.write(plain(repair) + "\n")
        return
    console.print()
    console.print(Text(repair.headline, style="bold green" if repair.improved else "bold yellow"))
    table = Table(box=box.SIMPLE, padding=(0, 1), show_edge=False)
    for i, head in enumerate(HEADS):
        table.add_column(head, justify="left" if i in (0, len(HEADS) - 1) else "right")
    for score in repair.scores:
        style = "bold" if score is repair.winner else "red" if score.memorises else "dim" if score.reason else ""
        table.add_row(*(Text(cell, style=style) for cell in cells(score, repair.winner)))
    console.print(table)
    for line in (*_reasons(repair), *legend(repair), f"Rule: {RULE}"):
        console.print(Text(line, style="dim"))


def _reasons(repair: Repair) -> list[str]:
    return [f"{score.name} was not fitted: {score.reason}" for score in repair.scores if score.reason is not None]
