"""Regularisation by denoising: a denoiser as the gradient of a term."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import Functional
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import inner, subtract
from jaxrecon.nn.networks import on_images


class RegularisationByDenoising(Functional):
    r"""f(x) = 1/2 Re <x, x - D(x)>, with grad f(x) = x - D(x); D denoises at the level sigma.

    The gradient is that of the value where D is locally homogeneous, D((1 + e) x) = (1 + e) D(x)
    to first order, with a symmetric Jacobian. Networks have neither; what the methods then solve is
    grad h(x) + lam (x - D(x)) = 0, h the data term, which needs no value. By Tweedie's formula
    x - D(x) = -sigma^2 grad log p_sigma(x) for the best denoiser D, p_sigma the density of images
    with noise: lam = 1 / sigma^2 makes it a prior. A gradient-step denoiser D = I - grad g has this
    gradient by construction, of g instead of the value here::

        red = lam * RegularisationByDenoising(network, sigma)
        ista(red, h)                               # h by its prox
        gradient_descent(h + red)                  # h by its gradient

    For a nonexpansive D, I - D has the Lipschitz constant 2 and is 1/2-cocoercive, so that for a
    convex h `ista` converges, where there is a solution, at every step < 1 / lam, and
    `gradient_descent` at steps < 2 / (L + 2 lam). For the gradient step with M-Lipschitz grad g,
    `ista` descends on h + lam g at steps < 1 / (lam M), convex or not.

    Args:
        parameters, denoiser: as in :class:`DenoiserPrior`.
        sigma: noise level at which D denoises, traced.

    Source: Romano, Elad and Milanfar 2017, doi:10.1137/16M1102884; what it minimises, and
    proximal gradient: Reehorst and Schniter 2019, doi:10.1109/TCI.2018.2880326; gradient step:
    Hurault, Leclaire and Papadakis, ICLR 2022, doi:10.48550/arXiv.2110.03220.
    """

    parameters: Any
    sigma: Any
    denoiser: Callable = static(default=on_images)

    def __call__(self, x: Any) -> jax.Array:
        return inner(x, self.grad(x)) / 2

    def grad(self, x: Any) -> Any:
        return subtract(x, self.denoiser(self.parameters, x, self.sigma))

    def lipschitz(self) -> jax.Array:
        """2, that of the gradient where D is nonexpansive; it is not checked."""
        return 2 * jnp.ones_like(self.sigma)
