"""Half-quadratic splitting with a denoiser and a decreasing schedule of noise levels."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import Functional, Identity
from jaxrecon.core.checks import Space, real_dtype
from jaxrecon.nn.plug_and_play.prior import DenoiserPrior
from jaxrecon.solvers.half_quadratic_splitting import (
    HalfQuadraticSplitting,
    half_quadratic_splitting,
)
from jaxrecon.solvers.step_sizes import check_positive


def plug_and_play_half_quadratic(
    f: Functional, prior: DenoiserPrior, space: Space, noise_levels: Any, weight: Any = 0.23
) -> HalfQuadraticSplitting:
    r"""Half-quadratic splitting of f(x) + weight g(x), g known by its denoiser D, level by level:

        z = prox_{s_k f}(x),  x = D(z, sigma_k),  s_k = sigma_k^2 / weight.

    Large noise levels trust the data less where the image is still far off. The schedule ends at
    that of the noise in the data, as in DPIR::

        noise_levels = jnp.geomspace(49 / 255, noise, 8)       # of images in [0, 1]
        method = plug_and_play_half_quadratic(f, DenoiserPrior(network), space, noise_levels)
        x, _ = solve(method, x0, 8)

    It is :func:`jaxrecon.solvers.half_quadratic_splitting` with the penalties weight / sigma_k^2.
    The schedule is finite and no convergence is claimed; with one level, and an averaged D and a
    convex f, it converges to a fixed point.

    Args:
        f: fidelity in units of its noise variance (``LeastSquares(A, m, 1 / noise**2)``), with a
            prox.
        prior: g.
        space: of the image, ``struct((64, 64))``.
        noise_levels: (K,) sigma_k, traced, > 0, from large to small; the last one from then on.
        weight: of the prior, traced, > 0; 0.19 to 0.55 in the source.

    Raises:
        ValueError: levels or a weight that are not positive, where they are known.
        TypeError: a prior that is no functional, a space that is a shape alone.

    Source: Zhang, Li, Zuo, Zhang, Van Gool and Timofte 2022, doi:10.1109/TPAMI.2021.3088914.
    """
    what = "plug_and_play_half_quadratic"
    if not isinstance(prior, Functional):
        raise TypeError(
            f"{what} expected a functional with a prox as prior, got {type(prior).__name__}. For a "
            "network pass DenoiserPrior(network)."
        )
    if not all(hasattr(leaf, "dtype") for leaf in jax.tree.leaves(space)):
        raise TypeError(f"{what} expected space = struct(shape, dtype), got {space}.")
    check_positive(noise_levels, what=what, argument="noise_levels")
    check_positive(weight, what=what, argument="weight")
    identity = Identity(space)
    levels = jnp.asarray(noise_levels, real_dtype(identity.domain.dtype))
    return half_quadratic_splitting(weight * prior, f, identity, weight / levels**2)
