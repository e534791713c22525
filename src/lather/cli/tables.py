"""Commands that list what there is: recipes, priors, divergences."""

from __future__ import annotations

import json
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["JSON", "divergences", "priors", "recipes", "show"]

JSON = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs to read.")]


def recipes(*, numbers: int = 784, as_json: JSON = False) -> None:
    """List the recipes: name, the line of algebra, the paper.

    Parameters
    ----------
    numbers
        Values in a sample (784 for MNIST); default weights grow with it.
    """
    from lather.train.recipes import RECIPES

    rows: list[dict[str, Any]] = []
    for recipe in RECIPES.values():
        design = recipe.design(numbers)
        rows.append(
            {
                "name": recipe.name,
                "summary": recipe.summary,
                "objective": repr(design.objective),
                "posterior": repr(design.posterior),
                "sampler": design.sampler,
                "net_options": dict(design.net_options),
                "options": recipe.options,
                "paper": None if recipe.paper == "none" else repr(recipe.design(numbers, paper=True).objective),
                "citation": recipe.citation,
            }
        )
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console()
    console.print(f"Recipes, with their default weights for samples of {numbers} values\n", highlight=False)
    for row in rows:
        console.print(Text(row["name"], style="bold"))
        lines = [row["summary"], f"{row['objective']},  posterior {row['posterior']}"]
        if row["paper"] not in (None, row["objective"]):
            lines.append(f"--paper: {row['paper']}")
        if row["net_options"]:
            lines.append("networks with " + "  ".join(f"{k}={v}" for k, v in row["net_options"].items()))
        if row["sampler"]:
            lines.append(f"new latents are drawn from a sampler fitted to the trained ones: {row['sampler']}")
        if row["options"]:
            lines.append("--set: " + "  ".join(f"{k}={_shown(v)}" for k, v in row["options"].items()))
        lines.append(row["citation"])
        for line in lines:
            console.print(Padding(Text(line, style="dim" if line == row["citation"] else ""), (0, 0, 0, 4)))


def _shown(value: Any) -> str:
    return "auto" if value is None else str(value)


def priors(*, as_json: JSON = False) -> None:
    """List the priors that latents can follow, and those that are learned with them (by recipes with a KL term)."""
    from lather.priors import LEARNED_PRIORS, PRIORS

    rows = [
        {"name": name, "class": kind.__name__, "learned": learned, "summary": kind.summary}
        for learned, table in ((False, PRIORS), (True, LEARNED_PRIORS))
        for name, (kind, _) in table.items()
    ]
    if as_json:
        show(rows, True, title="", columns={})
        return
    shown = [{**row, "learned": "learned" if row["learned"] else ""} for row in rows]
    columns = {"name": "prior", "class": "class", "learned": "", "summary": "what it is"}
    show(shown, False, title="Priors", columns=columns)


def divergences(*, latent: int = 8, null: int | None = None, as_json: JSON = False) -> None:
    """List the divergences, and what each needs to be compared with every prior.

    Parameters
    ----------
    latent
        Latent dimensions to show defaults for.
    null
        Instead, show what this many true prior samples score: mean, standard deviation and the value that 95 in 100
        stay below. Simulated once (a minute for 256 samples) and then kept.
    """
    if null is not None:
        _nulls(null, latent, as_json)
        return
    from lather.divergences import DIVERGENCES
    from lather.errors import CapabilityError
    from lather.priors import PRIORS, make_prior

    rows: list[dict[str, Any]] = []
    for name, (summary, make) in DIVERGENCES.items():
        divergence = make(latent)
        needs = {}
        for prior in PRIORS:
            law = make_prior(prior, latent)
            try:
                divergence.check(law)
                needs[prior] = divergence.needs(law)
            except CapabilityError:
                needs[prior] = "no"
        rows.append({"name": name, "summary": summary, "class": repr(divergence), "needs": needs})
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    show(rows, False, title="Divergences", columns={"name": "divergence", "summary": "what it is"})
    signs = {"closed form": "closed", "prior samples": "samples", "no": "–"}
    flat = [{"name": row["name"], **{p: signs[need] for p, need in row["needs"].items()}} for row in rows]
    show(
        flat,
        False,
        title="The prior's side: in closed form, from prior samples, or not possible (–)",
        columns={"name": "divergence", **{prior: prior for prior in PRIORS}},
    )


def _nulls(n: int, d: int, as_json: bool) -> None:
    from lather.divergences import DIVERGENCES
    from lather.errors import CapabilityError, ShapeError
    from lather.priors import make_prior

    rows: list[dict[str, Any]] = []
    for name, (_, make) in DIVERGENCES.items():
        divergence, prior = make(d), "normal"
        try:
            divergence.check(make_prior(prior, d))
        except CapabilityError:
            prior = "sphere"
        row: dict[str, Any] = {"name": name, "prior": prior, "n": n, "d": d}
        try:
            found = divergence.null(make_prior(prior, d), n)
            row |= {"mean": found.mean, "std": found.std, "quantile95": found.quantile(0.95), "draws": found.draws}
            row |= {"exact": list(found.exact), "rate": divergence.null_rate, "reason": None}
        except ShapeError as error:
            row |= {"mean": None, "std": None, "quantile95": None, "draws": 0, "exact": [], "reason": str(error)}
            row |= {"rate": divergence.null_rate}
        rows.append(row)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    figures = ("mean", "std", "quantile95")
    flat = [
        {
            **row,
            **{key: "–" if row[key] is None else f"{row[key]:.3g}" for key in figures},
            "exact": ", ".join(row["exact"]).replace("std", "sd"),
        }
        for row in rows
    ]
    headings = {"name": "divergence", "prior": "prior", "mean": "mean", "std": "sd", "quantile95": "95% stay below"}
    show(flat, False, title=f"What {n} true prior samples score in d = {d}", columns={**headings, "exact": "exact"})


def show(
    rows: list[dict[str, Any]],
    as_json: bool,
    *,
    title: str,
    columns: dict[str, str],
) -> None:
    """Print rows as a table for people or as JSON for programs.

    Args:
        rows: dictionaries with the same keys.
        as_json: which of the two.
        title: above the table.
        columns: key -> heading, for the table; JSON has all keys.
    """
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for index, heading in enumerate(columns.values()):
        table.add_column(heading, no_wrap=index == 0, style="bold" if index == 0 else "", overflow="fold")
    for row in rows:
        table.add_row(*(str(row[key]) for key in columns))
    Console().print(table)
