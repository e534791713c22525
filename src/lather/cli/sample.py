"""``lather sample``: new data from a trained run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lather.cli.tables import JSON
from lather.errors import ConfigError

if TYPE_CHECKING:
    from lather.priors import Prior
    from lather.train import Run

__all__ = ["sample"]


def sample(
    run: Path,
    *,
    n: Annotated[int, Parameter(alias="-n")] = 64,
    prior: str | None = None,
    out: Path | None = None,
    seed: int = 0,
    as_json: JSON = False,
) -> None:
    """Draw new data from a trained run.

    Writes a picture of them (PNG grid) or, for features and for names ending in .npy or .npz, the numbers, in the
    units of the original data.

    Parameters
    ----------
    run
        Run directory that `lather train` wrote.
    n
        How many.
    prior
        What to draw latents from: repaired, what `lather repair` found; fitted, the mixture or second stage that
        training fitted to them; model, the prior they were trained with; or another one, `lather priors` lists them
        (default: the first of these three that there is).
    out
        File to write: .png, .npy or .npz (default: RUN/generated.png, .npy for features).
    seed
        The same seed draws the same samples.
    """
    import numpy as np
    import torch

    from lather.auditing.grids import image_grid, save_image
    from lather.data import Scaling
    from lather.files import atomically
    from lather.train import open_run

    if n < 1:
        raise ConfigError(f"-n must be at least 1, got {n}")
    trained = open_run(run)
    image = trained.config["data"]["kind"] == "image"
    path = out if out is not None else run / ("generated.png" if image else "generated.npy")
    if path.suffix not in ((".png", ".npy", ".npz") if image else (".npy", ".npz")):
        kinds = ".png, .npy or .npz" if image else ".npy or .npz"
        raise ConfigError(f"samples of this run can be written as {kinds}, not as {path.name!r}")
    law, words = _source(trained, prior)
    x = trained.model.generate(n, prior=law, generator=torch.Generator().manual_seed(seed)).cpu()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        save_image(image_grid(x), path)
    else:
        values = Scaling.from_dict(trained.config["data"]["scaling"]).undo(x).numpy()
        with atomically(path) as temporary, open(temporary, "wb") as handle:
            if path.suffix == ".npy":
                np.save(handle, values, allow_pickle=False)
            else:
                np.savez_compressed(handle, x=values)
    if as_json:
        print(json.dumps({"file": str(path), "n": n, "shape": list(x.shape[1:]), "prior": repr(law)}))
    else:
        print(f"{n} samples, drawn from {words}, → {path}")


def _source(run: Run, asked: str | None) -> tuple[Prior, str]:
    """What to draw from, and how to call it."""
    from lather.priors import make_prior

    model = run.model
    if asked is None:
        asked = "repaired" if run.repaired is not None else "model" if run.sampler is None else "fitted"
    if asked == "model":
        return model.prior, f"the model's prior {model.prior!r}"
    if asked == "fitted":
        if run.sampler is None:
            raise ConfigError(
                f"nothing was fitted to the latents of {run.path}: its recipe draws from the prior; use --prior model"
            )
        return run.sampler, f"the {type(run.sampler).__name__} fitted to the training latents ({model.sampler})"
    if asked == "repaired":
        if run.repaired is None:
            raise ConfigError(f"{run.path} holds no repaired prior; run: lather repair {run.path}")
        return run.repaired, f"the repaired prior {run.repaired!r}"
    law = make_prior(asked, model.prior.d)
    return law, repr(law)
