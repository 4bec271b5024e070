"""Unrolled proximal gradient: the solver's step with a network in the place of the prox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.solvers.proximal_gradient import ISTAState, proximal_gradient_step


class UnrolledProximalGradient(UnrolledScheme):
    r"""Learned proximal gradient: z = x - eta_k grad f(x), x = network_k(z), k = 1 ... K.

    The step is :func:`jaxrecon.solvers.proximal_gradient_step`, so with a soft threshold in the
    place of the network this is ISTA, bit for bit. f is 1/2 ||A x - m||_W^2 unless given.

    Args:
        network: of one channel (two for complex images), shared by all steps, or stacked by
            :func:`jaxrecon.nn.stacked`.
        steps: K.
        shared: True, False, or for each step the index of its network; see
            :class:`UnrolledScheme`.
        step_size: initial eta_k, one or (K,); 1 / ||A||^2 is safe, and 1 where A has orthonormal
            rows.
        learned: whether the step sizes are trained.

    Raises:
        ValueError: as :class:`UnrolledScheme`.

    Memory of a training step is two image batches a step, x and grad f(x); the rest is recomputed.

    Source: Gregor and LeCun, Learning fast approximations of sparse coding, ICML 2010; Mardani et
    al., Neural proximal gradient descent, NeurIPS 2018.
    """

    def __init__(
        self,
        network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int],
        step_size: Any = 1.0,
        learned: bool = True,
    ):
        super().__init__(network, steps=steps, shared=shared)
        self.step_sizes = self.per_step(step_size, "step_size", learned=learned)

    def numbers(self) -> jax.Array:
        return self.step_sizes[...]

    def init(self, x0: Any) -> ISTAState:
        return ISTAState(x0)

    def step(
        self, fidelity: BatchedFidelity, network: Any, numbers: jax.Array, state: ISTAState
    ) -> ISTAState:
        x = proximal_gradient_step(
            state.x, fidelity.grad, lambda z, _: on_images(network, z), numbers
        )
        return ISTAState(x)
