"""Lipschitz constants of networks: the norm of the Jacobian at images, and a penalty on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import iterate
from jaxrecon.core.checks import check_inexact, check_real


def jacobian_norm(
    function: Callable, x: jax.Array, *, iterations: int = 20, key: jax.Array | None = None
) -> jax.Array:
    r"""||J_i||, largest singular value of the Jacobian of each image's map, by the power method.

    v <- J^T J v / ||J^T J v||, then ||J v||: one forward and one reverse derivative an iteration.
    It is an estimate from below of the Jacobian's norm at x; the largest over many x estimates,
    from below, the Lipschitz constant of the function. It is differentiable in what the function
    holds, with v held fixed, which is exact once v has converged.

    Args:
        function: (batch, ...) -> (batch, ...), each item from the one at its place alone.
        x: (batch, ...), real, where; complex images as two channels.
        iterations: static number of applications of J^T J.
        key: JAX key of the random start; a fixed one unless given.

    Returns:
        (batch,) norms.

    Raises:
        TypeError: complex or integer x.
    """
    check_real(x, what="jacobian_norm", argument="x")
    check_inexact(x, what="jacobian_norm", argument="x")
    start = jax.random.normal(jax.random.key(0) if key is None else key, x.shape, x.dtype)
    _, frozen = jax.linearize(function, jax.lax.stop_gradient(x))
    transposed = jax.linear_transpose(frozen, x)

    def improve(v: Any) -> Any:
        return _unit(*transposed(frozen(v)))

    v, _ = iterate(improve, _unit(start), iterations)
    _, along = jax.jvp(function, (x,), (jax.lax.stop_gradient(v),))
    return _norms(along)


def lipschitz_penalty(
    function: Callable, x: jax.Array, limit: float = 0.9, **options: Any
) -> jax.Array:
    r"""mean_i max(||J_i|| - limit, 0): add a multiple of it to a loss to keep a map contractive.

    For a gradient-step denoiser D = I - grad g take the function grad g: its Jacobian is the
    Hessian of g, and a limit below 1 makes D the prox of some function (Hurault et al. 2022).

    Args:
        function, x, options: as in :func:`jacobian_norm`; x best between clean and denoised images.
        limit: norm up to which nothing is paid.

    Source: Pesquet et al. 2021, doi:10.1137/20M1387961.
    """
    return jnp.mean(jnp.maximum(jacobian_norm(function, x, **options) - limit, 0))


def _norms(v: jax.Array) -> jax.Array:
    squares = jnp.sum(v**2, axis=tuple(range(1, v.ndim)))
    return jnp.sqrt(jnp.where(squares > 0, squares, 1)) * (squares > 0)


def _unit(v: jax.Array) -> jax.Array:
    size = _norms(v).reshape(-1, *(1,) * (v.ndim - 1))
    return v / jnp.where(size > 0, size, 1)
