"""One operator for each frame of a series: the same kind, with parameters of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from jaxrecon.core import LinearOperator, static
from jaxrecon.core.checks import Space, check_positive_int, struct


class Frames(LinearOperator):
    r"""y_t = A_t x_t, t = 1 ... T, for a series of images with one operator for each.

    A_t is the given operator with some of its fields replaced by those of frame t, so that what is
    not replaced, such as coil maps, is held once. All frames have the same shapes; one compiled
    program serves them, whatever T is.

    Args:
        operator: A, of any frame.
        changes: name of a field of A -> array, or pytree, of those of all frames, stacked along
            axis 0: ``{"mask": masks}``, ``{"positions": positions}``, ``{"geometry":
            jax.vmap(geometry.take)(views)}``. Traced and differentiable.
        together: static, so many frames at a time, which bounds the memory and may be faster on a
            CPU; None takes all.

    Domain and codomain are those of A with a leading axis of T frames.

    Raises:
        ValueError: no change, a name that is no field of A, stacks of different lengths, or frames
            whose operator has other spaces than A.
    """

    operator: LinearOperator
    changes: Mapping[str, Any]
    together: int | None = static(default=None)

    def __post_init__(self) -> None:
        changes = dict(self.changes)
        self._set("changes", changes)
        if self.together is not None:
            together = check_positive_int(self.together, what="Frames", argument="together")
            self._set("together", together)
        unknown = [name for name in changes if not hasattr(self.operator, name)]
        if unknown or not changes:
            raise ValueError(
                f"Frames expected names of fields of {type(self.operator).__name__}, got "
                f"{list(changes)}."
            )
        counts = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(changes)}
        if len(counts) != 1 or counts == {()}:
            raise ValueError(
                "Frames expected changes stacked along axis 0, all of one length, got leading "
                f"axes {sorted(counts)}."
            )
        frame = jax.eval_shape(self._frame, jax.tree.map(lambda leaf: leaf[0], changes))
        for name in ("domain", "codomain"):
            if getattr(frame, name) != getattr(self.operator, name):
                raise ValueError(
                    f"Frames expected frames with the {name} of {self.operator!r}, got {frame!r}."
                )
        super().__post_init__()

    def _frame(self, changes: Mapping[str, Any]) -> LinearOperator:
        return self.operator.replace(**changes)

    @property
    def count(self) -> int:
        """T."""
        return jax.tree.leaves(self.changes)[0].shape[0]

    @property
    def domain(self) -> Space:
        return _series(self.operator.domain, self.count)

    @property
    def codomain(self) -> Space:
        return _series(self.operator.codomain, self.count)

    def apply(self, x: Any) -> Any:
        return self._each(lambda A, a: A.apply(a), x)

    def adjoint(self, y: Any) -> Any:
        return self._each(lambda A, b: A.adjoint(b), y)

    def normal(self, x: Any) -> Any:
        return self._each(lambda A, a: A.normal(a), x)

    def _each(self, function: Callable, series: Any) -> Any:
        def one(item: tuple) -> Any:
            changes, a = item
            return function(self._frame(changes), a)

        if self.together is None:
            return jax.vmap(one)((self.changes, series))
        return jax.lax.map(one, (self.changes, series), batch_size=self.together)


def _series(space: Space, count: int) -> Space:
    return jax.tree.map(lambda s: struct((count, *s.shape), s.dtype), space)
