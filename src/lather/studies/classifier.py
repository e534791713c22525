"""A small classifier that also knows what is none of its classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lather.data import Dataset
from lather.errors import ShapeError
from lather.studies.not_data import not_data

__all__ = ["Classifier"]

_BATCH, _HIDDEN = 128, 64


class Classifier:
    """A convolutional network with the classes of the data, and one more for what is no data.

    A classifier that knows data only is sure of many things that are none. This one is trained on as many pictures
    that are none, made of data (:func:`~lather.studies.not_data.not_data`). Half of the real ones are blurred a little,
    and all pictures are noisy to various degrees, so that it judges shape, and forgives what any decoder does.

    Args:
        data: pictures; without labels they are one class.
        steps: batches of 128 real pictures and as many others.
        seed: of weights, batches and noise.

    Attributes:
        accuracy: among the classes, on the test split; ``None`` without labels.

    Raises:
        ShapeError: the data are no pictures (c, h, w) of at least 4×4.
    """

    def __init__(self, data: Dataset, *, steps: int = 600, seed: int = 0) -> None:
        first = data.train.batch(slice(0, 1))
        if first.ndim != 4 or min(first.shape[2:]) < 4:
            raise ShapeError(
                f"whether something looks like data is judged of pictures (c, h, w) of at least 4×4, got samples of "
                f"shape {tuple(first.shape[1:])}; this study takes image data, such as digits or mnist"
            )
        labels = data.train.labels
        labels = torch.zeros(len(data.train), dtype=torch.long) if labels is None else labels
        known = (labels >= 0).nonzero().flatten()
        none = int(labels.max()) + 1
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._body = _body(first)
            self._head = nn.Linear(_HIDDEN, none + 1)
        optimizer = torch.optim.AdamW([*self._body.parameters(), *self._head.parameters()], lr=2e-3, weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        target = torch.cat([torch.zeros(_BATCH, dtype=torch.long), torch.full((_BATCH,), none)])
        for _ in range(steps):
            rows, others = known[torch.randint(len(known), (2, _BATCH), generator=generator)]
            x = data.train.batch(rows)
            target[:_BATCH] = labels[rows]
            shown = torch.cat([_soft(x, generator), not_data(x, data.train.batch(others), generator)])
            noise = 0.1 * torch.rand(len(shown), 1, 1, 1, generator=generator)
            shown = shown + noise * torch.randn(shown.shape, generator=generator)
            loss = functional.cross_entropy(self._head(self._body(shown)), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        self.accuracy: float | None = None
        if data.test.labels is not None and none > 1:
            of_test = data.test.labels
            found = self.probabilities(data.test.batch())[:, :none].argmax(1)
            self.accuracy = float((found == of_test)[of_test >= 0].double().mean())

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """What it decides by: its last hidden layer, (n, 64), for images (n, c, h, w) in [0, 1]."""
        return torch.cat([self._body(part) for part in images.split(1024)])

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Of each class and, last, of none of them, (n, classes + 1)."""
        found: Tensor = self._head(self.features(images)).softmax(1)
        return found

    def confidence(self, images: Tensor) -> Tensor:
        """The largest probability of a class, (n,)."""
        return self.probabilities(images)[:, :-1].amax(1)


def _body(first: Tensor) -> nn.Sequential:
    stride = 1 if min(first.shape[2:]) < 16 else 2
    layers = [nn.Conv2d(first.shape[1], 16, 3, stride=stride, padding=1), nn.SiLU()]
    layers += [nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.SiLU(), nn.Flatten()]
    with torch.no_grad():
        width = nn.Sequential(*layers)(first).shape[1]
    return nn.Sequential(*layers, nn.Linear(width, _HIDDEN), nn.SiLU())


def _soft(x: Tensor, generator: torch.Generator) -> Tensor:
    """Half of the pictures on their way to a 3×3 binomial blur, by a random share of it."""
    channels = x.shape[1]
    line = torch.tensor([0.25, 0.5, 0.25]).to(x)
    kernel = (line[:, None] * line).expand(channels, 1, 3, 3)
    blurred = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, groups=channels)
    share, chosen = torch.rand(2, len(x), 1, 1, 1, generator=generator)
    return torch.lerp(x, blurred, share * (chosen < 0.5))
