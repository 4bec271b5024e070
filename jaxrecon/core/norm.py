"""The norm of a linear operator, from which step sizes follow."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import norm, scaled


def operator_norm(
    operator: LinearOperator, iterations: int = 32, key: jax.Array | None = None
) -> jax.Array:
    r"""||A||, the largest singular value, by the power method on A^H A.

    v <- A^H A v / ||A^H A v||, then ||A v||. The estimate comes from below: after k iterations the
    relative error is about log(n) / (4 k) at worst, and decays like (s_2 / s_1)^(4 k) where the two
    largest singular values differ. It works inside jit and vmap; its derivative in the operator's
    parameters is that of ||A v|| at the singular vector v, which is exact once v has converged.

    Args:
        operator: A, real or complex, on arrays or pytrees.
        iterations: static number of applications of A^H A.
        key: JAX key of the random start; a fixed one unless given.

    Returns:
        A real scalar in the precision of the domain.

    Raises:
        ValueError: iterations is not a positive whole number.

    Source: Kuczynski and Wozniakowski 1992, doi:10.1137/0613066.
    """
    iterations = check_positive_int(iterations, what="operator_norm", argument="iterations")
    return _operator_norm(operator, jax.random.key(0) if key is None else key, iterations)


@partial(jax.jit, static_argnums=2)
def _operator_norm(operator: LinearOperator, key: jax.Array, iterations: int) -> jax.Array:
    leaves, tree = jax.tree.flatten(operator.domain)
    keys = jax.random.split(key, len(leaves))
    draws = [jax.random.normal(k, s.shape, s.dtype) for k, s in zip(keys, leaves, strict=True)]
    frozen = jax.lax.stop_gradient(operator)

    def improve(v: Any, _: None) -> tuple[Any, None]:
        return _unit(frozen.normal(v)), None

    v, _ = jax.lax.scan(improve, _unit(jax.tree.unflatten(tree, draws)), None, iterations)
    return norm(operator.apply(v))


def _unit(v: Any) -> Any:
    size = norm(v)
    return scaled(1 / jnp.where(size > 0, size, 1), v)
