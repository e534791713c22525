"""From a name, a path or an array to a :class:`~lather.data.Dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lather.data.dataset import Dataset, Scaling, Split
from lather.data.folder import check_settings, read_path
from lather.data.labels import encode
from lather.data.layout import arrange, recolour, resize
from lather.data.named import NAMED, known_name, read_named
from lather.data.samples import Request, Samples
from lather.data.splits import count, divide
from lather.data.values import check_finite, check_varied, standardise, store_images, store_table
from lather.errors import ConfigError, DataError, ShapeError

__all__ = ["load"]

Source = str | Path | Tensor | np.ndarray | tuple[Tensor | np.ndarray, Tensor | np.ndarray]


def load(
    source: Source | Dataset,
    *,
    validation: float | int | str | Path | None = None,
    test: float | int | str | Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: Literal[1, 3] | None = None,
    channel_order: Literal["first", "last"] | None = None,
    value_range: tuple[float, float] | None = None,
    shape: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
    label: str | None = None,
    key: str | None = None,
    standardize: bool | None = None,
    binarize: bool = False,
    limit: int | None = None,
    train_limit: int | None = None,
    test_limit: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Dataset:
    """Data as training, validation and test splits, checked, in one tensor each.

    Splits depend on the source and ``seed`` only. A source with its own test (or validation) set keeps it; what is
    missing is cut from the rest at random.

    Args:
        source: the name of a dataset (``lather doctor`` lists them; write ``./mnist`` for a folder of that name), a
            file, a folder, an array or tensor (n, ...), or a pair (samples, labels).
        validation, test: how many samples to hold out, as a share below 1 or a whole number (default: 10% each, at most
            10 000), or the path of a file or folder that holds them.
        image_size: side, or (height, width): centre crop, then resize.
        channels: 1 for greyscale, 3 for RGB; by default what the data have.
        channel_order: ``"first"`` for (n, C, H, W), ``"last"`` for (n, H, W, C), where the shape does not tell.
        value_range: the values that mean black and white, where they are neither [0, 1] nor 0 to 255.
        shape: shape of one sample, for flattened images: ``(1, 28, 28)``.
        columns: feature columns (or the picture column) of a table.
        label: label column of a table.
        key: array of a ``.npz``, or matrix of a ``.h5ad`` (``X``, ``obsm/X_pca``).
        standardize: features to mean 0 and standard deviation 1 over the training split (default: yes). Columns that
            are constant there are only centred, and named in ``notes``.
        binarize: images to 0 and 1 at the middle of their range.
        limit: read at most so many samples of each set, chosen at random by ``seed``.
        train_limit, test_limit: of the training and of the test split keep at most so many samples, chosen at random
            by ``seed`` once the data are divided: the others stay as they are, and smaller choices are part of larger
            ones.
        seed: of the random choices.
        progress: show a bar on the terminal while many pictures are read.

    Raises:
        DataError: the data cannot be used; the message names the file and the remedy.
        ConfigError: settings that make no sense, alone or for this kind of data.

    Example:
        >>> data = load("digits")
        >>> data.shape, len(data.train), data.train.batch(torch.arange(5)).dtype
        ((1, 8, 8), 1437, torch.float32)
    """
    if isinstance(source, Dataset):
        settings = (validation, test, image_size, channels, channel_order, value_range, shape, columns, label, key)
        if any(v is not None for v in (*settings, standardize, limit, train_limit, test_limit)) or binarize:
            raise ConfigError("a Dataset is taken as it is; give these settings where it is loaded")
        return source
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit}: at least one sample must be read; give a positive number, or none")
    if train_limit is not None and train_limit < 2:
        raise ConfigError(f"train_limit={train_limit}: training needs at least 2 samples")
    if test_limit is not None and test_limit < 1:
        raise ConfigError(f"test_limit={test_limit}: at least one sample must be held out")
    request = Request(
        _pair(image_size), channels, None if columns is None else tuple(columns), label, key, limit, seed, progress
    )
    name, described, sets, known_range = _read(source, request)
    value_range = known_range if value_range is None else value_range
    sizes: dict[str, float | int | None] = {}
    for split, asked in (("test", _number(test)), ("validation", _number(validation))):
        if isinstance(asked, Path):
            sets[split] = _whole(read_path(asked.expanduser(), request), asked)
            described += f"; {split} set: {asked}"
        elif asked is not None and split in sets:
            raise ConfigError(
                f"{split}={asked}, but {name} brings its own {split} set; leave {split} out, or give a path"
            )
        else:
            sizes[split] = asked
    if "all" in sets:
        sets = {"train": sets.pop("all"), **sets}
    order = [s for s in ("train", "validation", "test") if s in sets]
    found = [sets[s] for s in order]

    arrays = [
        s.x if s.decoded else arrange(s.x, s.origin, shape=_tuple(shape), channel_order=channel_order) for s in found
    ]
    if found[0].decoded and (shape is not None or channel_order is not None or value_range is not None):
        raise ConfigError(
            "shape=, channel_order= and value_range= are for arrays; pictures say these things themselves"
        )
    kind: Literal["image", "features"] = "features" if arrays[0].ndim == 2 else "image"
    for s, x in zip(found, arrays, strict=True):
        if x.dtype.kind not in "buif":
            raise DataError(f"{s.origin} holds values of type {x.dtype}; give numbers")
        check_finite(x, s.origin, s.columns)
    _agree(found, arrays)
    if kind == "image":
        if standardize:
            raise ConfigError("standardize=True is for features; images are always read as [0, 1]")
        tensors, scaling = _images(found, arrays, value_range, request, binarize)
    else:
        wrong = {
            "image_size": image_size,
            "channels": channels,
            "value_range": value_range,
            "binarize": binarize or None,
        }
        asked_for = [option for option, value in wrong.items() if value is not None]
        if asked_for:
            raise ConfigError(
                f"{', '.join(asked_for)}: only for images, but {found[0].origin} holds features {arrays[0].shape}; if "
                "each row is a flattened image, say so with shape=(C, H, W)"
            )
        tensors, scaling = [store_table(x) for x in arrays], Scaling()
    labels, classes = encode(found)
    stored: dict[str, Part] = dict(zip(order, zip(tensors, labels, strict=True), strict=True))
    parts, cut = _cut(stored, sizes, seed, found[0].origin)
    for split, most in (("train", train_limit), ("test", test_limit)):
        parts, cut = _thinned(parts, cut, split, most, seed)
    check_varied(parts["train"][0], found[0].origin)
    notes: tuple[str, ...] = ()
    names = found[0].columns if kind == "features" else None
    if kind == "features" and standardize is not False:
        scaling, notes = standardise(parts["train"][0], names)
    splits = {split: Split(x, y, scaling) for split, (x, y) in parts.items()}
    return Dataset(
        name=name,
        **splits,
        shape=tuple(tensors[0].shape[1:]),
        kind=kind,
        source=f"{described}; {cut}" if cut else described,
        classes=classes,
        columns=names,
        notes=notes,
    )


def _images(
    sets: Sequence[Samples],
    arrays: Sequence[np.ndarray],
    value_range: tuple[float, float] | None,
    request: Request,
    binarize: bool,
) -> tuple[list[Tensor], Scaling]:
    """Image tensors as they are kept, in the asked number of channels and size, and their way to [0, 1]."""
    origins = [s.origin for s in sets]
    tensors, scaling = store_images(arrays, origins, value_range=value_range, decoded=sets[0].decoded)
    tensors = [recolour(x, request.channels, origins[0]) for x in tensors]
    if request.image_size is not None:
        bounds = (float(scaling.offset), float(scaling.offset + scaling.scale))
        tensors = [resize(x, request.image_size, bounds) for x in tensors]
    if binarize:
        return [(scaling(x) >= 0.5).to(torch.uint8) for x in tensors], Scaling()
    return tensors, scaling


def _read(source: Source, request: Request) -> tuple[str, str, dict[str, Samples], tuple[float, float] | None]:
    """Name, description, sets, and the range of values where it is known."""
    known = known_name(source) if isinstance(source, str) else None
    if known is not None:
        sets, where = read_named(known, request)
        return known, f"{NAMED[known].title}, {where}", sets, NAMED[known].value_range
    if isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        if not str(source) or not _exists(path):
            near = f" or a known name ({', '.join(NAMED)})" if path.parent == Path(".") else ""
            raise DataError(f"{str(source)[:200]!r} is not an existing file or folder{near}; check the spelling")
        return path.name.partition(".")[0] or path.resolve().name, str(path), read_path(path, request), None
    if isinstance(source, tuple) and len(source) != 2:
        raise ConfigError(f"a tuple of {len(source)}: give a pair (samples, labels), or the samples alone")
    values, labels = source if isinstance(source, tuple) else (source, None)
    x, y = _array(values), None if labels is None else _array(labels)
    check_settings("array", "an array", request)
    rows = request.rows(len(x)) if x.ndim else None
    if rows is not None:
        x, y = x[rows], y[rows] if y is not None and len(y) == len(x) else y
    return "array", f"an array of shape {tuple(x.shape)}", {"all": Samples(x, "the array", y)}, None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # no permission on the way, a name too long, a zero byte
        return False


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, Tensor):
        if values.layout is not torch.strided:
            raise DataError(f"a tensor of layout {values.layout}; make it dense: tensor.to_dense()")
        values = values.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    if np.ma.is_masked(values):
        raise DataError("a masked array with masked values; fill them, or leave these samples out")
    return np.asarray(values)


def _whole(sets: dict[str, Samples], path: str | Path) -> Samples:
    if set(sets) != {"all"}:
        raise DataError(f"{path} is divided into {', '.join(sets)} itself; give the file or folder of one split")
    return sets["all"]


def _agree(sets: Sequence[Samples], arrays: Sequence[np.ndarray]) -> None:
    for s, x in zip(sets[1:], arrays[1:], strict=True):
        if x.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"{sets[0].origin} has samples of shape {arrays[0].shape[1:]}, {s.origin} of shape {x.shape[1:]}; "
                "they must be equal: for pictures say image_size= (--image-size) and channels= (--channels)"
            )
        if s.columns != sets[0].columns:
            raise DataError(
                f"{sets[0].origin} and {s.origin} have different columns, or in another order; select the same ones "
                "with columns= (--columns)"
            )
        if s.decoded != sets[0].decoded:
            raise DataError(f"{sets[0].origin} holds pictures and {s.origin} numbers; store both the same way")


Part = tuple[Tensor, Tensor | None]


def _cut(
    parts: dict[str, Part], sizes: dict[str, float | int | None], seed: int, origin: str
) -> tuple[dict[str, Part], str]:
    """The splits that are missing, cut from ``train``; and a sentence about it."""
    x, y = parts["train"]
    held_out = {split: count(sizes[split], len(x), split) for split in ("test", "validation") if split not in parts}
    if not held_out:
        return parts, ""
    index = divide(len(x), held_out, seed, origin)
    cut: dict[str, Part] = {s: (x[i], None if y is None else y[i]) for s, i in index.items()}
    sentence = " and ".join(f"{size} for {split}" for split, size in held_out.items())
    return {**parts, **cut}, f"{sentence} cut from {len(x)} at random (seed {seed})"


def _thinned(parts: dict[str, Part], cut: str, split: str, most: int | None, seed: int) -> tuple[dict[str, Part], str]:
    """At most ``most`` samples of ``split``; and the sentence about the splits, which says so."""
    x, y = parts[split]
    if most is None or len(x) <= most:
        return parts, cut
    kept = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:most]
    sentence = f"{most} of {len(x)} {'training' if split == 'train' else split} samples (seed {seed})"
    thinned: Part = (x[kept], None if y is None else y[kept])
    return {**parts, split: thinned}, f"{cut}; {sentence}" if cut else sentence


def _number(asked: float | int | str | Path | None) -> float | int | Path | None:
    """A split as a command line may give it: a number written as text is a number, other text a path."""
    if not isinstance(asked, str):
        return asked
    try:
        return int(asked) if asked.isdigit() else float(asked)
    except ValueError:
        return Path(asked)


def _pair(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(1 <= s <= 4096 for s in pair):
        raise ConfigError(f"image_size={size}: give a side or (height, width), from 1 to 4096 pixels, such as 64")
    return pair[0], pair[1]


def _tuple(shape: Sequence[int] | None) -> tuple[int, ...] | None:
    return None if shape is None else tuple(shape)
