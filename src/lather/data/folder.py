"""Which files of a folder belong together, and which reader a file needs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lather.data.arrays import read_npy, read_npz
from lather.data.h5ad import read_h5ad
from lather.data.idx import read_idx
from lather.data.images import SUFFIXES, Picture, decode
from lather.data.labels import natural
from lather.data.parquet import read_parquet
from lather.data.samples import Request, Samples
from lather.data.table import read_table
from lather.errors import ConfigError, DataError
from lather.files import looking_up

__all__ = ["FORMATS", "check_settings", "format_of", "read_path", "split_of"]

#: format -> endings of file names (a picture is read with its folder)
FORMATS: dict[str, tuple[str, ...]] = {
    "IDX": ("-ubyte", "-ubyte.gz", ".idx", ".idx.gz", ".idx1", ".idx3"),
    "npy": (".npy",),
    "npz": (".npz",),
    "Parquet": (".parquet", ".pq"),
    "h5ad": (".h5ad",),
    "table": (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".tab"),
    "pictures": SUFFIXES,
}
_SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "t10k"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}
_SETTINGS = {
    "table": ("columns", "label"),
    "Parquet": ("columns", "label"),
    "h5ad": ("columns", "label", "key"),
    "npz": ("key",),
}
_LABEL_WORDS = {"label", "labels", "target", "targets", "y", "idx1"}


def read_path(path: Path, request: Request) -> dict[str, Samples]:
    """Samples of a file or folder, keyed ``all`` where nothing is divided, else ``train``, ``validation``, ``test``.

    A file whose name says *train* brings the files beside it that differ in that word only (``test``, ``t10k``,
    ``val``, ...). A folder is searched for such files, for pictures, then one level down.

    Raises:
        ConfigError: a setting that the format has no use for.
        DataError: nothing there, nothing that can be read, or more than one candidate.
    """
    with looking_up(path, DataError):
        folder, there = path.is_dir(), path.exists()
    if folder:
        return _read_folder(path, request)
    if not there:
        raise DataError(
            f"{path} does not exist; give a file, a folder, or the name of a dataset (lather doctor lists them)"
        )
    if not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder, and reading it may never end; give the data as a file")
    kind = format_of(path)
    if kind is None or kind == "pictures":
        what = "is one picture; give the folder that holds all of them" if kind else "has an unknown ending"
        raise DataError(f"{path} {what}. Read are a folder of pictures, or a file that ends in {_endings()}")
    groups: dict[str, list[Path]] = {"all": [path]}
    if split_of(path.name) == "train":
        groups = {"train": [path]}
        beside = [f for f in _files(path.parent) if format_of(f) == kind and _skeleton(f.name) == _skeleton(path.name)]
        for file in beside:
            if split_of(file.name) in ("validation", "test"):
                groups.setdefault(str(split_of(file.name)), []).append(file)
        if len(groups) == 1:
            groups = {"all": [path]}
    return _read_groups(groups, request)


def format_of(path: Path) -> str | None:
    """The format that the ending of a file name stands for."""
    name = path.name.lower()
    return next((kind for kind, endings in FORMATS.items() if name.endswith(endings)), None)


def split_of(name: str) -> str | None:
    """``train``, ``validation`` or ``test`` if the name has exactly one such word.

    Example:
        >>> split_of("t10k-images-idx3-ubyte.gz"), split_of("photos")
        ('test', None)
    """
    found = {_SPLITS[word] for word in _words(name) if word in _SPLITS}
    return found.pop() if len(found) == 1 else None


def _words(name: str) -> list[str]:
    return [w for w in re.split(r"[^a-z0-9]+", name.lower()) if w]


def _skeleton(name: str) -> str:
    """A name without the words for splits and without numbers: equal for files of one dataset."""
    words = ["*" if w in _SPLITS else re.sub(r"[0-9]+", "#", w) for w in _words(name)]
    return "-".join(w for w in words if w != "gz")


def _endings() -> str:
    return ", ".join(ending for kind, endings in FORMATS.items() if kind != "pictures" for ending in endings)


def _files(folder: Path) -> list[Path]:
    """Files that may hold samples, in natural order; unpacked twins of .gz files once; label files left out."""
    files = [f for f in folder.iterdir() if f.is_file() and not f.name.startswith(".") and format_of(f)]
    names = {f.name for f in files}
    files = [f for f in files if not (f.suffix == ".gz" and f.name[:-3] in names)]
    return sorted((f for f in files if not _LABEL_WORDS & set(_words(f.name))), key=lambda f: natural(f.name))


def _read_folder(folder: Path, request: Request) -> dict[str, Samples]:
    try:
        files = _files(folder)
        folders = sorted((f for f in folder.iterdir() if f.is_dir() and not f.name.startswith(".")), key=str)
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror or error}") from None
    for wanted in (("IDX", "npy", "npz", "Parquet", "h5ad"), ("table",)):
        data = [f for f in files if format_of(f) in wanted]
        if data and not (wanted == ("table",) and _has_pictures(folder)):
            return _read_groups(_grouped(data, folder), request)
    if _has_pictures(folder):
        named = {f.name: split_of(f.name) for f in folders if f.name.lower() in _SPLITS and _has_pictures(f)}
        if "train" in named.values():
            if len(set(named.values())) < len(named):
                raise DataError(
                    f"{folder} holds {', '.join(named)}, two of which mean the same split; keep one of them"
                )
            return {str(split): _read_pictures(folder / name, request) for name, split in named.items()}
        return {"all": _read_pictures(folder, request)}
    below = [f for f in folders if any(format_of(g) != "pictures" for g in _files(f))]
    if len(below) == 1:
        return _read_folder(below[0], request)
    if below:
        raise DataError(f"{folder} holds data in {', '.join(f.name for f in below)}; give one of these folders")
    raise DataError(
        f"{folder} holds nothing that can be read; put there pictures ({', '.join(SUFFIXES)}), or files that end in "
        f"{_endings()}"
    )


def _grouped(files: Sequence[Path], folder: Path) -> dict[str, list[Path]]:
    if len({(format_of(f), _skeleton(f.name)) for f in files}) > 1:
        raise DataError(
            f"{folder} holds several datasets: {', '.join(f.name for f in files[:6])}{', ...' * (len(files) > 6)}; "
            "give the path of one file, or keep one dataset in a folder"
        )
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(split_of(file.name) or "all", []).append(file)
    if "train" not in groups:  # parts, or a lone test file
        return {"all": list(files)}
    if "all" in groups:
        raise DataError(f"{folder}: {groups['all'][0].name} belongs to no split, while {groups['train'][0].name} does")
    return groups


def _read_groups(groups: dict[str, list[Path]], request: Request) -> dict[str, Samples]:
    sets: dict[str, Samples] = {}
    for split, files in groups.items():
        check_settings(str(format_of(files[0])), files[0], request)
        if len(files) == 1 and format_of(files[0]) == "npz":
            inner = read_npz(files[0], request)
            if set(inner) != {"all"}:
                if len(groups) > 1:
                    raise DataError(f"{files[0]} holds several splits itself; give this file alone")
                return inner
            sets[split] = inner["all"]
        else:
            sets[split] = _joined([_read_file(f, request) for f in files], request)
    return sets


def check_settings(kind: str, origin: Path | str, request: Request) -> None:
    """Refuse ``columns``, ``label`` and ``key`` where they would change nothing."""
    for setting in ("columns", "label", "key"):
        if getattr(request, setting) is not None and setting not in _SETTINGS.get(kind, ()):
            where = ", ".join(k for k, known in _SETTINGS.items() if setting in known)
            raise ConfigError(f"{setting}= means nothing for {origin} ({kind}), only for {where}; leave it out")


def _read_file(path: Path, request: Request) -> Samples:
    kind = format_of(path)
    if kind == "Parquet":
        return read_parquet(path, request)
    if kind == "h5ad":
        return read_h5ad(path, request)
    if kind == "table":
        return read_table(path, request)
    if kind == "npz":
        return next(iter(read_npz(path, request).values()))
    read = read_idx if kind == "IDX" else read_npy
    x, beside = read(path), _labels_beside(path)
    labels = None if beside is None else read(beside)
    if kind == "IDX" and x.ndim == 1:
        raise DataError(f"{path} holds one number per sample, as label files do; give the file with the images")
    rows = request.rows(len(x)) if x.ndim else None
    if rows is not None:
        labels = labels[rows] if labels is not None and len(labels) == len(x) else labels
        x = x[rows]
    return Samples(x, str(path), labels)


def _labels_beside(path: Path) -> Path | None:
    """``train-labels-idx1-ubyte`` of ``train-images-idx3-ubyte``, ``y_train.npy`` of ``x_train.npy``, "
    "``a_labels.npy``."""
    name = path.name.removesuffix(".gz")
    stem, ending = os.path.splitext(name)
    guesses = [
        re.sub(r"idx\d", "idx1", re.sub("images|imgs", "labels", name)),
        re.sub(r"^[xX](?![A-Za-z])", "y", name),
        f"{stem}_labels{ending}",
        f"{stem}-labels{ending}",
    ]
    for guess in guesses:
        for candidate in (guess, f"{guess}.gz"):
            if guess != name and (path.parent / candidate).is_file():
                return path.parent / candidate
    return None


def _joined(parts: Sequence[Samples], request: Request) -> Samples:
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.x.shape[1:] != first.x.shape[1:] or (part.labels is None) != (first.labels is None):
            raise DataError(
                f"{first.origin} has samples of shape {first.x.shape[1:]}, {part.origin} of {part.x.shape[1:]}, or "
                "only one has labels; the files of one dataset must agree"
            )
    x = np.concatenate([p.x for p in parts])
    labels = None if first.labels is None else np.concatenate([p.labels for p in parts if p.labels is not None])
    rows = request.rows(len(x))
    if rows is not None:
        x, labels = x[rows], None if labels is None else labels[rows]
    return replace(first, x=x, labels=labels, origin=f"{first.origin} and {len(parts) - 1} more")


def _pictures_below(folder: Path) -> list[str]:
    """Paths of pictures relative to ``folder``, in natural order; hidden files and folders are skipped."""
    found = []
    for base, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        relative = os.path.relpath(base, folder)
        prefix = "" if relative == "." else relative + os.sep
        found += [prefix + f for f in files if f.lower().endswith(SUFFIXES) and not f.startswith(".")]
    return sorted(found, key=natural)


def _has_pictures(folder: Path) -> bool:
    for _, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".")]
        if any(f.lower().endswith(SUFFIXES) and not f.startswith(".") for f in files):
            return True
    return False


def _read_pictures(folder: Path, request: Request) -> Samples:
    """All pictures below ``folder``; with two or more folders in it, and none beside them, those are the classes."""
    check_settings("pictures", folder, request)
    names = _pictures_below(folder)
    rows = request.rows(len(names))
    tops = [name.split(os.sep)[0] if os.sep in name else "" for name in names]
    labelled = "" not in tops and len(set(tops)) > 1
    if rows is not None:
        names, tops = [names[i] for i in rows], [tops[i] for i in rows]
    x = decode([Picture(str(folder / name), folder / name) for name in names], request)
    return Samples(x, str(folder), np.array(tops) if labelled else None, decoded=True)
