"""``lather repair``: draw from what the latents really follow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from lather.cli.tables import JSON
from lather.errors import ConfigError

__all__ = ["repair"]


def repair(
    source: Path,
    *,
    held_out: Annotated[str | None, Parameter(group="Latents")] = None,
    mean: Annotated[str | None, Parameter(group="Latents")] = None,
    std: Annotated[str | None, Parameter(group="Latents")] = None,
    logvar: Annotated[str | None, Parameter(group="Latents")] = None,
    key: Annotated[str | None, Parameter(group="Latents")] = None,
    prior: Annotated[str | None, Parameter(group="Latents")] = None,
    decoder: Annotated[Path | None, Parameter(group="Latents")] = None,
    data: str | None = None,
    candidates: str | None = None,
    out: Path | None = None,
    draws: int = 0,
    most: int = 20_000,
    audit: bool = True,
    seed: int = 0,
    quiet: Annotated[bool, Parameter(negative="")] = False,
    as_json: JSON = False,
) -> None:
    """Fit what the latents really follow, score each fit on latents it never saw, and keep the best to draw from.

    For a run, `lather sample RUN --prior repaired` draws from it then. Writes repaired.json and repaired.safetensors
    (the prior) and repair/ with the table, a page, a picture of before and after, and an audit of each.

    Parameters
    ----------
    source
        Run directory, or a file of latents of training data (.npy, .npz, .safetensors, .csv, .parquet, .h5ad).
    held_out
        Latents of data that the encoder was not trained on: a file, or a share of those in SOURCE to set aside
            (default:
        0.3).
    mean
        Means of Gaussian posteriors: array or column of SOURCE, or another file.
    std
        Their standard deviations, likewise.
    logvar
        Instead of --std, their log-variances.
    key
        Array, matrix or column of SOURCE that holds the latents.
    prior
        What latents have been drawn from so far, `lather priors` lists names (default: normal).
    decoder
        Run directory or .onnx file that decodes the latents; with --data, the sampling gap is measured.
    data
        What the held-out latents are of, in their order: a path or a name. For a run, where its data are now.
    candidates
        What to try, separated by commas: gaussian, mixture, aggregate, second-stage, flow, flow-matching (default:
        all).
    out
        Directory to write to (default: the run's own; for a file, its name with -repaired).
    draws
        Also write so many latents drawn from the repaired prior, as draws.npy.
    most
        Fit to at most so many latents.
    audit
        Audit held-out latents against the old and the new prior, which takes about as long as the fits.
    seed
        Of every random choice.
    quiet
        No progress.
    """
    from lather.repairing import repair as run_repair
    from lather.repairing.table import print_table

    if draws < 0:
        raise ConfigError(f"--draws takes a number of latents, got {draws}")
    is_run = (source / "config.json").is_file()
    folder = out if out is not None else source if is_run else source.with_name(f"{source.name.split('.')[0]}-repaired")
    result = run_repair(
        source,
        held_out=_share(held_out),
        mean=mean,
        std=std,
        logvar=logvar,
        key=key,
        prior=prior,
        decoder=decoder,
        data=data,
        candidates=candidates,
        most=most,
        audit=audit,
        out=folder,
        seed=seed,
        progress=not quiet,
    )
    if draws:
        _write_draws(result.prior, draws, seed, folder / "repair" / "draws.npy")
    if as_json:
        print(json.dumps({"folder": str(folder), **result.to_dict()}, indent=2, ensure_ascii=False, allow_nan=False))
        return
    print_table(result)
    print(f"\npage: {folder / 'repair' / 'repair.html'}\npicture: {folder / 'repair' / 'before-after.png'}")
    if draws:
        print(f"{draws} latents: {folder / 'repair' / 'draws.npy'}")
    if result.improved:
        print(f"the prior: {folder / 'repaired.json'}, {folder / 'repaired.safetensors'}")
        if is_run and folder == source:
            print(f"samples from it: lather sample {source} --prior repaired")


def _share(text: str | None) -> str | float | None:
    """A number as a share, all else as a path."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return text


def _write_draws(prior: object, n: int, seed: int, path: Path) -> None:
    import numpy as np
    import torch

    from lather.files import atomically
    from lather.priors import Prior

    assert isinstance(prior, Prior)
    z = prior.sample(n, generator=torch.Generator(device=prior.like.device).manual_seed(seed)).cpu().numpy()
    with atomically(path) as temporary, open(temporary, "wb") as handle:
        np.save(handle, z, allow_pickle=False)
