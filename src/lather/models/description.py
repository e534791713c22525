"""An autoencoder as JSON and back, without executing anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

import lather.models.nets  # noqa: F401  so that their classes are known to `build`
from lather.errors import ConfigError, LatherError
from lather.models.autoencoder import Autoencoder
from lather.models.likelihoods import Likelihood
from lather.models.objective import Objective
from lather.models.posteriors import Posterior
from lather.priors import Prior
from lather.spec import Spec, build

__all__ = ["describe", "rebuild"]


def describe(model: Autoencoder) -> dict[str, Any]:
    """Everything but the weights, JSON-ready.

    A network of the user's own is written as its class name only, under ``"custom"``; :func:`rebuild` then needs
    the network itself, where the model cannot do without.
    """
    return {
        "encoder": _net(model.encoder),
        "decoder": _net(model.decoder),
        "latent_shape": list(model.latent_shape),
        "prior": model.prior.spec(),
        "posterior": model.posterior.spec(),
        "likelihood": model.likelihood.spec(),
        "objective": model.objective.spec(),
        "algebra": repr(model.objective),
        "sampler": model.sampler,
    }


def rebuild(
    data: Any,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    custom: Mapping[str, Any] | None = None,
) -> Autoencoder:
    """The autoencoder that :func:`describe` described, with fresh weights.

    Args:
        data: what ``describe`` returned, read from JSON.
        encoder: the network to use where the description holds only the name of a custom one.
        decoder: likewise.
        custom: your own parts of the objective (critics, feature networks), by the names in the description. Without
            them the model encodes and generates, and its losses say what is missing.

    Raises:
        ConfigError: a description that does not fit, or a custom network that was not given.
    """
    try:
        return Autoencoder(
            encoder if encoder is not None else _build(data["encoder"], "encoder"),
            decoder if decoder is not None else _build(data["decoder"], "decoder"),
            latent_shape=[int(size) for size in data["latent_shape"]],
            prior=build(data["prior"], Prior),
            posterior=build(data["posterior"], Posterior),
            likelihood=build(data["likelihood"], Likelihood),
            objective=build(data["objective"], Objective, custom=custom),
            sampler=data.get("sampler"),
        )
    except LatherError:
        raise
    except Exception as error:  # what `describe` did not write may fail in any of the parts
        raise ConfigError(f"this is no description of an autoencoder: {error!r}") from error


def _net(net: nn.Module) -> dict[str, Any]:
    if isinstance(net, Spec) and type(net).__module__.startswith("lather."):
        return net.spec()
    return {"custom": f"{type(net).__module__}.{type(net).__qualname__}"}


def _build(data: Any, role: str) -> nn.Module:
    if isinstance(data, dict) and set(data) == {"custom"}:
        raise ConfigError(
            f"the {role} is a network of your own ({data['custom']}), which a configuration cannot rebuild; give it: "
            f"{role}=..., built as it was for training"
        )
    net = build(data, Spec)
    if not isinstance(net, nn.Module):
        raise ConfigError(f"the {role} of a description must be a network, got {net!r}")
    return net
