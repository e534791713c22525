"""Objects that remember how they were built.

A :class:`Spec` records the arguments of its constructor, so that it can be printed as the call that made
it, written to ``config.json`` and rebuilt from there, without a second description kept in step by hand
and without anything being executed: :func:`build` looks names up among Lather's own classes.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar, cast

import torch

from lather.absent import Absent, name_of
from lather.errors import ConfigError, LatherError

__all__ = ["Spec", "build", "known", "to_json"]

S = TypeVar("S", bound="Spec")
_KNOWN: dict[str, type[Spec]] = {}
_NOT_FINITE = ("nan", "inf", "-inf")  # what `repr` makes of floats that JSON has no word for
_MAX_TENSOR = 65_536  # numbers; a larger tensor belongs in a safetensors file, not in a configuration


class Spec:
    """Mixin that keeps the constructor's arguments in ``arguments``.

    Give it before ``nn.Module`` in the bases. Arguments left at their defaults are kept, too, so that a
    later change of a default does not change what an old configuration means.
    """

    #: tensor arguments that are in the module's ``state_dict``, too; of a large one only the shape is written
    stored: ClassVar[frozenset[str]] = frozenset()
    #: arguments that may be a module or function of the user's own; only its name is written
    custom: ClassVar[frozenset[str]] = frozenset()
    #: what the object was built with; empty for a class without a constructor of its own
    arguments: dict[str, Any] = cast("dict[str, Any]", MappingProxyType({}))

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            cls.__init__ = _recording(cls.__init__)  # type: ignore[method-assign]
        if cls.__module__.partition(".")[0] == "lather":
            _KNOWN[cls.__name__] = cls

    def spec(self) -> dict[str, Any]:
        """The object as JSON-ready ``{"type": name, "arguments": {...}}``; :func:`build` undoes it.

        A large tensor among the ``stored`` arguments is written as its shape and built as a placeholder, to be
        filled by ``load_state_dict``. A part that occurs twice is written once, as ``{..., "shared": number}``, and
        then as ``{"shared": number}``, so that it is one part again when rebuilt.
        """
        return _Writer().part(self)

    def __repr__(self) -> str:
        parameters = inspect.signature(type(self)).parameters
        shown: list[str] = []
        for name, value in self.arguments.items():
            parameter = parameters[name]
            if _same(value, parameter.default):
                continue
            text = f"tensor{tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)
            if name in self.custom and not isinstance(value, Spec):
                text = name_of(value).rpartition(".")[2]
            positional = parameter.kind is not parameter.KEYWORD_ONLY and parameter.default is parameter.empty
            if parameter.kind is parameter.VAR_POSITIONAL:
                shown.extend(map(repr, value))
            else:
                shown.append(text if positional else f"{name}={text}")
        return f"{type(self).__name__}({', '.join(shown)})"


def _same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return False
    return type(a) is type(b) and bool(a == b)


def _large(value: object) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() > _MAX_TENSOR


def _shape(value: torch.Tensor) -> dict[str, Any]:
    return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}


def _placeholder(shape: list[int], dtype: torch.dtype) -> torch.Tensor:
    """Valid wherever a stored tensor is: all entries positive; positive definite where it is square."""
    result = torch.ones([int(size) for size in shape], dtype=dtype)
    return result + torch.eye(*result.shape[-2:], dtype=dtype) if result.ndim > 1 else result


def _recording(init: Callable[..., None]) -> Callable[..., None]:
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapper(self: Spec, *args: Any, **kwargs: Any) -> None:
        if "arguments" not in self.__dict__:  # the outermost constructor speaks for the object
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{type(self).__name__}: {error}") from None
            bound.apply_defaults()
            object.__setattr__(self, "arguments", dict(list(bound.arguments.items())[1:]))
        init(self, *args, **kwargs)

    return wrapper


def to_json(value: Any) -> Any:
    """``value`` as what JSON can hold; raises :class:`ConfigError` where it cannot be written."""
    return _Writer().value(value)


class _Writer:
    """Writes one tree of parts; knows which it has written before."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, Any]] = {}
        self._names: dict[int, str] = {}

    def part(self, part: Spec) -> dict[str, Any]:
        first = self._parts.get(id(part))
        if first is not None:
            number = 1 + sum("shared" in written for written in self._parts.values())
            return {"shared": first.setdefault("shared", number)}
        arguments = {name: self._argument(part, name, value) for name, value in part.arguments.items()}
        self._parts[id(part)] = written = {"type": type(part).__name__, "arguments": arguments}
        return written

    def _argument(self, part: Spec, name: str, value: Any) -> Any:
        if name in part.stored and _large(value):
            return _shape(value)
        if name in part.custom and callable(value) and not _ours(value):
            return {"custom": self._name(value)}
        return self.value(value)

    def _name(self, part: Callable[..., Any]) -> str:
        """The same for the same object; a second one of the same class is ``name#2``."""
        if id(part) not in self._names:
            name, taken = name_of(part), set(self._names.values())
            numbered = (f"{name}#{number}" for number in range(2, len(taken) + 3))
            self._names[id(part)] = name if name not in taken else next(n for n in numbered if n not in taken)
        return self._names[id(part)]

    def value(self, value: Any) -> Any:
        if isinstance(value, Spec):
            return self.part(value)
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": repr(value)}
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (list, tuple)):
            return [self.value(v) for v in value]
        if isinstance(value, Mapping):
            return {str(k): self.value(v) for k, v in value.items()}
        if isinstance(value, torch.Tensor):
            if value.numel() > _MAX_TENSOR:
                raise ConfigError(
                    f"a tensor of {value.numel()} numbers is too large for a configuration (at most {_MAX_TENSOR})"
                )
            return {"tensor": value.detach().cpu().tolist(), "dtype": str(value.dtype).removeprefix("torch.")}
        raise ConfigError(
            f"{type(value).__name__} cannot be written to a configuration; Lather's own parts, numbers, strings, "
            "lists and small tensors can"
        )


def _ours(value: object) -> bool:
    return isinstance(value, Spec) and type(value).__module__.partition(".")[0] == "lather"


def build(data: Any, expect: type[S], *, custom: Mapping[str, Any] | None = None) -> S:
    """Rebuild what :meth:`Spec.spec` wrote.

    Args:
        data: the mapping read from JSON.
        expect: the class (or base class) the result must be of.
        custom: the user's own parts, by the names that were written for them; for one that is not given the
            result holds an :class:`~lather.absent.Absent`.

    Raises:
        ConfigError: an unknown type, arguments that do not fit, or an object of another kind.
    """
    result = _Reader(custom or {}).value(data)
    if not isinstance(result, expect):
        raise ConfigError(f"expected a {expect.__name__} here, got {result!r}")
    return result


def known(base: type[S]) -> dict[str, type[S]]:
    """Lather's own classes below ``base``, by name."""
    return {name: cls for name, cls in sorted(_KNOWN.items()) if issubclass(cls, base) and cls is not base}


class _Reader:
    """Reads one tree of parts; knows which it has read before."""

    def __init__(self, custom: Mapping[str, Any]) -> None:
        self._custom = dict(custom)
        self._shared: dict[str, Any] = {}

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self.value(v) for v in value)  # constructors' defaults are tuples, never lists
        if not isinstance(value, dict):
            return value
        keys = set(value)
        if keys == {"float"}:
            if value["float"] not in _NOT_FINITE:
                raise ConfigError(f"{value['float']!r} is none of {', '.join(_NOT_FINITE)}")
            return float(value["float"])
        if keys in ({"tensor", "dtype"}, {"shape", "dtype"}):
            dtype = getattr(torch, str(value["dtype"]), None)
            if not isinstance(dtype, torch.dtype):
                raise ConfigError(f"unknown tensor dtype {value['dtype']!r}")
            try:
                if "shape" in keys:
                    return _placeholder(value["shape"], dtype)
                return torch.tensor(value["tensor"], dtype=dtype)
            except (TypeError, ValueError, RuntimeError, OverflowError) as error:
                if isinstance(error, LatherError):
                    raise
                raise ConfigError(f"a tensor of a configuration cannot be made: {error}") from error
        if keys == {"custom"}:
            return self._custom.setdefault(str(value["custom"]), Absent(str(value["custom"])))
        if keys == {"shared"}:
            if str(value["shared"]) not in self._shared:
                raise ConfigError(f"part {value['shared']!r} is used before it is described")
            return self._shared[str(value["shared"])]
        if keys - {"shared"} == {"type", "arguments"}:
            part = self._part(value["type"], value["arguments"])
            return self._shared.setdefault(str(value["shared"]), part) if "shared" in keys else part
        return {k: self.value(v) for k, v in value.items()}

    def _part(self, name: Any, arguments: Any) -> Any:
        cls = _KNOWN.get(name) if isinstance(name, str) else None
        if cls is None or not isinstance(arguments, dict):
            raise ConfigError(f"{name!r} is not a part that this version of Lather knows")
        parameters = inspect.signature(cls).parameters
        positional: list[Any] = []
        keyword: dict[str, Any] = {}
        for key, raw in arguments.items():
            parameter = parameters.get(key)
            item = self.value(raw)
            if parameter is not None and parameter.kind is parameter.VAR_POSITIONAL:
                positional.extend(item)
            else:
                keyword[key] = item
        try:
            return cls(*positional, **keyword)
        except LatherError:
            raise
        except Exception as error:  # constructors expect what `spec` wrote; anything else fails in them in many ways
            raise ConfigError(f"{name} cannot be built from these arguments: {error}") from error
