"""The engines that work is spread with, and what goes with each."""

from __future__ import annotations

from lather.errors import ConfigError

__all__ = ["ENGINES", "check_engine"]

ENGINES = ("local", "ray")  #: processes of this machine, or tasks on a Ray cluster


def check_engine(engine: str, address: str | None, workers: int | None) -> None:
    """Refuse an engine that there is not, and what would be ignored with the one that was chosen.

    Raises:
        ConfigError: ``engine`` is neither; ``address`` is given where no cluster is asked for; or Ray is, and
            ``workers=0``, which means this very process.
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine must be 'local' or 'ray', got {engine!r}")
    if address is not None and engine != "ray":
        raise ConfigError(f"address={address!r} is that of a Ray cluster; it takes engine='ray' (--engine ray)")
    if engine == "ray" and workers == 0:
        raise ConfigError("workers=0 works in this very process; with engine='ray' give 1 or more, or leave it out")
