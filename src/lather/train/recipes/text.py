"""A recipe with its options as people write them: ``cwae:weight=5``."""

from __future__ import annotations

import contextlib
from typing import Any

from lather.errors import ConfigError

__all__ = ["parse_recipe", "value_of"]


def parse_recipe(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options.

    Raises:
        ConfigError: not of the form NAME:OPTION=VALUE:OPTION=VALUE.

    Example:
        >>> parse_recipe("vae:free-bits=0.1:warmup=500")
        ('vae', {'free_bits': 0.1, 'warmup': 500})
    """
    name, *pairs = text.split(":")
    options = {}
    for pair in pairs:
        option, equals, value = pair.partition("=")
        if not (option and equals and value):
            raise ConfigError(f"a recipe with options of its own is written like cwae:weight=5, got {text!r}")
        options[option.replace("-", "_")] = value_of(value)
    return name, options


def value_of(text: str) -> Any:
    """``text`` as a number, a truth value or nothing, where it is one; else as it is.

    Example:
        >>> value_of("5"), value_of("1e-3"), value_of("true"), value_of("none"), value_of("maf")
        (5, 0.001, True, None, 'maf')
    """
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)
