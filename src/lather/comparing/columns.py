"""What is compared: the numbers of a run's report, what each is, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["COLUMNS", "Column", "column"]


@dataclass(frozen=True)
class Column:
    """A number that every run has.

    Attributes:
        key: its name in CSV, Parquet and JSON.
        title: above the column.
        better: which way is better; ``None`` where neither is.
        meaning: one sentence for someone who sees it for the first time.
    """

    key: str
    title: str
    better: Literal["lower", "higher"] | None
    meaning: str


COLUMNS = (
    Column(
        "distortion",
        "distortion",
        "lower",
        "How far held-out data are from what comes back after encoding and decoding them: root-mean-square error per "
        "value. Less is better.",
    ),
    Column(
        "n_star",
        "n*",
        "higher",
        "How many latents of held-out data it takes to tell them from draws of the prior. More is better; 250 are few, "
        "5000 many. “> N” means that no test of N latents saw a difference.",
    ),
    Column(
        "gap",
        "sampling gap",
        "lower",
        "How much further generated data are from real ones than decoded latents of held-out data are (Fréchet "
        "distance of features): what it costs that latents are not what is drawn from. 0 is perfect.",
    ),
    Column(
        "generated",
        "generated vs. real",
        "lower",
        "How far generated data are from real ones (Fréchet distance of features): what a user of the model sees, "
        "decoder and latents together. Less is better.",
    ),
    Column("seconds", "seconds", None, "How long the training took, with whatever else ran beside it."),
)


def column(key: str) -> Column:
    """The column called ``key``."""
    return next(one for one in COLUMNS if one.key == key)
