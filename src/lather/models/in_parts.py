r"""A batch that is too large for the networks at once, with the gradient of the whole (gradient caching).

A divergence needs the latents of the whole batch; the networks need not hold its activations. So:

1. encode part by part without a graph, and keep the latents Z (b, d), which are small;
2. evaluate the terms that compare Z with the prior, and keep G = ∂L/∂Z;
3. take part by part again, with graph and the same noise: means over data as they are, and ⟨G_part, z_part⟩ in place
   of the terms of step 2. By the chain rule the gradients add up to those of the whole batch.

Memory is that of one part beside b·d numbers; the price is one more pass through the encoder.

Reference: Gao, Zhang, Han, Callan, *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, 2021,
arXiv:2101.06983.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from lather.errors import ConfigError
from lather.models.autoencoder import Autoencoder, Gather
from lather.models.likelihoods import Gaussian, Laplace

__all__ = ["backward_in_parts", "check_parts", "evaluate_in_parts"]


def check_parts(model: Autoencoder) -> None:
    """Refuse what cannot be computed part by part.

    Raises:
        ConfigError: a term that is neither a mean over data nor a function of the latents, or a scale that is the
            best for the whole batch.
    """
    bad = [repr(term) for _, term in model.objective.pairs if term.parts is None]
    if bad:
        raise ConfigError(
            f"{' and '.join(bad)} is neither a mean over data nor a function of the latents alone, so a batch cannot "
            "be taken in parts; leave microbatch out, or replace the term"
        )
    optimal = isinstance(model.likelihood, Gaussian | Laplace) and model.likelihood.kind == "optimal"
    if optimal:
        raise ConfigError(
            f"the scale of {model.likelihood!r} is the best for the whole batch, which parts do not know; with "
            "microbatch take a learned scale (--likelihood gaussian-learned), squared error, or a Bernoulli likelihood"
        )


def backward_in_parts(
    model: Autoencoder,
    module: nn.Module,
    x: Tensor,
    size: int,
    *,
    t: int,
    generator: torch.Generator,
    noise: torch.Generator,
    gather: Gather | None = None,
    local: bool = False,
    backward: Callable[[Tensor], object] = lambda loss: loss.backward(),
    alone: Callable[[], AbstractContextManager[object]] = nullcontext,
    autocast: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> dict[str, Tensor]:
    """Every term on the batch ``x``, with its gradient added to the parameters', ``size`` data at a time.

    Args:
        model: the autoencoder.
        module: the same as it is called in training, such as wrapped for several processes.
        x: this process's part of the batch (b, \\*sample_shape).
        size: data that go through the networks at once.
        t, generator, noise, gather, local: see :meth:`Autoencoder.step`.
        backward: how a loss is differentiated.
        alone: a context in which gradients are not exchanged between processes; for all parts but the last.
        autocast: a context for passes of ``model``.

    Returns:
        What ``model(x)`` returns, detached.
    """
    parts = x.split(size)
    states, drawn = [], []
    with torch.no_grad(), autocast():
        for part in parts:
            states.append(_random_state(noise, x.device))
            drawn.append(model.encode(part).draw(noise))
        first = model.step(parts[0][:2], t=t, generator=generator, noise=_copy(noise), gather=None)
    z = torch.cat(drawn).requires_grad_()
    with torch.enable_grad():
        matched = gather(z) if gather is not None and not local else z
        values = model.objective.some(replace(first, matched=matched, gather=gather), "latents")
        if values:
            model.objective.total(values).backward()
    pull = torch.zeros_like(z) if z.grad is None else z.grad
    after = _random_state(noise, x.device)
    means: dict[str, Tensor] = {}
    for i, (part, state, gradient) in enumerate(zip(parts, states, pull.split(size), strict=True)):
        _restore(noise, x.device, state)
        share = len(part) / len(x)
        with alone() if i < len(parts) - 1 else nullcontext():
            found = module(part, t=t, generator=generator, noise=noise, gather=gather, pull=gradient / share)
            backward(found.pop("loss") * share)
        for name, value in found.items():
            means[name] = means.get(name, 0) + share * value.detach()
    _restore(noise, x.device, after)
    return _all(model, values, means)


@torch.no_grad()
def evaluate_in_parts(
    model: Autoencoder, x: Tensor, size: int, *, t: int, generator: torch.Generator
) -> dict[str, Tensor]:
    """What ``model(x)`` returns, without gradient, ``size`` data at a time."""
    means: dict[str, Tensor] = {}
    drawn = []
    for part in x.split(size):
        step = model.step(part, t=t, generator=generator)
        drawn.append(step.z)
        for name, value in model.objective.some(step, "mean").items():
            means[name] = means.get(name, 0) + len(part) / len(x) * value
    values = model.objective.some(replace(step, matched=torch.cat(drawn)), "latents")
    return _all(model, values, means)


def _all(model: Autoencoder, values: dict[str, Tensor], means: dict[str, Tensor]) -> dict[str, Tensor]:
    found = {**{name: value.detach() for name, value in values.items()}, **means}
    ordered = {name: found[name] for name in model.objective.names}
    return {"loss": model.objective.total(ordered).detach(), **ordered, **model.objective.readings()}


def _copy(generator: torch.Generator) -> torch.Generator:
    again = torch.Generator(device=generator.device)
    again.set_state(generator.get_state())
    return again


def _random_state(generator: torch.Generator, device: torch.device) -> tuple[Tensor, ...]:
    """Of latent noise, and of torch's own generators, which dropout draws from."""
    own = (torch.cuda.get_rng_state(device),) if device.type == "cuda" else ()
    return generator.get_state(), torch.get_rng_state(), *own


def _restore(generator: torch.Generator, device: torch.device, state: tuple[Tensor, ...]) -> None:
    generator.set_state(state[0])
    torch.set_rng_state(state[1])
    if len(state) > 2:
        torch.cuda.set_rng_state(state[2], device)
