"""The order of a report: eight questions, and which rows answer them. Card, page and comparison all follow it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lather.auditing.row import Row

__all__ = ["GROUPS", "Group", "grouped"]


@dataclass(frozen=True)
class Group:
    """One question.

    Args:
        key: short name, for links.
        title: the question.
        lead: what it means, for someone who has never heard of it.
        patterns: keys of the rows that answer it, in order; ``*`` stands for anything.
    """

    key: str
    title: str
    lead: str
    patterns: tuple[str, ...]


GROUPS = (
    Group(
        "rate",
        "What do the posteriors spend?",
        "The encoder gives every datum a region of latent space. How much a latent says about its datum decides "
        "whether these regions can fill the prior together, or must leave gaps.",
        ("rate", "overlap", "two_draw"),
    ),
    Group(
        "match",
        "Do the latents follow the prior?",
        "Every line compares latents of held-out data with draws from the prior, each looking at something else. Read "
        "the effect first, then whether it is beyond chance, then how many samples it takes to see it (n*).",
        (
            *("three_way", "ladder_*", "radius", "pair_distance", "energy", "mmd_small", "per_axis", "per_slice"),
            *("waves", "signal", "energy_sampler", "held", "held_*"),
        ),
    ),
    Group(
        "holes",
        "Where does only one of them go?",
        "Holes are places that the prior draws from and no data come near: what is decoded there is a guess. Strays "
        "and crowding are the reverse, data that are generated too rarely, or never. Of each, 1% is normal.",
        ("holes", "strays", "crowding"),
    ),
    Group(
        "memory",
        "Are training data special?",
        "If training data are encoded differently from new data, the model has memorised them.",
        ("memorisation",),
    ),
    Group(
        "agreement",
        "Do encoder and decoder agree?",
        "A latent is drawn, decoded, and encoded again: the encoder should find it as surely as it claims.",
        ("sbc", "sbc_*"),
    ),
    Group(
        "blame",
        "What does it cost, and who is to blame?",
        "Reconstructions, decodes of held-out latents and decodes of prior draws are compared with real data. Each "
        "step adds one cause: the decoder, the noise of the latents, the mismatch with the prior.",
        (
            *("blame", "gap", "fidelity_*", "kid_*", "precision*", "recall*", "density*", "coverage*"),
            "reconstruction_error",
        ),
    ),
    Group(
        "geometry",
        "What shape has the cloud?",
        "Not tests but descriptions, each beside what as many prior draws show.",
        ("effective_rank", "two_nn", "active_units"),
    ),
    Group(
        "likelihood",
        "How likely are new data?",
        "A bound on the log likelihood of held-out data, where the model has one. More is better.",
        ("elbo", "iwae*", "bits_per_dim*"),
    ),
)
_MORE = Group("more", "More", "Rows that belong to none of the questions above.", ("*",))


def grouped(rows: Iterable[Row]) -> list[tuple[Group, list[Row]]]:
    """Rows under the question they answer, in the order of the questions; questions without rows are left out.

    Keys that no question knows come last, under "More".

    Example:
        >>> [(group.key, [row.key for row in rows]) for group, rows in grouped([Row("new", "new"), Row("rate", "R")])]
        [('rate', ['rate']), ('more', ['new'])]
    """
    left = {row.key: row for row in rows}
    out = []
    for group in (*GROUPS, _MORE):
        found = [left.pop(key) for pattern in group.patterns for key in list(left) if fnmatchcase(key, pattern)]
        if found:
            out.append((group, found))
    return out
