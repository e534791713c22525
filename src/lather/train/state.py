"""Everything that changes while a model trains, as tensors and numbers that a checkpoint can hold."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from types import NoneType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from lather.errors import RunError
from lather.models import Autoencoder
from lather.train.opponents import Opponents

__all__ = ["TrainingState"]


@dataclass
class TrainingState:
    """Weights, optimizer moments, average, position and clock of one training run.

    The position is (epoch, batch within it); batches, noise, directions, prior draws and torch's global generator
    (dropout in a user's network) are functions of the seed, the position and the process, so they need no state.
    """

    model: Autoencoder
    optimizer: Optimizer
    opponents: Opponents | None = None  #: critics of the objective
    average: AveragedModel | None = None  #: exponential moving average of the weights
    best: dict[str, Tensor] = field(default_factory=dict)  #: weights of the best epoch, with early stopping
    epoch: int = 0
    batch: int = 0
    t: int = 0
    seconds: float = 0.0
    best_loss: float | None = None
    best_epoch: int = 0

    @property
    def kept(self) -> nn.Module:
        """The model whose weights count now: the average, where there is one."""
        return self.average if self.average is not None else self.model

    def averaged(self) -> dict[str, Tensor]:
        """The averaged weights under the model's own names; the model's weights where there is no average."""
        if self.average is None:
            return self.model.state_dict()
        state = self.average.state_dict()
        return {name.removeprefix("module."): t for name, t in state.items() if name.startswith("module.")}

    def remember_best(self, loss: float) -> None:
        """Note the validation loss after an epoch and, if it is the best so far, the weights."""
        if self.best_loss is None or loss < self.best_loss:
            self.best_loss, self.best_epoch = loss, self.epoch
            self.best = copy.deepcopy(self.averaged())

    def tensors(self) -> dict[str, Tensor]:
        """All tensors, by flat names."""
        result = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, entry in self.optimizer.state_dict()["state"].items():
            result.update({f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in entry.items()})
        if self.opponents is not None:
            result.update({f"opponent.{name}": tensor for name, tensor in self.opponents.state_dict().items()})
        if self.average is not None:
            result.update({f"average.{name}": tensor for name, tensor in self.average.state_dict().items()})
        result.update({f"best.{name}": tensor for name, tensor in self.best.items()})
        return result

    def numbers(self) -> dict[str, Any]:
        """All that is no tensor, JSON-ready."""
        names = ("epoch", "batch", "t", "seconds", "best_loss", "best_epoch")
        return {name: getattr(self, name) for name in names}

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Go back to what :meth:`tensors` and :meth:`numbers` returned.

        Raises:
            RunError: names or shapes that are not those of this model, or a position that is none.
        """
        _check_numbers(numbers)
        try:
            self.model.load_state_dict(_below("model", tensors))
            if self.average is not None:
                self.average.load_state_dict(_below("average", tensors))
            entries: dict[int, dict[str, Tensor]] = {}
            for name, tensor in _below("optimizer", tensors).items():
                index, _, key = name.partition(".")
                entries.setdefault(int(index), {})[key] = tensor
            groups = self.optimizer.state_dict()["param_groups"]
            self.optimizer.load_state_dict({"state": entries, "param_groups": groups})
            if self.opponents is not None:
                self.opponents.load_state_dict(_below("opponent", tensors))
            self.best = _below("best", tensors)
            for name, value in numbers.items():
                setattr(self, name, value)
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise RunError(
                "the checkpoint does not fit this model; one of an earlier version of Lather goes on with that "
                f"version, or is trained again: {error}"
            ) from error


def _check_numbers(numbers: dict[str, Any]) -> None:
    """Refuse what :meth:`TrainingState.numbers` cannot have returned."""
    whole, real = ("epoch", "batch", "t", "best_epoch"), ("seconds", "best_loss")
    right = set(numbers) == {*whole, *real} and all(type(numbers[name]) is int and numbers[name] >= 0 for name in whole)
    if (
        not right
        or not all(type(numbers[name]) in (int, float, NoneType) for name in real)
        or numbers["seconds"] is None
    ):
        raise RunError(
            f"the checkpoint says {numbers!r:.200} of where the training was, and should give whole numbers for "
            f"{', '.join(whole)} and numbers for {', '.join(real)}; it is damaged: train again"
        )


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name[len(prefix) + 1 :]: t for name, t in tensors.items() if name.startswith(prefix + ".")}
