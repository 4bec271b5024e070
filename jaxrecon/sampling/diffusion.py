"""What diffusion samplers share: the descent through noise levels, from noise to an image."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core import Method
from jaxrecon.core.vectors import add_scaled
from jaxrecon.sampling.langevin import standard_normal
from jaxrecon.solvers.step_sizes import check_positive, is_concrete


class DiffusionState(NamedTuple):
    """The sample with noise of the level sigma_count, the count, and the key of what follows."""

    x: Any
    count: jax.Array
    key: jax.Array


class DiffusionSampler(Method):
    """A sampler over noise levels sigma_1 > ... > sigma_K: K steps make the image, without noise.

    A subclass defines ``move(x, sigma, lower, key)``: from the level sigma to the next lower one,
    which is 0 in the last step. It has the fields `noise_levels` (K,) and `key`.
    """

    def move(self, x: Any, sigma: Any, lower: Any, key: jax.Array) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define move")

    def init(self, x0: Any) -> DiffusionState:
        """x0 plus noise of the first level; x0 is best the mean of the prior, or a guess."""
        key, draw = jax.random.split(self.key)  # type: ignore[attr-defined]
        first = self.noise_levels[0]  # type: ignore[attr-defined]
        x = add_scaled(x0, first, standard_normal(draw, x0))
        return DiffusionState(x, jnp.zeros((), jnp.int32), key)

    def step(self, state: DiffusionState) -> DiffusionState:
        levels = self.noise_levels  # type: ignore[attr-defined]
        key, draw = jax.random.split(state.key)
        sigma = levels[jnp.minimum(state.count, levels.size - 1)]
        following = jnp.minimum(state.count + 1, levels.size - 1)
        lower = jnp.where(state.count + 1 < levels.size, levels[following], 0)
        return DiffusionState(self.move(state.x, sigma, lower, draw), state.count + 1, key)


def checked_levels(noise_levels: Any, *, what: str) -> jax.Array:
    """(K,) positive levels that fall, or ValueError."""
    levels = jnp.atleast_1d(jnp.asarray(noise_levels))
    if levels.ndim != 1 or not levels.size:
        raise ValueError(f"{what} expected noise levels (K,), got the shape {levels.shape}.")
    check_positive(levels, what=what, argument="noise_levels")
    if is_concrete(levels) and not np.all(np.diff(levels) < 0):
        raise ValueError(
            f"{what} expected noise levels that fall, sigma_1 > ... > sigma_K, got {levels}."
        )
    return levels
