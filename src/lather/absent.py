"""Parts that a configuration can only name: modules and functions of the user's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from torch import nn

from lather.errors import ConfigError

__all__ = ["Absent", "name_of"]


def name_of(part: Callable[..., Any]) -> str:
    """``module.qualname`` of a module's class, or of a function."""
    named = type(part) if isinstance(part, nn.Module) or not hasattr(part, "__qualname__") else part
    return f"{named.__module__}.{named.__qualname__}"


class Absent(nn.Module):
    """Stands where a configuration names a part that was not given: the rest of the model works without it.

    Loading weights skips those of the absent part. Calling it raises :class:`~lather.errors.ConfigError`.

    Args:
        name: what the configuration says, such as ``"mine.Features"``.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigError(
            f"a part of this objective is your own ({self.name}), which a configuration cannot rebuild; generating and "
            f"encoding work without it, losses do not: give it, built as it was for training, with "
            f"custom={{{self.name!r}: ...}}"
        )

    def _load_from_state_dict(self, *_: Any, **__: Any) -> None:
        """Nothing: the weights belong to a part that is not here."""

    def __repr__(self) -> str:
        return f"Absent({self.name!r})"
