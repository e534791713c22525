"""Does a picture look like data? By a classifier, and by the distance to the nearest real picture in two measures."""

from __future__ import annotations

import torch
from torch import Tensor

from lather.data import Dataset
from lather.studies.classifier import Classifier

__all__ = ["HOW", "Realism"]

#: how it is told, for pages: "looks like data …"
HOW = (
    "if a classifier trained on the data, and on pictures made of data that are none, is sure of one of the classes, "
    "and some training picture is near in what that classifier decides by and correlates with it over pixels: each as "
    "much as lets 95% of real held-out pictures pass"
)

_SHARE = 0.95  # of real data look like data
_OUTLIERS = 0.01  # of real data are too far from others, and as many correlate too little with any
_MOST = 4000  # training pictures to be near to


class Realism:
    """A picture looks like data if it passes three tests, each as well as most real pictures do.

    * *confidence*: a :class:`~lather.studies.classifier.Classifier`, which knows non-data as a class of its own, is
      sure of one of the data's classes;
    * *distance*: in that classifier's last hidden layer, a training picture is near;
    * *correlation*: pixel by pixel, some training picture correlates with it. This one nobody trained, and it sees
      the whole picture; noise and scattered pixels, of which a network may think anything, correlate with nothing.

    Thresholds come from the first half of the *held-out* pictures: distance and correlation leave out the worst 1% of
    these each, and confidence, which sees most, as many more as make 5% together.

    Texture has no test of its own. Random convolutions, the features that reports compare images by, let pass half of
    the reconstructions of an autoencoder, which are good and slightly soft, and more of the sharp shreds that latents
    drawn from a box decode to. On MNIST (5400 training pictures; share that passes, in brackets by these
    convolutions and the confidence of a plain classifier): held-out pictures 95% (96%), reconstructions of an
    autoencoder with 8 latent dimensions 95% (55%), 100 principal components 88% (32%), latents from the box 36% (53%),
    means of two pictures of different classes 11% (4%), mixed pixels, noise, blurred noise, pictures blurred with σ = 3
    and decodes of an untrained decoder 0% (0%).

    Args:
        data: pictures; the first half of the test split sets the thresholds.
        seed: of the classifier.

    Attributes:
        accuracy: of the classifier on held-out pictures; ``None`` without labels.
        own: share of the other half of the test split that looks like data; about 95%.
    """

    def __init__(self, data: Dataset, *, seed: int = 0) -> None:
        self._classifier = Classifier(data, seed=seed)
        self.accuracy = self._classifier.accuracy
        train = data.train.batch(slice(0, _MOST))
        self._near, self._alike = self._classifier.features(train), _unit(train)
        half = len(data.test) // 2
        x = data.test.batch()
        scores = self._scores(x[:half])
        near = torch.quantile(scores[:, 1:], _OUTLIERS, dim=0)
        passed = (scores[:, 1:] >= near).all(1)
        drop = max(0.0, 1 - _SHARE / float(passed.double().mean()))  # of those that are left
        self._least = torch.cat([torch.quantile(scores[passed, :1], drop, dim=0), near])
        self.own = float(self.like_data(x[half:]).double().mean())

    def confidence(self, images: Tensor) -> Tensor:
        """Largest class probability, (n,)."""
        return self._classifier.confidence(images)

    def distance(self, images: Tensor) -> Tensor:
        """To the nearest training picture, RMS over the classifier's last hidden layer, (n,)."""
        found = [torch.cdist(part, self._near).amin(1) for part in self._classifier.features(images).split(512)]
        return torch.cat(found) / self._near.shape[1] ** 0.5

    def correlation(self, images: Tensor) -> Tensor:
        """With the training picture that it is largest with, over pixels, (n,); 0 for a picture of one colour."""
        return torch.cat([(part @ self._alike.T).amax(1) for part in _unit(images).split(512)])

    def like_data(self, images: Tensor) -> Tensor:
        """Whether each picture looks like data, (n,) of booleans."""
        return (self._scores(images) >= self._least).all(1)

    def _scores(self, images: Tensor) -> Tensor:
        return torch.stack([self.confidence(images), -self.distance(images), self.correlation(images)], 1)


def _unit(images: Tensor) -> Tensor:
    centred = images.flatten(1) - images.flatten(1).mean(1, keepdim=True)
    return centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)
