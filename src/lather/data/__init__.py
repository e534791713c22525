"""From a name, a path or an array to training, validation and test samples that were checked.

>>> data = load("digits")
>>> data
Dataset('digits': image (1, 8, 8), train 1437, validation 180, test 180)
"""

from __future__ import annotations

from lather.data.dataset import Dataset, Scaling, Split
from lather.data.latents import Latents
from lather.data.load import load
from lather.data.named import Availability, available

__all__ = ["Availability", "Dataset", "Latents", "Scaling", "Split", "available", "load"]
