"""Methods built on networks."""

import jax.numpy as jnp

from jaxrecon import struct
from jaxrecon.core import Identity
from jaxrecon.functionals import LeastSquares
from jaxrecon.nn import PlugAndPlayHalfQuadratic
from tests.laws.cases import MethodCase


def shrink(strength, z, sigma):
    """The prox of strength/2 |x|^2 at step sigma^2: the denoiser of a Gaussian prior."""
    return (z / (1 + strength * sigma**2)).astype(z.dtype)


def gaussian_prior(dtype):
    """With a linear denoiser the scheme is affine, and its fixed point has a closed form.

    z = (x + s m) / (1 + s), x = z / (1 + c) with s = strength sigma^2, c = sigma^2 / 2:
    x (1 + c)(1 + s) = x + s m.
    """
    data = jnp.linspace(-1, 2, 12, dtype=dtype).reshape(3, 4)
    sigma, prior, strength = jnp.asarray(0.5, dtype), 0.5, 4.0
    method = PlugAndPlayHalfQuadratic(
        LeastSquares(Identity(struct((3, 4), dtype)), data),
        jnp.asarray(prior, dtype),
        sigma[None],
        jnp.asarray(strength, dtype),
        shrink,
    )
    s, c = strength * 0.25, prior * 0.25
    return method, jnp.zeros_like(data), data * s / ((1 + c) * (1 + s) - 1)


METHODS = [MethodCase("PlugAndPlayHalfQuadratic", gaussian_prior, 100, 1e-10)]
