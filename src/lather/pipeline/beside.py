"""What goes with latents row by row: labels and data, wherever they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lather.data import Dataset, Scaling, load
from lather.data.in_order import read_in_order
from lather.data.latents import Array
from lather.data.named import known_name
from lather.errors import ConfigError, ShapeError
from lather.pipeline.decoders import run_of
from lather.train import Run
from lather.train.run import read_config

__all__ = ["data_beside", "dataset_for", "rows_of"]


def rows_of(values: Any, chosen: Tensor | None, what: str) -> Any:
    """Those of ``values`` that belong to the audited latents, where ``values`` are of all latents given.

    Raises:
        ShapeError: not one for each latent given.
    """
    if chosen is None:
        return values
    if len(values) != len(chosen):
        raise ShapeError(
            f"{what} has {len(values)} rows; where held_out is a mask or a share, give one for each of the "
            f"{len(chosen)} latents"
        )
    return values[chosen if isinstance(values, Tensor) else chosen.numpy()]


def data_beside(
    data: Array | Dataset | str | Path | None, decoder: Any, chosen: Tensor | None, n: int
) -> Tensor | None:
    """The data of the audited latents, in their order, as float tensors.

    Images of a path are in [0, 1]. Features of a path are scaled as the run that decodes was trained.

    Args:
        data: see :func:`lather.audit`.
        decoder: what will decode.
        chosen: which of the latents given are audited, if not all.
        n: how many are audited.

    Raises:
        DataError: data that cannot be read.
        ShapeError: another number of data than of latents.
    """
    if data is None:
        return None
    if isinstance(data, (str, Path)):
        x = _read(data, decoder)
    elif isinstance(data, Dataset):
        x = data.test.batch(None)
    else:
        x = torch.as_tensor(data)
    if chosen is not None:
        x = rows_of(x, chosen, "data")
    if len(x) != n:
        kind = " (the test split of the dataset)" if isinstance(data, Dataset) or _is_name(data) else ""
        raise ShapeError(
            f"data has {len(x)} rows{kind} and there are {n} latents; give the datum of each latent, in order"
        )
    return x if x.is_floating_point() else x.float()


def _is_name(data: object) -> bool:
    return isinstance(data, str) and known_name(data) is not None


def _read(data: str | Path, decoder: Any) -> Tensor:
    if _is_name(data):
        return load(data).test.batch(None)
    x = read_in_order(Path(data))
    run = run_of(decoder)
    if run is not None and run.config["data"]["kind"] == "features":
        x = Scaling.from_dict(run.config["data"]["scaling"])(x)
    return x


def dataset_for(run: Run | str | Path, data: Array | Dataset | str | Path | None) -> Dataset | None:
    """The dataset of a run, read from another place with the settings it was trained with.

    Raises:
        ConfigError: arrays, which lost the division into training and test data.
    """
    if data is None or isinstance(data, Dataset):
        return data
    if isinstance(data, (Tensor, np.ndarray)):
        raise ConfigError("for a run, data is the Dataset that it was trained on, lt.load(...), or its path")
    config = run.config if isinstance(run, Run) else read_config(Path(run).expanduser())
    return load(**{**(config["data"].get("load") or {}), "source": str(data)})
