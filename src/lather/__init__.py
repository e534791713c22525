"""Lather: generative autoencoders whose latents really follow the prior you sample from.

    import lather as lt

    loss = recon + 10 * lt.CramerWold()(z, lt.StandardNormal(16))   # in your own loop

    model = lt.Autoencoder(encoder, decoder, prior=lt.StandardNormal(16),
                           objective=lt.Reconstruction() + 10 * lt.Match(lt.CramerWold()))
    run = lt.fit(model, "mnist", out="runs/cw16")                   # or the whole job

Importing this module changes nothing outside it; what reads data, trains or draws is imported at first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lather import divergences as _divergences
from lather import models as _models
from lather import priors as _priors
from lather.divergences import *  # noqa: F403
from lather.errors import (
    CapabilityError,
    ConfigError,
    DataError,
    LatherError,
    MissingExtraError,
    RunError,
    ShapeError,
    TrainingError,
)
from lather.models import *  # noqa: F403
from lather.priors import *  # noqa: F403

if TYPE_CHECKING:
    from lather.data import Dataset, load
    from lather.pipeline import measure
    from lather.train import Run, Settings, fit, open_run
    from lather.train.assemble import assemble

__version__ = "0.1.0"

#: names that are imported at first use, because what they need takes time to import
_LATE = {
    "Dataset": "lather.data",
    "Run": "lather.train.run",
    "Settings": "lather.train.settings",
    "assemble": "lather.train.assemble",
    "fit": "lather.train.fit",
    "load": "lather.data",
    "measure": "lather.pipeline",
    "open_run": "lather.train.run",
}

__all__ = sorted(
    [
        *_priors.__all__,
        *_divergences.__all__,
        *_models.__all__,
        *_LATE,
        "CapabilityError",
        "ConfigError",
        "DataError",
        "LatherError",
        "MissingExtraError",
        "RunError",
        "ShapeError",
        "TrainingError",
    ]
)


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(importlib.import_module(_LATE[name]), name)
    raise AttributeError(f"module 'lather' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
