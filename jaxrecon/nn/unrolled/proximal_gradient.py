"""Unrolled proximal gradient: the solver's step with a network in the place of the prox."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import LinearOperator
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.unroll import unroll
from jaxrecon.solvers.proximal_gradient import proximal_gradient_step


def unrolled_proximal_gradient(
    gradient: Callable,
    prox: Callable,
    parameters: Any,
    step_sizes: jax.Array,
    x0: Any,
    *,
    shared: bool,
    remat: bool = True,
) -> Any:
    r"""K steps of z = x - eta_k gradient(x), x = prox(parameters_k, z, eta_k).

    The step is :func:`jaxrecon.solvers.proximal_gradient_step`, so with a soft threshold for
    `prox` this is ISTA, bit for bit.

    Args:
        gradient: x -> gradient of the data fidelity.
        prox: (parameters, z, eta) -> x.
        parameters: pytree; stacked along axis 0 unless shared.
        step_sizes: (K,) step sizes eta_k.
        x0: start, best derived from the data.
        shared: whether every step has the same parameters.
        remat: recompute each step in the backward pass.
    """

    def step(both: tuple, x: Any) -> Any:
        eta, p = (both, parameters) if shared else both
        return proximal_gradient_step(x, gradient, lambda z, s: prox(p, z, s), eta)

    return unroll(step, step_sizes if shared else (step_sizes, parameters), x0, remat=remat)


class UnrolledProximalGradient(nnx.Module):
    r"""Learned proximal gradient: z = x - eta_k A^H W (A x - m), x = network_k(z), k = 1 ... K.

    Args:
        network: a network of one channel, shared by all steps, or K of them stacked by
            :func:`jaxrecon.nn.stacked` when `shared` is False.
        steps: K.
        shared: whether all steps have the same weights.
        step_size: initial eta_k, learned; 1 / ||A||^2 is safe, and 1 where A has orthonormal rows.

    Memory of a training step is one image batch a step, as each is recomputed (`remat`).

    Source: Gregor and LeCun, Learning fast approximations of sparse coding, ICML 2010; Mardani et
    al., Neural proximal gradient descent, NeurIPS 2018.
    """

    def __init__(self, network: Any, *, steps: int, shared: bool, step_size: float = 1.0):
        if steps < 1:
            raise ValueError(f"UnrolledProximalGradient: steps must be at least 1, got {steps}.")
        counts = {leaf.shape[:1] for leaf in jax.tree.leaves(nnx.state(network, nnx.Param))}
        if not shared and counts != {(steps,)}:
            raise ValueError(
                f"UnrolledProximalGradient: unshared weights need {steps} networks stacked along "
                "axis 0; make them with nn.stacked(make, steps, key)."
            )
        self.network = network
        self.step_sizes = nnx.Param(jnp.full(steps, step_size))
        self.shared = shared

    def __call__(
        self, operator: LinearOperator, measurements: Any, x0: jax.Array, weights: Any = None
    ) -> jax.Array:
        """Reconstruct a batch.

        Args:
            operator: A, on one image (y, x).
            measurements: batch of m, each in the codomain of A.
            x0: images (batch, y, x) to start from, e.g. ``jax.vmap(A.adjoint)(m)``.
            weights: batch of W, inverse variances shaped as the measurements; 1 by default.
        """

        def gradient(x: jax.Array) -> jax.Array:
            residual = jax.tree.map(jnp.subtract, jax.vmap(operator)(x), measurements)
            if weights is not None:
                residual = jax.tree.map(jnp.multiply, weights, residual)
            return jax.vmap(operator.adjoint)(residual)

        return unrolled_proximal_gradient(
            gradient,
            lambda network, z, _: on_images(network, z),
            self.network,
            self.step_sizes[...],
            x0,
            shared=self.shared,
        )
