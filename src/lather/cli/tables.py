"""Commands that list what there is: recipes, priors, divergences."""

from __future__ import annotations

import json
from typing import Annotated, Any

from cyclopts import Parameter

__all__ = ["JSON", "divergences", "priors", "recipes", "show"]

JSON = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for programs to read.")]


def recipes(*, latent: int = 8, numbers: int = 784, as_json: JSON = False) -> None:
    """List the recipes: name, the line of algebra, the paper.

    Parameters
    ----------
    latent
        Latent dimensions to show the algebra for.
    numbers
        Values in a sample (784 for MNIST); default weights grow with it.
    """
    from lather.train.recipes import RECIPES

    rows = []
    for recipe in RECIPES.values():
        design = recipe.design(numbers)
        rows.append(
            {
                "name": recipe.name,
                "objective": repr(design.objective),
                "posterior": repr(design.posterior),
                "summary": recipe.summary,
                "options": recipe.options,
                "citation": recipe.citation,
            }
        )
    show(
        rows,
        as_json,
        title=f"Recipes, with their default weights for samples of {numbers} values",
        columns={"name": "recipe", "objective": "objective", "posterior": "posterior", "summary": "what it is"},
        notes=[f"{row['name']}: {row['citation']}" for row in rows]
        + ["", "Change an option with --set, such as --set weight=50; --paper takes the paper's own weights."],
    )


def priors(*, as_json: JSON = False) -> None:
    """List the priors that latents can be matched with."""
    from lather.priors import PRIORS

    rows = [{"name": name, "class": kind.__name__, "summary": kind.summary} for name, (kind, _) in PRIORS.items()]
    show(rows, as_json, title="Priors", columns={"name": "prior", "class": "class", "summary": "what it is"})


def divergences(*, latent: int = 8, as_json: JSON = False) -> None:
    """List the divergences, and what each needs to be compared with every prior.

    Parameters
    ----------
    latent
        Latent dimensions to show defaults for.
    """
    from lather.divergences import DIVERGENCES
    from lather.errors import CapabilityError
    from lather.priors import PRIORS, make_prior

    rows = []
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
        rows.append({"name": name, "class": repr(divergence), "summary": summary, **needs})
    show(
        rows,
        as_json,
        title=f"Divergences in {latent} dimensions, and the prior's side: closed form, prior samples, or not possible",
        columns={"name": "divergence", "class": "class", "summary": "what it is", **{p: p for p in PRIORS}},
    )


def show(
    rows: list[dict[str, Any]],
    as_json: bool,
    *,
    title: str,
    columns: dict[str, str],
    notes: list[str] | None = None,
) -> None:
    """Print rows as a table for people or as JSON for programs.

    Args:
        rows: dictionaries with the same keys.
        as_json: which of the two.
        title: above the table.
        columns: key -> heading, for the table; JSON has all keys.
        notes: lines below the table.
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
    console = Console()
    console.print(table)
    for note in notes or []:
        console.print(note, markup=False, highlight=False)
