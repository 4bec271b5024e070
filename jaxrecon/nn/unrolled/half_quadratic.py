"""Unrolled half-quadratic splitting: a network, then the prox of the data fidelity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.solvers.half_quadratic_splitting import (
    HalfQuadraticSplittingState,
    half_quadratic_step,
)


class UnrolledHalfQuadratic(UnrolledScheme):
    r"""Learned half-quadratic splitting, k = 1 ... K:

        z = network_k(x),   x = argmin_x f(x) + b_k/2 ||x - z||^2 = prox_{f / b_k}(z).

    The step is that of :func:`jaxrecon.solvers.half_quadratic_splitting`, so with a prox in the
    place of the network this is the classical method. f is 1/2 ||A x - m||_W^2 unless given, and
    its prox, by conjugate gradients where there is no closed form, is differentiated implicitly: no
    memory for its iterations.

    Args:
        network: of one channel (two for complex images), shared by all steps, or stacked by
            :func:`jaxrecon.nn.stacked`.
        steps: K.
        shared: True, False, or for each step the index of its network; see
            :class:`UnrolledScheme`.
        penalty: initial b_k > 0, one or (K,), in the unit of ||A||^2, learned through their
            logarithms.
        learned: whether the penalties are trained.

    Raises:
        ValueError: as :class:`UnrolledScheme`, or a penalty that is not positive.

    Source: Geman and Yang 1995, doi:10.1109/83.392335; unrolled: Zhang, Van Gool and Timofte 2020,
    doi:10.1109/CVPR42600.2020.00328.
    """

    def __init__(
        self,
        network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int],
        penalty: Any = 1.0,
        learned: bool = True,
    ):
        super().__init__(network, steps=steps, shared=shared)
        self.log_penalties = self.log_per_step(penalty, "penalty", learned=learned)

    def numbers(self) -> jax.Array:
        return jnp.exp(self.log_penalties[...])

    def init(self, x0: Any) -> HalfQuadraticSplittingState:
        return HalfQuadraticSplittingState(x0, ((), ()), jnp.zeros((), jnp.int32))

    def data_update(self, fidelity: BatchedFidelity, v: Any, penalty: Any) -> Any:
        """argmin_x f(x) + penalty/2 ||x - v||^2."""
        return fidelity.prox(v, 1 / penalty)

    def step(
        self,
        fidelity: BatchedFidelity,
        network: Any,
        numbers: jax.Array,
        state: HalfQuadraticSplittingState,
    ) -> HalfQuadraticSplittingState:
        return half_quadratic_step(
            state,
            numbers,
            lambda x, _, start: (on_images(network, x), start),
            lambda v, b, _, start: (self.data_update(fidelity, v, b), start),
        )
