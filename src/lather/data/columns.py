"""Which columns of a table are features, and which one is the label."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lather.errors import DataError

__all__ = ["choose_columns", "find_label"]

LABELS = ("label", "labels", "class", "target", "cell_type")  #: names taken for a label without being told


def choose_columns(
    names: Sequence[str],
    usable: Collection[str],
    origin: str,
    *,
    columns: tuple[str, ...] | None,
    label: str | None,
) -> tuple[list[str], str | None]:
    """Feature columns in order, and the label column or ``None``.

    Without ``columns``, every column but the label is a feature, and one that holds no numbers is an error rather
    than silently dropped.

    Raises:
        DataError: a column that does not exist, or that holds no numbers.
    """
    for asked in columns or ():
        if asked not in names:
            raise DataError(f"{origin} has no column {asked!r}; it has {_listed(names)}")
    label = find_label(names, columns or (), origin, label=label)
    features = list(columns) if columns is not None else [n for n in names if n != label]
    text = [n for n in features if n not in usable]
    if text:
        rest = [n for n in names if n in usable and n != label]
        raise DataError(
            f"{origin}: column{'s' * (len(text) > 1)} {_listed(text)} hold{'s' * (len(text) == 1)} something other "
            f"than numbers; name the columns to use, columns={','.join(rest[:3]) or '...'} (--columns), or the one "
            f"that holds the class, label={text[0]} (--label)"
        )
    if not features:
        raise DataError(f"{origin} has no feature columns beside the label {label!r}; give a table with numbers")
    return features, label


def find_label(names: Sequence[str], features: Collection[str], origin: str, *, label: str | None) -> str | None:
    """The label column: the one asked for, else the first with a usual name that is no feature, else ``None``.

    Raises:
        DataError: the column asked for does not exist.
    """
    if label is None:
        return next((n for n in names if n.lower() in LABELS and n not in features), None)
    if label not in names:
        raise DataError(f"{origin} has no column {label!r}; it has {_listed(names)}")
    return label


def _listed(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(map(repr, names[:most]))
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
