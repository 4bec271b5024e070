"""Training on incomplete measurements alone: images may be turned, the operator does not turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxrecon.core import static
from jaxrecon.train.losses.base import Loss
from jaxrecon.train.losses.distances import mean_square


class EquivariantImaging(Loss):
    r"""mean |A f(m) - m|^2 + weight mean |f(A T x + n) - T x|^2,   x = f(m), T random.

    If the set of images is invariant to the transformations T (turns, shifts, flips), f o A must
    commute with them on it: f then learns what lies in the null space of A from how other
    transformed images are seen. T and A must not commute, or nothing is learned; the gradient goes
    through both calls of f.

    Args:
        reconstruct, operator: see :class:`Loss`.
        transform: static; (key, images) -> images, e.g. :func:`jaxrecon.data.random_quarter_turns`
            or :func:`random_shifts`.
        weight: of the second term.
        noise: static; (key, measurements) -> measurements, what A T x is measured with; None is
            none. With noise in m replace the first term by :class:`SURE`: :class:`WeightedLosses`
            adds losses, and ``consistency=False`` leaves the first term out.
        consistency: static; whether the first term is there.

    Raises:
        ValueError: no operator.

    Source: Chen, Tachella and Davies 2021, doi:10.1109/ICCV48922.2021.00434; with noise 2022,
    doi:10.1109/CVPR52688.2022.00556.
    """

    transform: Callable | None = static(default=None)
    weight: Any = 1.0
    noise: Callable | None = static(default=None)
    consistency: bool = static(default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.operator is None or self.transform is None:
            raise ValueError("EquivariantImaging needs an operator and a transform.")

    def __call__(self, module: Any, batch: Any, key: jax.Array) -> jax.Array:
        turn, measure = jax.random.split(key)
        x = self.reconstruct(module, self.operator, batch)
        turned = self.transform(turn, x)  # type: ignore[misc]
        m = self.predicted(turned)
        m = m if self.noise is None else self.noise(measure, m)
        again = self.reconstruct(module, self.operator, m)
        equivariance = self.weight * mean_square(again, turned)
        if not self.consistency:
            return equivariance
        return mean_square(self.predicted(x), batch) + equivariance
