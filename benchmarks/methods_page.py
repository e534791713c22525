"""Write the generated parts of docs/methods.md: what the registries hold, and which figures there are.

    python benchmarks/methods_page.py            # rewrites them in place
    python benchmarks/methods_page.py --check    # exit status 1 if the page says something else

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; the rest of the page is written by
hand. A test compares the tables with the registries.
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from lather.divergences import DIVERGENCES, Divergence, MaxSliced, Sliced, make_divergence
from lather.errors import CapabilityError, ConfigError, MissingExtraError
from lather.models import Autoencoder, Objective, Posterior, PosteriorKL, Reconstruction, SquaredError, Term
from lather.priors import (
    LEARNED_PRIORS,
    PRIORS,
    AggregatePosterior,
    Empirical,
    Prior,
    make_learned_prior,
    make_prior,
)
from lather.spec import known
from lather.train.recipes import RECIPES, Problem

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "methods.md"
FIGURES = "images/methods"
D = 8  #: latent dimensions that examples are shown for
NUMBERS = 784  #: values in a sample


# what classes say of themselves --------------------------------------------------------------------------------
def says(thing: object) -> dict[str, str]:
    """``{"sees": …, "misses": …, "null": …, "cost": …}`` from the paragraph of that form in the class's docstring.

    ``Sees: … . Misses: … . Null: … . Cost: … .``: the first is always there, others only where they apply.
    """
    text = " ".join((inspect.getdoc(type(thing)) or "").split("\n\n")).replace("\n", " ")
    found = re.search(r"Sees: .*", text)
    if found is None:
        return {}
    words = re.split(r"(Sees|Misses|Null|Cost): ", found.group())
    facts = {name.lower(): value for name, value in zip(words[1::2], words[2::2], strict=True)}
    return {name: re.split(r"\.(?: |$)", value)[0].strip() for name, value in facts.items()}


def facts(divergence: nn.Module) -> dict[str, str]:
    """What a divergence says of itself; one on slices lets its statistic speak."""
    if isinstance(divergence, Sliced):
        return {**says(divergence), **says(divergence.statistic)}
    return says(divergence)


def summands(objective: Objective | Term) -> list[nn.Module]:
    """The terms of an objective, and in place of a ``Match`` the divergences in it."""
    terms = list(objective.terms) if isinstance(objective, Objective) else [objective]
    out: list[nn.Module] = []
    for term in terms:
        inside = [m for m in term.modules() if isinstance(m, Divergence) and says(m)]
        held = {id(m.start) for m in inside if isinstance(m, MaxSliced)}  # its random starts are no method of their own
        out += [m for m in inside if id(m) not in held] or [term]
    return out


# tables --------------------------------------------------------------------------------------------------------
def table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)])


def code(thing: object) -> str:
    """The call that makes it, long numbers rounded."""
    return f"`{re.sub(r'[0-9]+[.][0-9]{5,}', lambda found: f'{float(found.group()):.4g}', repr(thing))}`"


def recipes() -> str:
    """Method, line of algebra, what latents are drawn from, paper."""
    rows = []
    for recipe in RECIPES.values():
        design = recipe.design(Problem(NUMBERS, D))
        parts = [code(design.objective), f"posterior {code(design.posterior)}"]
        if design.prior is not None:
            parts.append("a prior of its own")
        if design.net_options:
            parts.append("decoder with " + ", ".join(f"`{key}={value:g}`" for key, value in design.net_options.items()))
        if design.sampler is not None:
            parts.append(f"then sampler `{design.sampler}`")
        rows.append([f"`{recipe.name}`", recipe.summary, "; ".join(parts), linked(recipe.citation)])
    return table(["recipe", "what it is", "line of algebra", "paper"], rows)


def linked(citation: str) -> str:
    """arXiv numbers and DOIs as links."""
    citation = re.sub(r"arXiv:(\d{4}\.\d{4,5})", r"[arXiv:\1](https://arxiv.org/abs/\1)", citation)
    return re.sub(r"doi:(10\.\S+?)(?=[\s)]|$)", r"[doi:\1](https://doi.org/\1)", citation)


def sight() -> str:
    """Recipe by recipe: what its regulariser sees, misses and costs."""
    rows = []
    for recipe in RECIPES.values():
        objective = recipe.design(Problem(NUMBERS, D)).objective
        parts = [(part, facts(part)) for part in summands(objective)]
        told = [(part, words) for part, words in parts if words]
        columns = ["; ".join(words.get(name, "–") for _, words in told) for name in ("sees", "misses", "cost")]
        if all(isinstance(part, Reconstruction) for part, _ in parts):
            columns = ["nothing of the latents", "everything", "–"]
        rows.append([f"`{recipe.name}`", *(column or "–" for column in columns)])
    return table(["recipe", "sees", "misses", "cost a step"], rows)


def divergences() -> str:
    """Every registered divergence, with what its docstring says."""
    rows = []
    for name in DIVERGENCES:
        divergence = make_divergence(name, D)
        words = facts(divergence)
        rows.append([f"`{name}`", code(divergence), *(words[key] for key in ("sees", "misses", "null", "cost"))])
    head = ["divergence", f"at d = {D}", "sees", "misses", "expectation under the prior", "cost"]
    return table(head, rows)


def priors() -> dict[str, Prior]:
    """One of each prior: those with a name, and those made of latents."""
    generator = torch.Generator().manual_seed(0)
    z, x = torch.randn(50, D, generator=generator), torch.rand(600, 4, generator=generator)
    return {
        **{name: make_prior(name, D) for name in PRIORS},
        **{name: make_learned_prior(name, D, x) for name in LEARNED_PRIORS},
        "empirical": Empirical(z),
        "aggregate": AggregatePosterior(z, torch.ones_like(z)),
    }


class Footnotes:
    """Reasons, each numbered once."""

    def __init__(self) -> None:
        self.reasons: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        return str(self.reasons.setdefault(reason, len(self.reasons) + 1))

    def __str__(self) -> str:
        return "\n".join(f"{number}. {reason}" for reason, number in self.reasons.items())


def short(error: Exception, **parts: Prior | Posterior) -> str:
    """An error's message with the parts that met it left open, so that rows can share a reason."""
    message = str(error)
    for what, part in parts.items():
        message = message.replace(repr(part), f"this {what}")
    return message


def grid(names: list[str], cell: Callable[[str, str, Footnotes], str], head: str) -> str:
    """A table of ``cell(row, prior, footnotes)``, the reasons numbered below."""
    notes, laws = Footnotes(), list(priors())
    rows = [[f"`{name}`", *(cell(name, law, notes) for law in laws)] for name in names]
    text = table([head, *(f"`{law}`" for law in laws)], rows)
    return f"{text}\n\n{notes}" if notes.reasons else text


def compatibility() -> str:
    """Divergence × prior: closed form, prior samples, or the number of the reason why not."""
    laws = priors()

    def cell(name: str, law: str, notes: Footnotes) -> str:
        divergence, prior = make_divergence(name, D), laws[law]
        try:
            divergence.check(prior)
        except CapabilityError as error:
            return f"no ({notes.mark(short(error, prior=prior))})"
        return {"closed form": "closed", "prior samples": "samples"}[divergence.needs(prior)]

    return grid(list(DIVERGENCES), cell, "divergence")


def posteriors() -> dict[str, Posterior]:
    """One of each posterior."""
    made = {}
    for name, kind in known(Posterior).items():
        needed = [
            p.name
            for p in inspect.signature(kind).parameters.values()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        made[name] = kind(**{key: {"sigma": 0.3, "d": D}[key] for key in needed})
    return made


def kl() -> str:
    """Posterior × prior: whether PosteriorKL is a closed form, an estimate from one draw, or refused."""
    laws, kinds = priors(), posteriors()

    def cell(name: str, law: str, notes: Footnotes) -> str:
        posterior, prior = kinds[name], laws[law]
        torch.manual_seed(0)
        wide = posterior.output_shape((D,))
        encoder = nn.Sequential(nn.Linear(4, wide[0]))
        try:
            model = Autoencoder(
                encoder,
                nn.Linear(D, 4),
                prior=prior,
                posterior=posterior,
                likelihood=SquaredError(),
                objective=Reconstruction() + PosteriorKL(),
            )
        except ConfigError as error:
            return f"no ({notes.mark(short(error, prior=prior, posterior=posterior))})"
        x = torch.randn(6, 4)
        values = [
            PosteriorKL()(model.step(x, generator=torch.Generator().manual_seed(seed))).detach() for seed in (1, 2)
        ]
        if not all(map(torch.isfinite, values)):
            return "infinite"
        return "closed" if torch.equal(*values) else "Monte Carlo"

    return grid(list(kinds), cell, "posterior")


def figures() -> str:
    """The training figure of every recipe that has one, and the table of results where there is one."""
    folder = PAGE.parent / FIGURES
    found = [name for name in RECIPES if (folder / f"{name}.png").exists()]
    parts = [f"**`{name}`** {RECIPES[name].summary}\n\n![{name}]({FIGURES}/{name}.png)" for name in found]
    if (PAGE.parent / "methods-table.md").exists():
        parts.insert(0, "What was measured is in [methods-table.md](methods-table.md).")
    return "\n\n".join(parts) or "No figures have been made yet: `python benchmarks/all_recipes.py --docs docs`."


TABLES: dict[str, Callable[[], str]] = {
    "recipes": recipes,
    "sight": sight,
    "divergences": divergences,
    "compatibility": compatibility,
    "kl": kl,
    "figures": figures,
}


def rendered(page: str) -> str:
    """``page`` with every generated part made anew."""
    for name, make in TABLES.items():
        pattern = re.compile(rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)", re.S)
        if not pattern.search(page):
            raise SystemExit(f"{PAGE} has no part called {name}: <!-- generated: {name} --> … <!-- end -->")
        made = f"\n{make()}\n\n"
        page = pattern.sub(lambda found, made=made: found[1] + made + found[2], page)
    return page


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing")
    arguments = parser.parse_args()
    before = PAGE.read_text(encoding="utf-8")
    try:
        after = rendered(before)
    except MissingExtraError as error:
        raise SystemExit(f"the page is made with all extras installed: {error}") from None
    if arguments.check:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
