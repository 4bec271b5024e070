"""Plug-and-play: a classical method whose prox is a trained denoiser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from jaxrecon.core import Functional, Method
from jaxrecon.core.pytree import static


class HalfQuadraticState(NamedTuple):
    x: Any
    iteration: Any


class PlugAndPlayHalfQuadratic(Method):
    r"""Plug-and-play half-quadratic splitting with a decreasing schedule of noise levels.

    For min_x f(x) + g(x), with the prox of g replaced by a denoiser D(., sigma):

        z = prox_{s_k f}(x),   x = D(z, sigma_k),   s_k = sigma_k^2 / noise^2 * strength

    for f the data fidelity in units of its noise variance. Large steps trust the data less
    where the image is still far off; the schedule ends at the noise level of the data.

    Args:
        fidelity: f, with a prox.
        denoiser: (image, sigma) -> image, pure; static, so make it once. A network goes in
            through `parameters`.
        parameters: first argument of the denoiser, a pytree (the network).
        sigmas: (K,) noise levels, traced, from large to small; step K + 1 reuses the last.
        strength: weight of the data, traced.

    No convergence is claimed for a general network: the schedule is finite (K steps).

    Source: Zhang et al., Plug-and-play image restoration with deep denoiser prior,
    doi:10.1109/TPAMI.2021.3088914.
    """

    fidelity: Functional
    parameters: Any
    sigmas: Any
    strength: Any
    denoiser: Callable = static()

    def init(self, x0: Any) -> HalfQuadraticState:
        return HalfQuadraticState(x0, jnp.zeros((), jnp.int32))

    def step(self, state: HalfQuadraticState) -> HalfQuadraticState:
        k = jnp.minimum(state.iteration, len(self.sigmas) - 1)
        sigma = self.sigmas[k]
        z = self.fidelity.prox(state.x, self.strength * sigma**2)
        return HalfQuadraticState(self.denoiser(self.parameters, z, sigma), state.iteration + 1)
