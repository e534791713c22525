"""Datasets known by name, and where their files are looked for."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lather.data.folder import check_settings, format_of, read_path
from lather.data.samples import Request, Samples
from lather.errors import DataError

__all__ = ["NAMED", "Availability", "NamedSet", "available", "known_name", "read_named"]

_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class NamedSet:
    """A dataset with a name.

    Args:
        title: what it is, for people.
        shape: shape of one sample, with which the files found are compared.
        classes: names of the classes.
        repository: dataset repository on the Hugging Face hub, ``None`` for what is embedded.
        files: its Parquet files there.
        citation: whom to thank.
        value_range: where the values are neither [0, 1] nor 0 to 255.
    """

    title: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    repository: str | None
    files: tuple[str, ...]
    citation: str
    value_range: tuple[float, float] | None = None


def _parquet(folder: str) -> tuple[str, str]:
    return f"{folder}/train-00000-of-00001.parquet", f"{folder}/test-00000-of-00001.parquet"


NAMED: dict[str, NamedSet] = {
    "digits": NamedSet(
        "1797 handwritten digits of 8 x 8 pixels, embedded in scikit-learn",
        (1, 8, 8),
        _DIGITS,
        None,
        (),
        "Alpaydin & Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998",
        (0.0, 16.0),
    ),
    "mnist": NamedSet(
        "70 000 handwritten digits of 28 x 28 pixels",
        (1, 28, 28),
        _DIGITS,
        "ylecun/mnist",
        _parquet("mnist"),
        "LeCun, Cortes & Burges, The MNIST database of handwritten digits, 1998",
    ),
    "fashion-mnist": NamedSet(
        "70 000 articles of clothing of 28 x 28 pixels",
        (1, 28, 28),
        (
            "T-shirt / top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        "zalando-datasets/fashion_mnist",
        _parquet("fashion_mnist"),
        "Xiao, Rasul & Vollgraf, Fashion-MNIST, arXiv:1708.07747, 2017",
    ),
    "kmnist": NamedSet(
        "70 000 cursive Japanese characters of 28 x 28 pixels",
        (1, 28, 28),
        ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
        "tanganke/kmnist",
        _parquet("kmnist"),
        "Clanuwat et al., Deep Learning for Classical Japanese Literature, arXiv:1812.01718, 2018",
    ),
    "cifar10": NamedSet(
        "60 000 small photographs of 32 x 32 pixels in 10 classes",
        (3, 32, 32),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
        "uoft-cs/cifar10",
        _parquet("plain_text"),
        "Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009",
    ),
}


@dataclass(frozen=True)
class Availability:
    """One row of ``lather doctor``: a named dataset, and where it was found or why not."""

    name: str
    description: str
    found: bool
    where: str


def available() -> list[Availability]:
    """Every named dataset with where it is on this machine; nothing is read or fetched.

    Example:
        >>> available()[0].name, available()[0].found
        ('digits', True)
    """
    rows = []
    for name, known in NAMED.items():
        if known.repository is None:
            rows.append(Availability(name, known.title, True, "embedded in scikit-learn"))
            continue
        place = _found(name)
        why = "" if place else f"not under {' or '.join(map(str, _roots()))}; fetched on first use (extra hub)"
        rows.append(Availability(name, known.title, place is not None, str(place) if place else why))
    return rows


def known_name(source: str) -> str | None:
    """The named dataset meant by ``source``; ``MNIST`` is ``mnist`` where no file or folder is called so."""
    if source in NAMED:
        return source
    plain = next((name for name in NAMED if _plain(name) == _plain(source)), None)
    return None if plain is None or Path(source).exists() else plain


def read_named(name: str, request: Request) -> tuple[dict[str, Samples], str]:
    """The sets of a named dataset, and where they were found.

    Looked for under ``$LATHER_DATA``, then in the user's cache, then fetched from the Hugging Face hub into the cache.

    Raises:
        DataError: not found and not to be fetched (says which files to put where), or something else under the name.
    """
    known = NAMED[name]
    if known.repository is None:
        check_settings("images", name, request)
        return {"all": _digits(request, known)}, "embedded"
    place = _found(name) or _fetch(name, known)
    sets = {split: _named(samples, known) for split, samples in read_path(place, request).items()}
    for samples in sets.values():
        asked_otherwise = samples.decoded and (request.image_size or request.channels)
        if not asked_otherwise and _sides(samples.x.shape[1:]) != _sides(known.shape):
            raise DataError(
                f"{samples.origin} has samples of shape {samples.x.shape[1:]}, but {name} has {known.shape}; "
                f"something else is under that name: move it, or give its path instead of the name (./{name})"
            )
    return sets, f"from {place}"


def _named(samples: Samples, known: NamedSet) -> Samples:
    """The samples with the class names of the set, where their labels are numbers."""
    numbered = samples.labels is not None and samples.labels.dtype.kind != "U"
    return replace(samples, classes=known.classes) if numbered else samples


def _sides(shape: tuple[int, ...]) -> list[int]:
    """Lengths of the axes, whatever their order; a single channel may have no axis."""
    return sorted(s for s in shape if s != 1)


def _digits(request: Request, known: NamedSet) -> Samples:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    x, y = bunch.images.astype(np.uint8), bunch.target.astype(np.int64)
    rows = request.rows(len(x))
    if rows is not None:
        x, y = x[rows], y[rows]
    return Samples(x, "digits", y, known.classes)


def _cache() -> Path:
    """The user's cache folder of Lather, on each platform where users expect it."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "lather"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "lather"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "lather"
    return Path.home() / ".cache" / "lather"


def _roots() -> list[Path]:
    given = os.environ.get("LATHER_DATA")
    return [*([Path(given)] if given else []), _cache()]


def _found(name: str) -> Path | None:
    """The folder, or file, of that name under one of the roots; ``FashionMNIST`` is ``fashion-mnist``, too."""
    for root in _roots():
        try:
            entries = sorted(root.iterdir())
        except OSError:
            continue
        for entry in entries:
            if _plain(entry.name.partition(".")[0]) == _plain(name) and _is_complete(entry, root == _cache(), name):
                return entry
    return None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _is_complete(entry: Path, cached: bool, name: str) -> bool:
    """Not an empty folder; and in the cache, not a fetch that was cut off after the first file."""
    if not entry.is_dir():
        return format_of(entry) not in (None, "pictures")
    files = [f for f in entry.rglob("*") if f.is_file() and not f.name.startswith(".") and ".cache" not in f.parts]
    if not cached:
        return bool(files)
    fetched = [entry / f for f in NAMED[name].files]
    started = any(f.exists() for f in fetched) or (entry / ".cache" / "huggingface").exists()
    return all(f.is_file() for f in fetched) if started else bool(files)


def _fetch(name: str, known: NamedSet) -> Path:
    target = _cache() / name
    assert known.repository is not None
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise DataError(_absent(name, known, "to have it fetched, run: pip install 'lather[hub,parquet]'")) from None
    try:
        for file in known.files:
            hf_hub_download(known.repository, file, repo_type="dataset", local_dir=str(target))
    except Exception as error:  # the hub's client fails with the errors of several libraries
        reason = str(error).partition("\n")[0][:200]
        raise DataError(_absent(name, known, f"fetching it failed ({type(error).__name__}: {reason})")) from None
    return target


def _absent(name: str, known: NamedSet, last: str) -> str:
    """Which files to put where."""
    looked = [str(root / name) for root in _roots()]
    idx = ""
    if known.shape == (1, 28, 28):
        idx = (
            " or its four IDX files (train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, "
            "t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz)"
        )
    files = " and ".join(known.files)
    root = (
        ""
        if os.environ.get("LATHER_DATA")
        else " (or in a folder of your choice, with LATHER_DATA set to the folder above)"
    )
    return (
        f"{name} is not on this machine: looked in {' and '.join(looked)}. Put {files} of "
        f"https://huggingface.co/datasets/{known.repository}{idx} into {looked[0]}{root}; {last}"
    )
