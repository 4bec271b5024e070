"""Checks of step sizes against the condition under which their method converges."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import Space, struct_of
from jaxrecon.core.functional import Functional
from jaxrecon.core.normal_equations import ratio, weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import inner, norm, scaled

TOLERANCE = 1.01
"""Step sizes come from operator norms, which are estimates."""

ITERATIONS = 8
"""Applications of the Hessian for a check: it is to find gross errors."""


def checked_step_size(f: Functional, step_size: Any, limit: float, *, what: str) -> Any:
    """The step size s of the caller, or 1/L when None; limit is that of s L.

    Raises:
        ValueError: a concrete step size that is not positive, or so large for a quadratic f that
            s times an eigenvalue of its Hessian exceeds the limit (by more than 1 %). That
            eigenvalue is a Rayleigh quotient, so the error is certain; a step size that is only a
            little too large may pass. Other f, and traced values, are not checked.
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
    """
    if step_size is None:
        return 1 / f.lipschitz()
    check_positive(step_size, what=what, argument="step_size")
    space = _domain(f)
    if space is None or not is_quadratic(f, space) or not is_concrete(f, step_size):
        return step_size
    product = largest_product(f, step_size, space, ITERATIONS)
    if not isinstance(product, Tracer) and product > TOLERANCE * limit:
        values = np.concatenate([np.ravel(s) for s in jax.tree.leaves(step_size)])
        size = f"{values[0]:.3g}" if values.size == 1 else f"up to {values.max():.3g}"
        advice = "" if values.size > 1 else f" It allows at most {limit * values[0] / product:.3g}."
        raise ValueError(
            f"{what} expected a step size s with s L <= {limit:g}, L the Lipschitz constant of "
            f"grad f, or it may diverge; got s = {size}, where s L is at least {product:.4g}."
            f"{advice} Leave step_size out for 1/L."
        )
    return step_size


def check_positive(value: Any, *, what: str, argument: str) -> None:
    """Raise ValueError unless all concrete values are positive and finite."""
    for leaf in jax.tree.leaves(value):
        if not isinstance(leaf, Tracer):
            array = np.asarray(leaf)
            if not np.all((array > 0) & np.isfinite(array)):
                raise ValueError(f"{what} expected {argument} > 0 and finite, got {leaf}.")


def is_quadratic(f: Functional, like: Any) -> bool:
    """Whether f has a Hessian that does not depend on x; by abstract evaluation."""
    try:
        jax.eval_shape(lambda term, x: term.hessian(x), f, like)
    except NotImplementedError:
        return False
    return True


def is_concrete(*trees: Any) -> bool:
    """Whether no leaf is traced."""
    return not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(trees))


def _domain(f: Any) -> Space | None:
    """The space of x where f tells: by its operator, its data, or the term that it wraps."""
    operator = getattr(f, "operator", None)
    if isinstance(operator, LinearOperator):
        return operator.domain
    if getattr(f, "data", None) is not None:
        return struct_of(f.data)
    inside = (*getattr(f, "terms", ()), getattr(f, "functional", None))
    spaces = [_domain(term) for term in inside if isinstance(term, Functional)]
    return next((space for space in spaces if space is not None), None)


@partial(jax.jit, static_argnums=(2, 3))
def largest_product(f: Functional, step_size: Any, space: Space, iterations: int) -> jax.Array:
    """The largest eigenvalue of S H, H the Hessian of f and S the step sizes; from below."""

    def hessian(v: Any) -> Any:
        return f.hessian(v)

    return largest_eigenvalue(hessian, lambda v: weigh(step_size, v), space, iterations)


def largest_eigenvalue(apply: Any, precondition: Any, space: Space, iterations: int) -> jax.Array:
    r"""The largest eigenvalue of P M, for Hermitian M >= 0 and P > 0, by the power method.

    The estimate is the Rayleigh quotient <M v, P M v> / <v, M v> of M^(1/2) P M^(1/2), so that it
    comes from below.
    """
    leaves, tree = jax.tree.flatten(space)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    draws = [jax.random.normal(k, s.shape, s.dtype) for k, s in zip(keys, leaves, strict=True)]

    def improve(v: Any, _: None) -> tuple[Any, None]:
        moved = precondition(apply(v))
        size = norm(moved)
        return scaled(1 / jnp.where(size > 0, size, 1), moved), None

    v, _ = jax.lax.scan(improve, jax.tree.unflatten(tree, draws), None, iterations)
    slope = apply(v)
    return ratio(inner(slope, precondition(slope)), inner(v, slope))
