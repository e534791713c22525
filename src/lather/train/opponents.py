"""The critics of an objective, trained against the model before each of its steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lather.errors import ConfigError, RunError
from lather.models import Autoencoder
from lather.models.autoencoder import Gather
from lather.models.opponent import Opponent
from lather.models.step import Step

__all__ = ["Opponents"]


class Opponents:
    """What a model is trained against, with an optimizer for each: the other half of an adversarial training.

    :func:`lather.fit` uses it on its own. In a loop of your own:

        opponents = Opponents(model)                  # once; nothing to do for an objective without critics
        optimizer = torch.optim.Adam(p for p in model.parameters() if p.requires_grad)
        for x in batches:
            opponents.train(x)                        # first the critics,
            optimizer.zero_grad()
            model(x)["loss"].backward()               # then the model
            optimizer.step()

    Make it once the model is on its device. To stop and go on later, keep ``state_dict()`` with the model's.

    Args:
        model: whose objective it is.
    """

    def __init__(self, model: Autoencoder) -> None:
        self._model = model
        self._each: dict[str, Opponent] = model.objective.opponents()
        owned = [p for opponent in self._each.values() for p in opponent.parameters()]
        if len({id(p) for p in owned}) < len(owned):
            raise ConfigError(
                f"two terms of {model.objective!r} train the same critic, each against the other; give each its own"
            )
        self._optimizers = {name: opponent.optimizer() for name, opponent in self._each.items()}

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._each)

    def parameters(self) -> list[nn.Parameter]:
        """What all of them learn."""
        return [p for opponent in self._each.values() for p in opponent.parameters()]

    def train(
        self,
        x: Tensor,
        *,
        t: int = 0,
        generator: torch.Generator | None = None,
        noise: torch.Generator | None = None,
        gather: Gather | None = None,
        average: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Train each for its ``rounds`` steps on what the model makes of a batch.

        Args:
            x: data (b, \\*sample_shape).
            t: optimizer steps of the model taken so far.
            generator: of what all processes must agree on (prior draws); rounds draw from it one after the other.
            noise: of latent noise and what else differs between processes.
            gather: joins latents of all processes.
            average: mean over processes of a vector of gradients.

        Returns:
            Under ``"<name of the term>_critic"`` the loss of each before its last step.
        """
        if not self._each:
            return {}
        with torch.no_grad():
            step = self._model.step(x, t=t, generator=generator, noise=noise, gather=gather)
        return {f"{name}_critic": self._rounds(name, step, average) for name in self._each}

    def _rounds(self, name: str, step: Step, average: Callable[[Tensor], Tensor] | None) -> Tensor:
        opponent, optimizer = self._each[name], self._optimizers[name]
        parameters = list(opponent.parameters())
        try:
            for p in parameters:
                p.requires_grad_(True)
            # a gradient penalty in half precision would be noise
            with torch.enable_grad(), torch.autocast(step.z.device.type, enabled=False):
                for _ in range(opponent.rounds):
                    loss = opponent.loss(step)
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    if average is not None:
                        _average(parameters, average)
                    optimizer.step()
        finally:
            optimizer.zero_grad(set_to_none=True)
            for p in parameters:
                p.requires_grad_(False)
        return loss.detach()

    def state_dict(self) -> dict[str, Tensor]:
        """The optimizers' moments, by flat names; weights are in the model's own ``state_dict()``."""
        return {
            f"{name}.{index}.{what}": torch.as_tensor(value)
            for name, optimizer in self._optimizers.items()
            for index, entry in optimizer.state_dict()["state"].items()
            for what, value in entry.items()
        }

    def load_state_dict(self, tensors: dict[str, Tensor]) -> None:
        """Go back to what :meth:`state_dict` returned.

        Raises:
            RunError: moments of other critics.
        """
        entries: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in self._each}
        for key, tensor in tensors.items():
            name, index, what = key.rsplit(".", 2)
            if name not in entries:
                raise RunError(f"the checkpoint holds the critic of {name!r}, and this objective has none there")
            entries[name].setdefault(int(index), {})[what] = tensor
        for name, optimizer in self._optimizers.items():
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": entries[name], "param_groups": groups})


def _average(parameters: list[nn.Parameter], average: Callable[[Tensor], Tensor]) -> None:
    """Replace gradients by their means over processes, in one message."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    means = average(torch.cat([g.reshape(-1) for g in gradients]))
    for gradient, mean in zip(gradients, means.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
