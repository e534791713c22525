"""What people type: recipes with options, priors, latent shapes, NAME=VALUE, patterns of files."""

from __future__ import annotations

import contextlib

import pytest
from fuzzing import fuzzed, watched
from hypothesis import given
from hypothesis import strategies as st

from lather.cli.options import DataOptions, parse_latent, parse_options
from lather.data import Dataset, load
from lather.data.latent_blocks import pieces_of
from lather.errors import LatherError
from lather.models import describe, rebuild
from lather.priors import LEARNED_PRIORS, PRIORS, make_prior
from lather.train import Settings
from lather.train.assemble import LIKELIHOODS, assemble
from lather.train.recipes import RECIPES
from lather.train.recipes.text import parse_recipe, value_of

NUMBERS = st.sampled_from(
    ["0", "1", "-1", "2", "0.5", "1e-9", "1e308", "1e999", "nan", "-inf", "true", "none", "9" * 30, "9" * 5000]
)
PIECES = st.sampled_from(
    [*":=,x-*[]/\\ ", "weight", "warmup", "cwae", "vae", "é", "٣", "\x00", "__class__", "8x8x4", "'", '"']
)
TEXT = st.one_of(st.lists(NUMBERS | PIECES, max_size=6).map("".join), st.text(max_size=8))


@fuzzed(15)
@given(text=TEXT)
def test_values(text: str) -> None:
    with watched(), contextlib.suppress(LatherError):
        value_of(text)
        DataOptions(validation=text, columns=text).arguments(text, 0)
        parse_options([f"a={text}", text], "--set")


@fuzzed(15)
@given(text=TEXT)
def test_recipes_and_shapes(text: str) -> None:
    for parse in (parse_recipe, parse_latent):
        with watched(), contextlib.suppress(LatherError):
            parse(text)


@fuzzed(5)
@given(text=TEXT, d=st.sampled_from([0, -1, 1, 2, 3]))
def test_priors(text: str, d: int) -> None:
    with watched(), contextlib.suppress(LatherError):
        make_prior(text, 2)
    for name in PRIORS:
        with watched(), contextlib.suppress(LatherError):
            make_prior(name, d)


@fuzzed(15)
@given(pattern=TEXT)
def test_patterns_of_files(pattern: str) -> None:
    with watched(), contextlib.suppress(LatherError):
        pieces_of("nowhere/" + pattern)
    with watched(), contextlib.suppress(LatherError):
        load("nowhere/" + pattern)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", limit=40)


SMALL = st.sampled_from(
    [
        "0",
        "1",
        "-1",
        "2",
        "3",
        "0.5",
        "-0.5",
        "1e-9",
        "1e300",
        "inf",
        "nan",
        "true",
        "false",
        "none",
        "linear",
        "",
        "1,2",
        "2,x",
    ]
)


@fuzzed(12)
@given(data=st.data())
def test_models(digits: Dataset, data: st.DataObject) -> None:
    """Every combination of names and options is a model that can be written down and rebuilt, or refused."""
    recipe = data.draw(st.sampled_from(sorted(RECIPES)))
    known = [*RECIPES[recipe].options, "nothing"]
    options = {data.draw(st.sampled_from(known)): _value(data.draw(SMALL)) for _ in range(data.draw(st.integers(0, 3)))}
    nets = {
        data.draw(st.sampled_from(["hidden", "width", "blocks", "spectral_norm"])): _value(data.draw(SMALL))
        for _ in range(data.draw(st.integers(0, 2)))
    }
    prior = data.draw(st.sampled_from([None, *PRIORS, *LEARNED_PRIORS, "x"]))
    latent = parse_latent(data.draw(st.sampled_from(["1", "2", "8", "2x2x1", "1x1x3"])))
    with watched(), contextlib.suppress(LatherError):
        model = assemble(
            recipe,
            digits,
            latent,
            nets=data.draw(st.sampled_from(["auto", "mlp", "conv", "residual", "x"])),
            net_options=nets,
            prior=prior,
            likelihood=data.draw(st.sampled_from([None, None, *LIKELIHOODS, "x"])),
            options=options,
            hold_z=data.draw(st.sampled_from([None, None, 2.0, -1.0, float("nan")])),
            hold_n=data.draw(st.sampled_from([None, None, 0, 100, -5])),
        )
        rebuild(describe(model))


def _value(text: str) -> object:
    return parse_options([f"a={text}"], "--set")["a"] if text else ""


@fuzzed(12)
@given(
    changes=st.dictionaries(
        st.sampled_from([*Settings().to_dict(), "x"]),
        st.one_of(
            st.integers(-1, 3),
            st.floats(),
            st.text(max_size=3),
            st.none(),
            st.booleans(),
            st.lists(st.integers(), max_size=2),
        ),
    )
)
def test_settings(changes: dict[str, object]) -> None:
    with watched(), contextlib.suppress(LatherError):
        Settings.from_dict(Settings.from_dict({**Settings().to_dict(), **changes}).to_dict()).for_data(10)
