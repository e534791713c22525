"""Strips of pictures: their order, their labels, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lather.auditing.theme import DARK, LIGHT, png
from lather.errors import ShapeError
from lather.studies.grids import picture_rows


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_pictures_keep_their_order_and_lines_their_labels(theme) -> None:  # type: ignore[no-untyped-def]
    ramp = torch.linspace(0, 1, 5)[:, None, None, None].expand(5, 1, 4, 4)
    figure = picture_rows({"a": [ramp, ramp.expand(5, 3, 4, 4)], "b\nc": [ramp, ramp]}, theme, heads=["one", "two"])
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert [int(shown[0, 5 * i, 0]) for i in range(5)] == [0, 64, 128, 191, 255]
    assert {text.get_text() for text in figure.texts} == {"a", "b\nc", "one", "two"}
    assert png(figure).startswith(b"\x89PNG")


def test_uneven_lines_and_other_data_are_refused() -> None:
    with pytest.raises(ShapeError, match="same shapes"):
        picture_rows({"a": [torch.rand(3, 1, 4, 4)], "b": [torch.rand(2, 1, 4, 4)]}, LIGHT)
    with pytest.raises(ShapeError, match="pictures are"):
        picture_rows({"a": [torch.rand(3, 7)]}, LIGHT)
