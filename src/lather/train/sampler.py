"""What new latents are drawn from where that is not the prior: fitted after training, kept beside the model."""

from __future__ import annotations

from pathlib import Path

import torch

from lather.data import Dataset
from lather.errors import ConfigError, RunError
from lather.files import read_json, write_json
from lather.models import Autoencoder
from lather.priors import Prior
from lather.samplers.registry import find_sampler
from lather.spec import build
from lather.train.budget import within
from lather.train.checkpoint import load_tensors, save_tensors
from lather.train.seeds import reseed, seed_for

__all__ = ["fit_sampler", "load_sampler", "remove_sampler", "save_sampler"]

SCHEMA = 1
_STREAM = 7  # of random numbers; 1 to 6 belong to the loop and to measuring
_MOST = 20_000  #: training data that are encoded; more change a fit by less than its own noise


@torch.no_grad()
def fit_sampler(model: Autoencoder, data: Dataset, seed: int) -> Prior | None:
    """The sampler that ``model.sampler`` names, fitted to one latent of each of at most 20 000 training data.

    ``None`` where the model draws from its prior. A function of weights, data and seed alone.
    """
    if model.sampler is None:
        return None
    fit = find_sampler(model.sampler)
    like = next(model.parameters())
    generator = reseed(torch.Generator(), seed, _STREAM)
    index = torch.randperm(len(data.train), generator=generator)[:_MOST]
    noise = reseed(torch.Generator(device=like.device), seed, _STREAM, 1)
    model.eval()
    parts = [data.train.batch(part, like.device).to(like.dtype) for part in index.split(512)]
    z = torch.cat([model.encode(x).draw(noise) for x in parts])
    return fit(z, seed=seed_for(seed, _STREAM, 2) % 2**31)


def save_sampler(folder: Path, prior: Prior, name: str = "prior") -> None:
    """Write ``prior.safetensors`` and then ``prior.json``, each wholly or not at all.

    Args:
        folder: of the run.
        prior: what to keep.
        name: ``"prior"`` for what training fitted, ``"repaired"`` for what a repair found.
    """
    remove_sampler(folder, name)  # a crash between the two files leaves no pair that does not match
    save_tensors(folder / f"{name}.safetensors", prior.state_dict())
    write_json(folder / f"{name}.json", {"schema": SCHEMA, "prior": prior.spec()})


def remove_sampler(folder: Path, name: str) -> None:
    """Remove what :func:`save_sampler` wrote, if anything."""
    for ending in ("json", "safetensors"):
        (folder / f"{name}.{ending}").unlink(missing_ok=True)


def load_sampler(folder: Path, name: str = "prior") -> Prior | None:
    """What :func:`save_sampler` wrote under ``name``, or ``None`` if there is nothing; on the CPU.

    Raises:
        RunError: one of the two files is missing, damaged, or from another version.
    """
    record, tensors = folder / f"{name}.json", folder / f"{name}.safetensors"
    if not record.exists() and not tensors.exists():
        return None
    remedy = (
        f"repair again: lather repair {folder}"
        if name == "repaired"
        else f"fit the sampler again: delete {folder / 'model.safetensors'} and run lather train --resume {folder}"
    )
    data = read_json(record)
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise RunError(f"{record} is not in format {SCHEMA}, which this version of Lather reads")
    state = load_tensors(tensors)
    try:
        with within(tensors, record):
            prior = build(data.get("prior"), Prior)
        prior.load_state_dict(state)
    except (ConfigError, RuntimeError, TypeError) as error:
        raise RunError(f"{record} and {tensors.name} do not belong together ({error}); {remedy}") from error
    return prior.requires_grad_(False)
