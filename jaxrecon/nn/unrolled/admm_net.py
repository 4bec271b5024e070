"""ADMM-Net: the alternating direction method of multipliers with a network as its prox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.vectors import add_scaled, subtract, zeros_like
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.solvers.admm import ADMMState, admm_step


class ADMMNet(UnrolledScheme):
    r"""Learned ADMM, k = 1 ... K, from z = x0 and u = 0:

        x = argmin_x f(x) + b_k/2 ||x - z + u||^2 = prox_{f / b_k}(z - u)
        z = network_k(x + u)
        u = u + r_k (x - z),

    and at the end the reconstruction prox_{f / b_K}(z - u). The step is that of
    :func:`jaxrecon.solvers.admm` (for r_k = 1), so with a prox in the place of the networks this is
    K + 1 steps of ADMM. f is 1/2 ||A x - m||_W^2 unless given, and its prox, by conjugate
    gradients where there is no closed form, is differentiated implicitly.

    Args:
        network: of one channel (two for complex images), shared by all steps, or stacked by
            :func:`jaxrecon.nn.stacked`.
        steps: K.
        shared: True, False, or for each step the index of its network; see
            :class:`UnrolledScheme`.
        penalty: initial b_k > 0, one or (K,), in the unit of ||A||^2, learned through their
            logarithms.
        rate: initial r_k of the multiplier; ADMM converges for one in (0, (1 + sqrt(5)) / 2).
        learned: whether penalties and rates are trained.

    Raises:
        ValueError: as :class:`UnrolledScheme`, or a penalty that is not positive.

    Source: Yang, Sun, Li and Xu 2020, doi:10.1109/TPAMI.2018.2883941.
    """

    def __init__(
        self,
        network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int],
        penalty: Any = 1.0,
        rate: Any = 1.0,
        learned: bool = True,
    ):
        super().__init__(network, steps=steps, shared=shared)
        self.log_penalties = self.log_per_step(penalty, "penalty", learned=learned)
        self.rates = self.per_step(rate, "rate", learned=learned)

    def numbers(self) -> tuple[jax.Array, jax.Array]:
        return jnp.exp(self.log_penalties[...]), self.rates[...]

    def init(self, x0: Any) -> ADMMState:
        one = jnp.ones((), x0.real.dtype)
        return ADMMState(x0, x0, zeros_like(x0), one, ((), ()), jnp.zeros((), jnp.int32))

    def step(
        self, fidelity: BatchedFidelity, network: Any, numbers: tuple, state: ADMMState
    ) -> ADMMState:
        penalty, rate = numbers
        new, _ = admm_step(
            state._replace(penalty=penalty.astype(state.penalty.dtype)),
            lambda x: x,
            lambda v, _, start: (on_images(network, v), start),
            lambda v, b, _, start: (fidelity.prox(v, 1 / b), start),
        )
        return new._replace(u=add_scaled(state.u, rate, subtract(new.u, state.u)))

    def solution(self, fidelity: BatchedFidelity, state: ADMMState) -> Any:
        return fidelity.prox(subtract(state.z, state.u), 1 / state.penalty)
