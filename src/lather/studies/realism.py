"""Does a picture look like data? By a classifier's confidence and by the distance to the nearest real picture."""

from __future__ import annotations

import torch
from torch import Tensor

from lather.auditing import default_features
from lather.data import Dataset
from lather.studies.classifier import Classifier

__all__ = ["Realism"]

_SHARE = 0.95  # of real data look like data
_MOST = 4000  # training pictures to be near to


class Realism:
    """A picture looks like data if a classifier is as sure of it as of most real pictures, and one is as near.

    Both thresholds are the same quantile of *held-out* pictures, chosen so that 95% of these pass both: confidence, the
    largest class probability, and the distance in features (:func:`~lather.auditing.default_features`) to the nearest
    of up to 4000 training pictures. Without labels the distance alone decides.

    Args:
        data: the first half of its test split sets the thresholds.
        seed: of the classifier.

    Attributes:
        accuracy: of the classifier on held-out pictures; ``None`` without labels.
        own: share of the other half of the test split that looks like data; about 95%.
    """

    def __init__(self, data: Dataset, *, seed: int = 0) -> None:
        self._classifier = Classifier(data, seed=seed) if data.train.labels is not None else None
        self.accuracy = None if self._classifier is None else self._classifier.accuracy
        train = data.train.batch(slice(0, _MOST))
        self._features = default_features(train)
        self._near = self._features(train)
        half = len(data.test) // 2
        x = data.test.batch()
        confidence, distance = self.confidence(x[:half]), self.distance(x[:half])
        # the rank, from the worst side, of the lower of a picture's two ranks: one quantile for both thresholds
        rank = torch.minimum(_ranks(confidence), _ranks(-distance))
        level = rank.double().quantile(1 - _SHARE)
        passed = rank >= level
        self._least_sure = float(confidence[passed].min())
        self._farthest = float(distance[passed].max())
        self.own = float(self.like_data(x[half:]).double().mean())

    def confidence(self, images: Tensor) -> Tensor:
        """Largest class probability, (n,); ones where there is no classifier."""
        return torch.ones(len(images)) if self._classifier is None else self._classifier.confidence(images)

    def distance(self, images: Tensor) -> Tensor:
        """To the nearest training picture, RMS over standardised features, (n,)."""
        found = [torch.cdist(part, self._near).amin(1) for part in self._features(images).split(512)]
        return torch.cat(found) / self._near.shape[1] ** 0.5

    def like_data(self, images: Tensor) -> Tensor:
        """Whether each picture looks like data, (n,) of booleans."""
        return (self.confidence(images) >= self._least_sure) & (self.distance(images) <= self._farthest)


def _ranks(values: Tensor) -> Tensor:
    return values.argsort().argsort()
