"""The function between two convolutions, as an attribute that survives copies and pickles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from operator import attrgetter
from typing import Any

import jax
from flax import nnx


@dataclass(frozen=True)
class Activation:
    """A function of each value that stays the same one in every copy of a network.

    `jax.nn.relu` and its like are objects that pickle refuses and that `copy.deepcopy` makes anew;
    to `jax.jit` the copy is another function, for which it compiles again. This one is not copied,
    and is pickled as the name under which the function is found.

    Args:
        function: array to array of its shape.
    """

    function: Callable

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.function(x)

    def __deepcopy__(self, memo: dict) -> Activation:
        return self

    def __reduce__(self) -> tuple:
        name = (
            getattr(self.function, "__module__", ""),
            getattr(self.function, "__qualname__", ""),
        )
        return (_named, name) if _found(*name) is self.function else (Activation, (self.function,))


def as_activation(function: Any) -> Any:
    """The function as an :class:`Activation`; a module, which may have weights, as it is.

    Raises:
        TypeError: not callable.
    """
    if not callable(function):
        raise TypeError(
            f"activation expected a function such as jax.nn.relu or jax.nn.silu, got {function!r}."
        )
    return function if isinstance(function, nnx.Module | Activation) else Activation(function)


def _named(module: str, name: str) -> Activation:
    return Activation(_found(module, name))


def _found(module: str, name: str) -> Any:
    try:
        return attrgetter(name)(import_module(module))
    except (ImportError, AttributeError, ValueError):
        return None
