"""What a plot is made of."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

__all__ = ["PlotData"]

PlotData = tuple[dict[str, Any], dict[str, NDArray[Any]]]  #: words (JSON-ready) and arrays, by name
