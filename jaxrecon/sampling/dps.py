"""Diffusion posterior sampling: a diffusion model guided by the fidelity of what it expects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import Functional
from jaxrecon.core.operator import conj
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add, add_scaled, scaled, subtract
from jaxrecon.nn.networks import on_images
from jaxrecon.sampling.diffusion import DiffusionSampler, checked_levels
from jaxrecon.sampling.langevin import standard_normal


class DiffusionPosteriorSampling(DiffusionSampler):
    r"""Ancestral sampling with guidance. Made by :func:`diffusion_posterior_sampling`."""

    fidelity: Functional
    parameters: Any
    noise_levels: jax.Array
    strength: Any
    key: jax.Array
    denoiser: Callable = static(default=on_images)
    normalised: bool = static(default=True)

    def move(self, x: Any, sigma: Any, lower: Any, key: jax.Array) -> Any:
        expected, pull_back = jax.vjp(lambda z: self.denoiser(self.parameters, z, sigma), x)
        (slope,) = pull_back(conj(self.fidelity.grad(expected)))
        share = (lower / sigma) ** 2
        mean = add(expected, scaled(share, subtract(x, expected)))
        noisy = add_scaled(mean, lower * jnp.sqrt(1 - share), standard_normal(key, x))
        return add_scaled(noisy, -self._weight(expected, sigma, lower), conj(slope))

    def _weight(self, expected: Any, sigma: Any, lower: Any) -> Any:
        if not self.normalised:
            return self.strength * (sigma**2 - lower**2)
        double = 2 * self.fidelity(expected)
        size = jnp.sqrt(jnp.where(double > 0, double, 1))
        units = jnp.sqrt((1 + sigma**2) * (1 + lower**2))
        return jnp.where(double > 0, 2 * self.strength * units / size, 0)


def diffusion_posterior_sampling(
    f: Functional,
    parameters: Any,
    noise_levels: Any,
    key: jax.Array,
    *,
    strength: Any = 1.0,
    normalised: bool = True,
    denoiser: Callable = on_images,
) -> DiffusionPosteriorSampling:
    r"""DPS: one sample of the posterior exp(-f(x)) p(x), p known by a denoiser D.

    From x_1 = x0 + sigma_1 noise, level by level, with e(x_k) = D(x_k, sigma_k) and
    r = sigma_{k+1} / sigma_k (the last level is followed by 0):

        x_{k+1} = e + r^2 (x_k - e) + sigma_{k+1} sqrt(1 - r^2) noise - w_k grad_x f(e),

    ancestral sampling with guidance through the derivative of the denoiser. The weights are

    - w_k = strength (sigma_k^2 - sigma_{k+1}^2), strength = 1, with `normalised` off: an Euler step
      of the reverse diffusion under the approximation log p(m | x_k) = -f(D(x_k)), f in units of
      the noise variance. It takes levels so close that w_k times the curvature of f(D(.)) stays
      below 2.
    - w_k = 2 strength sqrt((1 + sigma_k^2)(1 + sigma_{k+1}^2)) / sqrt(2 f(e)), for
      f = 1/2 ||A x - m||^2 without weights, as published: with u = x / sqrt(1 + sigma^2), the
      variance-preserving units of Algorithm 1, it is u_{k+1} = u' - zeta_k grad_u ||A e - m||^2
      with zeta_k = strength / ||A e - m||, strength being zeta'. As ||.|| has half the gradient of
      ||.||^2 / ||.||, a code that descends along the gradient of ||A e - m||, that of the authors
      among them, has half the strength for the same number. Robust with tens of levels, and
      stronger or weaker than the posterior asks.

    It is biased: the approximation leaves out the spread of x given x_k, so that the data count too
    much at high noise. For Gaussian priors the mean and spread it reaches are known in closed form,
    and the tests hold it to them: for the prior N(0, 1) and a datum of 0.8 with the noise 0.5 it
    has the mean 0.79 and the variance 0.11, where the posterior has 0.64 and 0.2. Its deviations
    are a guide, not a calibrated uncertainty, and `strength` is to be tuned on known images.

    Args:
        f: fidelity.
        parameters, denoiser: D, as in :class:`jaxrecon.nn.DenoiserPrior`, good at all levels.
        noise_levels: (K,) falling, traced: :func:`variance_preserving`, :func:`variance_exploding`.
        key: JAX key; other samples by `jax.vmap` over keys.
        strength: traced; with Zero() for f it samples the prior.
        normalised: static.

    Run it with ``solve(method, x0, K)``; x0 is a guess of the mean, of little influence for large
    sigma_1. One call of D and one of its transpose a step.

    Raises:
        ValueError: levels that are not positive or do not fall, where known, or not one axis of
            them.

    Source: Chung et al., ICLR 2023, doi:10.48550/arXiv.2209.14687.
    """
    levels = checked_levels(noise_levels, what="diffusion_posterior_sampling")
    return DiffusionPosteriorSampling(f, parameters, levels, strength, key, denoiser, normalised)
