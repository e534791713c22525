"""The objective algebra: terms add and scale, and a paper is one line.

    Reconstruction() + 10 * Match(CramerWold())

A :class:`Term` maps a :class:`~lather.models.step.Step` to a scalar. ``weight * term`` and ``term + term``
make an :class:`Objective`, which is all that the training loop sees.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from torch import Tensor, nn

from lather.errors import ConfigError
from lather.models.capabilities import Parts
from lather.models.opponent import Opponent
from lather.models.step import Step
from lather.spec import Spec

if TYPE_CHECKING:
    from lather.models.held import Held

__all__ = ["LogTerm", "Objective", "Term"]


class Term(Spec, nn.Module):
    """One summand of an objective: a scalar computed from one training step, in the units its docstring says."""

    key: ClassVar[str] = "term"  #: name in metrics and progress bars
    density: ClassVar[bool] = False  #: whether it needs a posterior with a density
    #: how the value on a batch follows from parts of it: their "mean", a function of all "latents" together, or neither
    parts: Literal["mean", "latents"] | None = None

    def forward(self, step: Step) -> Tensor:
        raise NotImplementedError

    def check(self, parts: Parts) -> None:
        """Raise :class:`~lather.errors.CapabilityError` where the term cannot work with these parts."""

    def factor(self) -> Tensor | float:
        """What the term multiplies its own weight with in the total: 1, or a multiplier that the term steers itself."""
        return 1.0

    def readings(self) -> dict[str, Tensor]:
        """Further numbers of the last step to show and log, by short names: detached scalars."""
        return {}

    def heed(self, validation: dict[str, float]) -> None:
        """Take note of what the ``readings`` were, on average, on held-out data."""

    def to_noise_floor(self, z: float = 2.0, *, samples: int | None = None, start: float | None = None) -> Term:
        """The term held at a level instead of weighed; only :class:`~lather.models.match.Match` can be."""
        return self

    def to_detection_size(self, n: int, *, start: float | None = None) -> Term:
        """The term held at a detection size instead of weighed; only :class:`~lather.models.match.Match` can be."""
        return self

    def held(self) -> Held | None:
        """The term itself where it holds a divergence at a level; mostly nothing."""
        return None

    def opponent(self) -> Opponent | None:
        """What the training loop must train against the model before each step, such as a critic; mostly nothing."""
        return None

    def log(self) -> Term:
        """log of this term; it must be positive."""
        return LogTerm(self)

    def __mul__(self, weight: float) -> Objective:
        return Objective([(weight, self)])

    __rmul__ = __mul__

    def __add__(self, other: Term | Objective) -> Objective:
        return Objective([(1.0, self)]) + other

    def __radd__(self, other: object) -> Objective:
        return Objective([(1.0, self)]).__radd__(other)


class LogTerm(Term):
    """log of a positive term, in nats: scale free, so that one weight fits all sizes.

    Its gradient is that of the term divided by the term's value, so it grows as the term approaches 0.
    """

    def __init__(self, term: Term) -> None:
        super().__init__()
        self.term = term
        self.key = f"log_{term.key}"  # type: ignore[misc]
        self.density = term.density  # type: ignore[misc]

    def forward(self, step: Step) -> Tensor:
        value: Tensor = self.term(step)
        if step.gather is not None:  # the log of the mean over processes, not the mean of their logs
            value = step.gather(value.reshape(1, 1)).mean()
        return value.log()

    def check(self, parts: Parts) -> None:
        self.term.check(parts)

    def readings(self) -> dict[str, Tensor]:
        return self.term.readings()

    def opponent(self) -> Opponent | None:
        return self.term.opponent()

    def __repr__(self) -> str:
        return f"{self.term!r}.log()"


class Objective(Spec, nn.Module):
    """A weighted sum of terms.

    Calling it on a step gives a dict: every term's own value, unweighted, under a name unique within the
    objective, the weighted total under ``"loss"``, and what terms report beside their value (``readings``).

    Args:
        terms: pairs (weight, term). Weights are finite and not negative: a negative one would reward what the
            term measures, and is nearly always a slip (InfoVAE's α + λ − 1 in a widely used library).
    """

    def __init__(self, terms: Iterable[tuple[float, Term]]) -> None:
        super().__init__()
        pairs = [(_checked(weight, term), term) for weight, term in terms]
        if not pairs:
            raise ConfigError("an objective needs at least one term, such as Reconstruction()")
        self.arguments = {"terms": pairs}  # also where `terms` was an iterator
        self.weights = [weight for weight, _ in pairs]
        self.terms = nn.ModuleList(term for _, term in pairs)
        seen: Counter[str] = Counter()
        self.names: list[str] = []
        for _, term in pairs:
            seen[term.key] += 1
            self.names.append(term.key if seen[term.key] == 1 else f"{term.key}_{seen[term.key]}")

    @property
    def pairs(self) -> list[tuple[float, Term]]:
        """(weight, term) of every summand."""
        return list(zip(self.weights, self._each(), strict=True))

    @property
    def density(self) -> bool:
        """Whether some term needs a posterior with a density."""
        return any(term.density for _, term in self.pairs)

    def forward(self, step: Step) -> dict[str, Tensor]:
        values: dict[str, Tensor] = {name: term(step) for name, term in zip(self.names, self.terms, strict=True)}
        return {"loss": self.total(values), **values, **self.readings()}

    def some(self, step: Step, parts: Literal["mean", "latents"]) -> dict[str, Tensor]:
        """The terms of one kind (see :attr:`Term.parts`) on a step, by name."""
        each = zip(self.names, self._each(), strict=True)
        return {name: term(step) for name, term in each if term.parts == parts}

    def readings(self) -> dict[str, Tensor]:
        """What terms report beside their value on the last step."""
        return {
            f"{name}_{what}": value
            for name, term in zip(self.names, self._each(), strict=True)
            for what, value in term.readings().items()
        }

    def total(self, values: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of ``values``, which holds terms under their names."""
        each = zip(self.weights, self.names, self._each(), strict=True)
        summands = [
            _times(weight * term.factor(), values[name]) for weight, name, term in each if weight and name in values
        ]
        return sum(summands[1:], summands[0]) if summands else next(iter(values.values())) * 0

    def opponents(self) -> dict[str, Opponent]:
        """What must be trained against the model, by the names of the terms that need it."""
        found = {name: term.opponent() for name, term in zip(self.names, self._each(), strict=True)}
        return {name: opponent for name, opponent in found.items() if opponent is not None}

    def held(self) -> dict[str, Held]:
        """The terms that hold a divergence at a level, by name."""
        found = {name: term.held() for name, term in zip(self.names, self._each(), strict=True)}
        return {name: held for name, held in found.items() if held is not None}

    def heed(self, validation: Mapping[str, float]) -> None:
        """Show every term what its ``readings`` were on held-out data: means of all that :meth:`forward` returns."""
        for name, term in zip(self.names, self._each(), strict=True):
            term.heed({what: validation[f"{name}_{what}"] for what in term.readings()})

    def to_noise_floor(self, z: float = 2.0, *, samples: int | None = None) -> Objective:
        """Every :class:`~lather.models.match.Match` held at a level; the search starts at a hundredth of its weight.

        Raises:
            ConfigError: there is none.
        """
        return self._held(lambda weight, term: term.to_noise_floor(z, samples=samples, start=weight / 100))

    def to_detection_size(self, n: int) -> Objective:
        """Every :class:`~lather.models.match.Match` held at a detection size, from a hundredth of its weight on.

        Raises:
            ConfigError: there is none.
        """
        return self._held(lambda weight, term: term.to_detection_size(n, start=weight / 100))

    def _held(self, hold: Callable[[float, Term], Term]) -> Objective:
        held = [(weight, hold(weight, term) if weight else term, term) for weight, term in self.pairs]
        if all(new is old for _, new, old in held):
            raise ConfigError(
                f"there is no Match(...) with a weight in {self!r}, so nothing can be held at a level; take an "
                "objective that compares the latents with the prior, such as Reconstruction() + Match()"
            )
        return Objective([(weight if new is old else 1.0, new) for weight, new, old in held])

    def _each(self) -> list[Term]:
        return list(self.terms)  # type: ignore[arg-type]

    def check(self, parts: Parts) -> None:
        """Raise :class:`~lather.errors.CapabilityError` where some term cannot work with these parts."""
        for _, term in self.pairs:
            term.check(parts)

    def __add__(self, other: Term | Objective) -> Objective:
        if isinstance(other, Term):
            other = Objective([(1.0, other)])
        if not isinstance(other, Objective):
            return NotImplemented
        return Objective(self.pairs + other.pairs)

    def __radd__(self, other: object) -> Objective:
        if other == 0:  # so that sum([...]) works
            return self
        return NotImplemented

    def __mul__(self, weight: float) -> Objective:
        return Objective([(_checked(weight, self) * w, term) for w, term in self.pairs])

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return " + ".join(repr(term) if w == 1 else f"{w:g} * {term!r}" for w, term in self.pairs)


def _times(weight: Tensor | float, value: Tensor) -> Tensor:
    return value if isinstance(weight, float) and weight == 1 else weight * value


def _checked(weight: object, of: object) -> float:
    if isinstance(weight, bool) or not isinstance(weight, (int, float)):
        raise ConfigError(f"a weight is a number, got {weight!r} times {of!r}")
    if not math.isfinite(weight) or weight < 0:
        raise ConfigError(
            f"a weight must be finite and not negative, got {weight} * {of!r}; a negative weight would reward "
            "what the term measures"
        )
    return float(weight)
