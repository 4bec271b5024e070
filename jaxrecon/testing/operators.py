"""The laws of linear operators: the adjoint matches, and the map is linear."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxrecon.core.checks import is_complex
from jaxrecon.core.operator import LinearOperator
from jaxrecon.testing.elements import (
    assert_in_space,
    by_precision,
    generator_of,
    name_of,
    norm,
    random_element,
    vdot,
)

TINY = np.finfo(np.float64).tiny


def assert_adjoint(operator: Any, *, key: Any = None, tolerance: float | None = None) -> None:
    r"""Assert that <A x, y> = <x, A^H y>, the dot test.

    Measures \|<A x, y> - <x, A^H y>\| / (\|A x\| \|y\|) for normal and for non-negative random
    vectors; the latter find errors that average out in the former. Sums are made in double
    precision. Where one side is real and the other complex, the real part of the inner product
    is meant.

    Args:
        operator: LinearOperator, or any object with `domain`, `codomain`, `apply` and `adjoint`.
        key: JAX key; key(0) when not given.
        tolerance: relative; 1e-5 in single and 1e-12 in double precision when not given.

    Raises:
        AssertionError: the measured error exceeds the tolerance, or an output lies outside of the
            codomain or the domain.
    """
    tolerance = by_precision(tolerance, operator.domain, 1e-5, 1e-12)
    apply, adjoint = _compiled(operator)
    generator = generator_of(key)
    for kind, nonnegative in (("normal", False), ("non-negative", True)):
        x = random_element(generator, operator.domain, nonnegative=nonnegative)
        y = random_element(generator, operator.codomain, nonnegative=nonnegative)
        forward, backward = apply(x), adjoint(y)
        assert_in_space(forward, operator.codomain, f"{name_of(operator)}: the output of apply")
        assert_in_space(backward, operator.domain, f"{name_of(operator)}: the output of adjoint")
        left, right = vdot(forward, y), vdot(x, backward)
        if len({is_complex(s.dtype) for s in _spaces(operator)}) > 1:
            left, right = left.real, right.real
        error = abs(left - right) / max(norm(forward) * norm(y), TINY)
        assert error <= tolerance, (
            f"{name_of(operator)}: apply and adjoint do not match on {kind} vectors. "
            f"<A x, y> = {left:.8g}, <x, A^H y> = {right:.8g}: error {error:.2e} relative to "
            f"|A x||y|, allowed {tolerance:.0e}."
        )


def assert_linear(operator: Any, *, key: Any = None, tolerance: float | None = None) -> None:
    r"""Assert that A(a x + b y) = a A x + b A y.

    Measures the norm of the difference relative to \|a\| \|A x\| + \|b\| \|A y\|. The scalars are
    complex where domain and codomain are, so that a conjugation is found.

    Args:
        operator: LinearOperator, or any object with `domain`, `codomain` and `apply`.
        key: JAX key; key(0) when not given.
        tolerance: relative; 1e-5 in single and 1e-12 in double precision when not given.

    Raises:
        AssertionError: the measured error exceeds the tolerance.
    """
    tolerance = by_precision(tolerance, operator.domain, 1e-5, 1e-12)
    apply, _ = _compiled(operator)
    generator = generator_of(key)
    x, y = (random_element(generator, operator.domain) for _ in range(2))
    both_complex = all(is_complex(s.dtype) for s in _spaces(operator))
    a, b = (0.75 - 0.5j, -1.5 + 1.25j) if both_complex else (0.75, -1.5)

    def combine(u: Any, v: Any) -> Any:
        return jax.tree.map(lambda p, q: a * p + b * q, u, v)

    ax, ay = apply(x), apply(y)
    defect = jax.tree.map(lambda p, q: p - q, apply(combine(x, y)), combine(ax, ay))
    error = norm(defect) / max(abs(a) * norm(ax) + abs(b) * norm(ay), TINY)
    assert error <= tolerance, (
        f"{name_of(operator)} is not linear: A(a x + b y) differs from a A x + b A y for a = {a}, "
        f"b = {b} by {error:.2e}, relative, allowed {tolerance:.0e}."
    )


def _spaces(operator: Any) -> list:
    return jax.tree.leaves((operator.domain, operator.codomain))


@jax.jit
def _apply(operator: Any, x: Any) -> Any:
    return operator.apply(x)


@jax.jit
def _adjoint(operator: Any, y: Any) -> Any:
    return operator.adjoint(y)


def _compiled(operator: Any) -> tuple[Callable, Callable]:
    """apply and adjoint, compiled where the operator can be an argument of jit."""
    if isinstance(operator, LinearOperator):
        return partial(_apply, operator), partial(_adjoint, operator)
    return operator.apply, operator.adjoint
