"""Everything Lather raises on purpose, as one tree.

    LatherError
    ├── ConfigError          a setting is wrong, or two settings do not go together
    │   └── CapabilityError  a part asks another for something it cannot do (names what would work)
    ├── DataError            the data given cannot be used as it is (names the file and the remedy)
    │   └── ShapeError       a tensor of the wrong shape
    ├── RunError             a run directory is missing, damaged, locked or from another version
    ├── TrainingError        training cannot go on (a non-finite loss, say); the last good checkpoint is kept
    └── MissingExtraError    an optional dependency is not installed (names the install command)

Each message says what was asked, what arrived, what would be right, and how to get there. The classes
double as the built-in they specialise, so ``except ValueError`` goes on working.
"""

from __future__ import annotations

__all__ = [
    "CapabilityError",
    "ConfigError",
    "DataError",
    "LatherError",
    "MissingExtraError",
    "RunError",
    "ShapeError",
    "TrainingError",
]


class LatherError(Exception):
    """Base of all errors that Lather raises on purpose."""


class ConfigError(LatherError, ValueError):
    """A setting is wrong, or two settings do not go together."""


class CapabilityError(ConfigError):
    """A part was asked for something it cannot do; the message names what would work instead."""


class DataError(LatherError, ValueError):
    """The data given cannot be used as it is; the message names the source and the remedy."""


class ShapeError(DataError):
    """A tensor has the wrong shape."""


class RunError(LatherError, RuntimeError):
    """A run directory is missing, damaged, locked, or written by another version."""


class TrainingError(LatherError, RuntimeError):
    """Training cannot go on; the last good checkpoint is kept."""


class MissingExtraError(LatherError, ImportError):
    """An optional dependency is not installed.

    Args:
        package: what could not be imported.
        extra: the extra of Lather that brings it.
        purpose: what it was needed for, as a noun phrase.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed; run: pip install 'lather[{extra}]'")
        self.package = package
        self.extra = extra
