"""Variational network: gradient descent with a learned gradient of the regulariser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import iterate
from jaxrecon.core.vectors import subtract
from jaxrecon.nn.convolution import convolve
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.solvers.gradient_descent import GradientDescentState
from jaxrecon.solvers.momentum import descend


class ExpertsGradient(nnx.Module):
    r"""sum_i K_i^T phi_i(K_i x), the gradient of a field of experts sum_i sum_p rho_i((K_i x)_p).

    phi_i = rho_i' is learned, as radial basis functions with 31 centres mu_j in [-bound, bound]:
    phi_i(t) = sum_j w_ij exp(-(t - mu_j)^2 / (2 s^2)), s the distance of two centres. It starts as
    phi(t) = slope t. The kernels have mean zero and norm one, by construction; K_i^T is the exact
    adjoint, so that there is a potential.

    Args:
        features: number of experts.
        channels: of the image; 2 for complex ones.
        size: side of the kernels, odd.
        centres: number of radial basis functions.
        bound: end of the interval of the centres, the largest |K_i x| expected; beyond it phi
            falls to 0.
        slope: of phi at the start.
        rngs: random streams of Flax.

    (batch, y, x, channels) to the same.

    Raises:
        ValueError: an even size, fewer than two centres, a bound that is not positive.

    Source: Hammernik et al. 2018, doi:10.1002/mrm.26977; Roth and Black 2009,
    doi:10.1007/s11263-008-0197-6.
    """

    def __init__(
        self,
        features: int = 48,
        *,
        channels: int = 1,
        size: int = 11,
        centres: int = 31,
        bound: float = 1.0,
        slope: float = 0.05,
        rngs: nnx.Rngs,
    ):
        if size % 2 == 0 or centres < 2 or bound <= 0:
            raise ValueError(
                "ExpertsGradient: needs an odd size, two centres or more, and bound > 0, got "
                f"size = {size}, centres = {centres}, bound = {bound}."
            )
        shape = (size, size, channels, features)
        self.kernel = nnx.Param(jax.random.normal(rngs.params(), shape))
        start = slope * jnp.linspace(-bound, bound, centres) / math.sqrt(2 * math.pi)
        self.weights = nnx.Param(jnp.tile(start[:, None], (1, features)))
        self.bound = bound

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = _unit_kernel(self.kernel[...]).astype(x.dtype)
        response = convolve(x, kernel)
        weights = self.weights[...].astype(x.dtype)
        return convolve(
            radial_basis(response, weights, self.bound), kernel[::-1, ::-1].swapaxes(2, 3)
        )


def _unit_kernel(kernel: jax.Array) -> jax.Array:
    """Each of the kernels (rows, columns, in, out) with mean zero and norm one."""
    centred = kernel - kernel.mean(axis=(0, 1, 2), keepdims=True)
    square = jnp.sum(centred**2, axis=(0, 1, 2), keepdims=True)
    return centred / jnp.sqrt(square + jnp.finfo(kernel.dtype).tiny)


def radial_basis(t: jax.Array, weights: jax.Array, bound: float) -> jax.Array:
    """sum_j w_j exp(-(t - mu_j)^2 / (2 s^2)) in each channel.

    Args:
        t: (..., channel).
        weights: (J, channel), J >= 2.
        bound: mu_j = -bound ... bound in equal distances s.

    The basis functions are added one after the other and recomputed in the backward pass: memory
    of one array like t, not J.
    """
    centres = jnp.linspace(-bound, bound, len(weights), dtype=t.dtype)
    width = 2 * bound / (len(weights) - 1)

    def add_one(total: jax.Array, basis: tuple) -> jax.Array:
        centre, weight = basis
        return total + weight * jnp.exp(-(((t - centre) / width) ** 2) / 2)

    return iterate(add_one, jnp.zeros_like(t), xs=(centres, weights), remat=True)[0]


class VariationalNetwork(UnrolledScheme):
    r"""x <- x - eta_k grad f(x) - network_k(x), k = 1 ... K.

    The network stands for the gradient of a regulariser: an :class:`ExpertsGradient` (Hammernik et
    al.), or any network, such as a U-Net (end-to-end variational network, in image space). With
    the network zero it is gradient descent, bit for bit. f is 1/2 ||A x - m||_W^2 unless given.

    Args:
        network: of one channel (two for complex images), shared by all steps, or stacked by
            :func:`jaxrecon.nn.stacked`.
        steps: K.
        shared: False, True, or for each step the index of its network; see
            :class:`UnrolledScheme`.
        step_size: initial eta_k; 1 / ||A||^2 is safe.
        learned: whether the step sizes are trained.

    Raises:
        ValueError: as :class:`UnrolledScheme`.

    Source: Hammernik et al. 2018, doi:10.1002/mrm.26977; Sriram et al. 2020,
    doi:10.1007/978-3-030-59713-9_7.
    """

    def __init__(
        self,
        network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int] = False,
        step_size: Any = 1.0,
        learned: bool = True,
    ):
        super().__init__(network, steps=steps, shared=shared)
        self.step_sizes = self.per_step(step_size, "step_size", learned=learned)

    def numbers(self) -> jax.Array:
        return self.step_sizes[...]

    def init(self, x0: Any) -> GradientDescentState:
        return GradientDescentState(x0)

    def step(
        self,
        fidelity: BatchedFidelity,
        network: Any,
        numbers: jax.Array,
        state: GradientDescentState,
    ) -> GradientDescentState:
        moved = descend(state.x, numbers, fidelity.grad(state.x))
        return GradientDescentState(subtract(moved, on_images(network, state.x)))
