"""Training on incomplete measurements alone: a part of them is held out and predicted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, static
from jaxrecon.core.checks import check_positive_int, describe, struct_of
from jaxrecon.linops.diagonal import Diagonal, check_broadcast
from jaxrecon.solvers.step_sizes import is_concrete
from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.distances import NormalisedL1L2


class SSDU(Loss):
    r"""d(L A f(T m, T A), L m), where T and L are a random split of the measurements.

    Self-supervision by data undersampling: f sees the operator T A and the data T m, entries not
    in T being 0, and is compared on those in L, T and L disjoint. A new split is drawn at every
    step, the same for the whole batch. With the mean square as d and noise of mean zero that is
    independent between entries, the expectation is E mean |L (A f(T m) - A x)|^2 plus the variance
    of L m: that of training on the held-out entries of noiseless data.

    It fits every network that is told the operator, ``reconstruct(module, operator, data)``: any
    unrolled scheme of :mod:`jaxrecon.nn` that takes one, such as MoDL or the variational network.
    :class:`jaxrecon.nn.EndToEndVariationalNetwork` does not fit, as it takes masks in its place.

    Args:
        reconstruct, operator: see :class:`Loss`; A has one array as its data, zero where nothing
            was measured.
        axes: static; axes of the data of one image along which entries are drawn one by one, e.g.
            (0,) for the views of a sinogram (view, column), or (-2, -1) for k-space
            (coil, y, x). Entries along the other axes go together.
        held_out: fraction of the measured entries in L, 0 < held_out < 1, traced; 0.4 in the paper.
        kept: those always in T, such as the centre of k-space; an array of booleans that
            broadcasts to the drawn axes, or None.
        measured: those that were measured at all, likewise.
        distance: d; :class:`NormalisedL1L2` is the paper's.

    Raises:
        ValueError: no operator, or one whose data are a pytree; axes that are none, repeated or
            not of the data; held_out that is not between 0 and 1, where it is known; when used,
            kept or measured that do not broadcast.
        TypeError: axes that are no tuple of integers; kept or measured that are not boolean.

    Source: Yaman et al. 2020, doi:10.1002/mrm.28378.
    """

    axes: tuple[int, ...] = static(default=(-1,))
    held_out: Any = 0.4
    kept: Any = None
    measured: Any = None
    distance: Any = NormalisedL1L2()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.operator is None or not hasattr(self.operator.codomain, "shape"):
            raise ValueError("SSDU needs an operator that has one array as its data.")
        if is_concrete(self.held_out) and not 0 < float(self.held_out) < 1:
            raise ValueError(
                f"SSDU expected 0 < held_out < 1, a fraction of the entries, got {self.held_out}. "
                "Is it a number of entries, or a percentage?"
            )
        _check_axes(self.axes, self.operator.codomain.shape)
        for argument in ("kept", "measured"):
            mask = getattr(self, argument)
            if mask is not None and not jnp.issubdtype(jnp.result_type(mask), jnp.bool_):
                raise TypeError(
                    f"SSDU expected booleans in {argument}, got {describe(struct_of(mask))}. Is it "
                    "a mask of 0 and 1? Convert with mask > 0."
                )

    def split(self, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(T, L) as masks of 0 and 1 that broadcast to the data of one image."""
        space = self._operator.codomain
        drawn = {axis % len(space.shape) for axis in self.axes}
        shape = tuple(n if i in drawn else 1 for i, n in enumerate(space.shape))
        size = tuple(n for n in shape if n > 1)

        def spread(mask: Any, argument: str) -> jax.Array:
            check_broadcast(jnp.asarray(mask), size, what="SSDU", argument=argument)
            return jnp.broadcast_to(mask, size).reshape(shape)

        out = jax.random.bernoulli(key, self.held_out, shape)
        if self.kept is not None:
            out = out & ~spread(self.kept, "kept")
        inside = jnp.ones(shape, bool)
        if self.measured is not None:
            inside = spread(self.measured, "measured")
        dtype = jnp.finfo(space.dtype).dtype
        return (inside & ~out).astype(dtype), (inside & out).astype(dtype)

    @property
    def _operator(self) -> LinearOperator:
        assert self.operator is not None
        return self.operator

    def __call__(self, module: Any, batch: jax.Array, key: jax.Array) -> jax.Array:
        seen, hidden = self.split(key)
        space = self._operator.codomain
        part = Diagonal(seen, space.shape, space.dtype) @ self._operator
        x = self.reconstruct(module, part, seen * batch)
        return self.distance(hidden * self.predicted(x), hidden * batch)


def _check_axes(axes: Any, shape: tuple[int, ...]) -> None:
    if not isinstance(axes, tuple) or not all(isinstance(axis, int) for axis in axes):
        raise TypeError(f"SSDU expected axes as a tuple of integers, such as (-1,), got {axes!r}.")
    count = len(shape)
    within = all(-count <= axis < count for axis in axes)
    if not axes or not within or len({axis % count for axis in axes}) < len(axes):
        raise ValueError(
            f"SSDU expected one or more different axes from {-count} to {count - 1}, of the data "
            f"of one image, of shape {shape}, got {axes}. Is the axis of the batch counted?"
        )


def centre_mask(length: int, count: int) -> jax.Array:
    """(length,) booleans, true for the `count` entries in the middle: the centre of k-space."""
    count = check_positive_int(count, what="centre_mask", argument="count")
    distance = jnp.arange(length) - (length - count) // 2
    return (distance >= 0) & (distance < count)
