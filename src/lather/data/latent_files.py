"""Latents of a file: which of its arrays is z, which are means, deviations and labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lather.data.latent_parts import NAMES, Part, Parts, format_of, listed, named, parts_of, place_of
from lather.data.latents import Latents
from lather.errors import DataError
from lather.files import looking_up

__all__ = ["read_latents"]


def read_latents(
    path: Path,
    *,
    key: str | None = None,
    mean: str | Path | None = None,
    std: str | Path | None = None,
    logvar: str | Path | None = None,
    labels: str | Path | None = None,
    columns: Sequence[str] | None = None,
) -> Latents:
    """Latents of a ``.npy``, ``.npz``, ``.safetensors``, ``.parquet``, ``.csv``, ``.tsv`` or ``.h5ad`` file.

    Arrays (in tables: columns of lists, or numbered ones such as ``z_0``, ``z_1``, …) are known by name: ``z`` or
    ``latents``; ``mean`` or ``mu``; ``std`` or ``sigma``; ``logvar``, ``log_var`` or ``log_variance``; ``labels``,
    ``label`` or ``y``. A lone array is z whatever its name; a table without such names is z as a whole, but for a
    column ``label``, ``labels``, ``class``, ``target`` or ``cell_type``; a lone ``obsm`` entry of an ``.h5ad`` file is
    z. Where both ``std`` and ``logvar`` are there, ``std`` counts.

    Nothing that is read is executed; sizes that a file declares are compared with what it holds. A ``.npy`` file stays
    on disk and is read as it is used.

    Args:
        path: the file, or a run directory, which holds ``latents.safetensors``.
        key: which array is z, where the names do not tell; posteriors of the file then count only if named here.
        mean, std, logvar: the name of an array of this file, or the path of another file. If ``std`` or ``logvar`` is
            given without ``mean``, and nothing is called mean, what would be z is the mean.
        labels: likewise; of a table the label column, of an ``.h5ad`` file a column of ``obs``.
        columns: of a table, the columns that are z.

    Raises:
        DataError: nothing there, an unknown format, a damaged file, or names that do not tell what is z.
        ConfigError: options that this format has no use for.
        MissingExtraError: a format that needs a package that is not installed.
    """
    path = Path(path).expanduser()
    with looking_up(path, DataError):
        if (path / "latents.safetensors").is_file():
            path = path / "latents.safetensors"
    tabular = format_of(path) in ("table", "parquet", "h5ad")  # labels are a column, read with the values
    column = str(labels) if labels is not None and tabular and not Path(labels).is_file() else None
    parts = parts_of(path, columns=columns, label=column)

    asked = {"mean": mean, "std": std, "logvar": logvar}
    chosen = {role: _given(name, role, parts, path) for role, name in asked.items() if name is not None}
    by_name = {role: parts[name] for role in asked if (name := named(role, parts)) is not None}
    if not chosen and key is None:
        chosen = {role: part for role, part in by_name.items() if role != "logvar" or "std" not in by_name}
    elif chosen and "mean" not in chosen and "mean" in by_name and key is None:
        chosen["mean"] = by_name["mean"]
    here = "mean" in chosen and (mean is None or _is_here(mean, parts, path))
    z = _z(parts, key, path, needed=not here) if mean is None or not _is_file(mean, path) else None
    if z is not None:
        widths = std is not None or logvar is not None
        chosen["mean" if widths and "mean" not in chosen else "z"] = z

    if labels is not None and column is None:
        chosen["labels"] = _given(labels, "labels", parts, path)
    elif labels is None and not tabular and (name := named("labels", parts)) is not None:
        chosen["labels"] = parts[name]
    read = {role: part() for role, part in chosen.items()}
    values = {role: x for role, (x, _) in read.items()}
    beside = next((y for role, (_, y) in read.items() if y is not None and role in ("z", "mean")), None)
    return Latents(
        values.get("z"),
        mean=values.get("mean"),
        std=values.get("std"),
        logvar=values.get("logvar"),
        labels=values.get("labels", beside),
        origin=str(path),
    )


def _z(parts: Parts, key: str | None, path: Path, *, needed: bool) -> Part | None:
    """The part that is z; ``None`` where there is none and means make up for it."""
    if key is not None:
        place = place_of(key, parts)
        if place is None:
            raise DataError(f"{path} has no array {key!r}; it has {listed(parts)}")
        return parts[place]
    name = named("z", parts)
    if name is not None:
        return parts[name]
    if not needed:
        return None
    if "" in parts:
        return parts[""]
    others = {word for role in NAMES if role != "z" for word in NAMES[role]}
    rest = [name for name in parts if name.lower() not in others]
    lone = [name for name in rest if name.startswith("obsm/")] if format_of(path) == "h5ad" else rest
    if len(lone) != 1:
        raise DataError(
            f"{path} holds {listed(parts)}, and which one the latents are is not clear; name it: key=... (--key), or "
            "store it as 'z' (or posteriors as 'mean' and 'std' or 'logvar')"
        )
    return parts[lone[0]]


def _given(name: str | Path, role: str, parts: Parts, path: Path) -> Part:
    """The part of this file that is called ``name``, else what the file ``name`` holds."""
    place = place_of(str(name), parts)
    if place is not None:
        return parts[place]
    other = Path(name).expanduser()
    if not other.is_file():
        raise DataError(
            f"{role}={str(name)!r} is neither an array of {path}, which holds {listed(parts)}, nor an existing file"
        )
    inside = parts_of(other)
    choice = next((found for known in (role, "z") if (found := named(known, inside)) is not None), None)
    if choice is None and "" not in inside and len(inside) != 1:
        raise DataError(
            f"{other} holds {listed(inside)}, and which one the {role} is is not clear; store it as {role!r}"
        )
    return inside[choice if choice is not None else "" if "" in inside else next(iter(inside))]


def _is_here(name: str | Path, parts: Parts, path: Path) -> bool:
    return place_of(str(name), parts) is not None or _is_file(name, path)


def _is_file(name: str | Path, path: Path) -> bool:
    other = Path(name).expanduser()
    return other.is_file() and other.samefile(path)
