"""The gradient-step denoiser: a step down a potential that a network defines."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import Functional, static
from jaxrecon.nn.networks import on_images


class GradientStep(nnx.Module):
    r"""D(x, sigma) = x - grad g(x, sigma),  g(x, sigma) = 1/2 ||x - N(x, sigma)||^2.

    grad g = (x - N) - J_N^T (x - N), by reverse mode. As x - D is a gradient, plug-and-play with D
    minimises a cost that has g in it and that can be evaluated: :class:`GradientStepPotential`.
    Where grad g is L-Lipschitz with L < 1, D is the prox of a function; train with
    :func:`jaxrecon.nn.lipschitz_penalty` on :meth:`gradient`.

    Args:
        network: N, (batch, y, x, channel) to as many channels as the image has; or with z. A smooth
            activation, as in ``DnCNN(activation=jax.nn.silu)``, makes g smooth and grad g Lipschitz
            on bounded sets. With relu N is piecewise linear, and grad g jumps where N has a kink:
            it has no Lipschitz constant, and the norm of the Hessian, which exists almost
            everywhere, does not see the jumps.
        channels: first channels of the input, which are the image (2 for complex); others, such as
            the noise level, are parameters.

    Raises:
        ValueError: at the first call, fewer channels of the input, or a network that returns
            another number of them.

    Source: Hurault, Leclaire and Papadakis, ICLR 2022, doi:10.48550/arXiv.2110.03220; prox, ICML
    2022, doi:10.48550/arXiv.2201.13256.
    """

    def __init__(self, network: nnx.Module, channels: int = 1):
        self.network = network
        self.channels = channels

    def approximation(self, x: jax.Array) -> jax.Array:
        """N: (batch, y, x, channel) to (batch, y, x, `channels`)."""
        if x.shape[-1] < self.channels:
            raise ValueError(
                f"GradientStep: the image has channels = {self.channels}, got an input with "
                f"{x.shape[-1]}."
            )
        denoised = self.network(x)  # type: ignore[operator]
        if denoised.shape[-1] != self.channels:
            raise ValueError(
                f"GradientStep: channels = {self.channels}, but the network returns "
                f"{denoised.shape[-1]}. Build it with outputs={self.channels}."
            )
        return denoised

    def potential(self, x: jax.Array) -> jax.Array:
        """g of each image: (batch, y, x, channel) to (batch,)."""
        residual = x[..., : self.channels] - self.approximation(x)
        return jnp.sum(residual**2, axis=tuple(range(1, x.ndim))) / 2

    def gradient(self, x: jax.Array) -> jax.Array:
        """grad g: (batch, y, x, channel) to (batch, y, x, `channels`)."""
        image, parameters = x[..., : self.channels], x[..., self.channels :]

        def total(image: jax.Array) -> jax.Array:
            return jnp.sum(self.potential(jnp.concatenate([image, parameters], axis=-1)))

        return jax.grad(total)(image)

    def __call__(self, x: jax.Array) -> jax.Array:
        return x[..., : self.channels] - self.gradient(x)


class GradientStepPotential(Functional):
    r"""g(x) = 1/2 ||x - N(x, sigma)||^2 of a :class:`GradientStep`, as a term of a cost function.

    x - grad g(x) is the denoised image, by one evaluation of the denoiser. g is smooth but not
    convex, and has no prox in closed form. Gradient methods on f + c g converge to stationary
    points for steps below 1 / (L_f + c L_g), with L_g from :func:`jaxrecon.nn.jacobian_norm` of the
    denoiser's `gradient`.

    Args:
        denoiser: the module.
        sigma: noise level, traced: a number, one for each image of a batch, or a map; None for a
            network that takes none.
        dims: axes of an image.

    `x` is an image (y, x), real or complex, or a batch of them, whose potentials are added.

    Raises:
        ValueError: when it is used, as :class:`GradientStep`.

    Source: as :class:`GradientStep`.
    """

    denoiser: Any
    sigma: Any = None
    dims: int = static(default=2)

    def _maps(self) -> tuple:
        return () if self.sigma is None else (self.sigma,)

    def __call__(self, x: Any) -> jax.Array:
        residual = x - on_images(self.denoiser.approximation, x, *self._maps(), dims=self.dims)
        return jnp.sum(jnp.abs(residual) ** 2) / 2

    def grad(self, x: Any) -> Any:
        return on_images(self.denoiser.gradient, x, *self._maps(), dims=self.dims)
