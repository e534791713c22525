"""A small classifier: how sure it is of a picture says whether the picture looks like one of the classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lather.data import Dataset

__all__ = ["Classifier"]

_WIDTH, _BATCH = 256, 128


class Classifier:
    """A perceptron with one hidden layer, trained on the labelled training pictures.

    A little noise is added to pictures while it learns, so that it does not take the noise of a picture for its
    class. It is sure of many things that are no data; put its confidence beside that in real data.

    Args:
        data: with labels.
        steps: batches of 128.
        seed: of weights, batches and noise.

    Attributes:
        accuracy: on the test split.
    """

    def __init__(self, data: Dataset, *, steps: int = 800, seed: int = 0) -> None:
        labels = data.train.labels
        assert labels is not None, "data without labels"
        known = (labels >= 0).nonzero().flatten()
        numbers, count = data.train.batch(slice(0, 1))[0].numel(), int(labels.max()) + 1
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._net = nn.Sequential(nn.Flatten(), nn.Linear(numbers, _WIDTH), nn.SiLU(), nn.Linear(_WIDTH, count))
        optimizer = torch.optim.AdamW(self._net.parameters(), lr=2e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        for _ in range(steps):
            rows = known[torch.randint(len(known), (_BATCH,), generator=generator)]
            x = data.train.batch(rows)
            x = x + 0.1 * torch.randn(x.shape, generator=generator)
            loss = functional.cross_entropy(self._net(x), labels[rows], label_smoothing=0.02)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        of_test = data.test.labels
        assert of_test is not None
        right_ones = self.probabilities(data.test.batch()).argmax(1)[of_test >= 0] == of_test[of_test >= 0]
        self.accuracy = float(right_ones.double().mean())

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Of each class, (n, classes), for images (n, c, h, w) in [0, 1]."""
        return torch.cat([self._net(part).softmax(1) for part in images.split(1024)])

    def confidence(self, images: Tensor) -> Tensor:
        """The largest of these probabilities, (n,)."""
        return self.probabilities(images).amax(1)
