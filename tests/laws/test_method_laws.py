"""What holds for every iterative method of the tables."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve, struct
from jaxrecon.core.checks import struct_of
from jaxrecon.core.vectors import inner, norm, subtract
from tests.laws.cases import (
    MethodCase,
    collect,
    lowers_for_accelerators,
    quick_jit,
    variants_slowly,
)

CASES = collect("METHODS")
FEW = 6
"""steps where not convergence but agreement is tested"""


def _each(cases: list) -> Any:
    """All laws of a case in a row, so that what it compiled and made is at hand."""
    ids = [case.name for case in CASES]
    return pytest.mark.parametrize("case", cases, ids=ids, scope="module")


each = _each(CASES)
compiling = _each(variants_slowly(CASES))


@lru_cache(maxsize=2)
def _made(case: MethodCase) -> tuple:
    return case.make(jnp.float64)


def _spaces(case: MethodCase) -> tuple:
    """Method and start in single precision as shapes and dtypes, for which nothing compiles."""
    return jax.eval_shape(lambda: case.make(jnp.float32)[:2])


def _run(method: Any, x0: Any) -> Any:
    return solve(method, x0, FEW)[0]


def _is_inexact(leaf: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)


def _widened(leaf: Any) -> Any:
    return struct((), jnp.float64) if _is_inexact(leaf) and jnp.ndim(leaf) == 0 else leaf


def _assert_close(got: Any, expected: Any, tolerance: float = 1e-11) -> None:
    assert struct_of(got) == struct_of(expected)
    size = norm(expected)
    assert norm(subtract(got, expected)) <= tolerance * size


@each
def test_converges_to_the_minimiser(case: MethodCase) -> None:
    with jax.enable_x64(True):
        method, x0, minimiser = _made(case)
        got = quick_jit(lambda m, x: solve(m, x, case.iterations)[0])(method, x0)
        error = float(norm(subtract(got, minimiser)) / norm(minimiser))
        assert error <= case.tolerance, f"relative error {error:.1e}"


@compiling
def test_jit_vmap_and_eager_agree_and_a_fresh_method_does_not_recompile(case: MethodCase) -> None:
    """vmap over everything: operators, data, step sizes and starts of two different problems."""
    with jax.enable_x64(True):
        traces = []

        @quick_jit
        def compiled(method: Any, x0: Any) -> Any:
            traces.append(1)
            return _run(method, x0)

        method, x0, _ = _made(case)
        first = compiled(method, x0)
        _assert_close(first, _run(method, x0))
        fresh, _, _ = case.make(jnp.float64)
        other = jax.tree.map(lambda a: 0.99 * a if _is_inexact(a) else a, fresh)
        second = compiled(other, 1.1 * x0)
        assert len(traces) == 1, "a fresh method of the same kind compiled again"
        assert norm(subtract(first, second)) > 0

        both = jax.tree.map(lambda a, b: jnp.stack([a, b]), (method, x0), (other, 1.1 * x0))
        batch = quick_jit(jax.vmap(_run))(*both)
        for i, one in enumerate((first, second)):
            _assert_close(jax.tree.map(lambda a, i=i: a[i], batch), one)


@compiling
def test_derivatives_of_the_solution_equal_finite_differences(case: MethodCase) -> None:
    """In operators, data, weights, step sizes and the start at once, forward and reverse."""
    with jax.enable_x64(True):
        method, x0, _ = _made(case)
        everything, tree = jax.tree.flatten((method, x0))
        moving = [i for i, a in enumerate(everything) if _is_inexact(a)]  # not keys and counts
        leaves = [jnp.asarray(everything[i]) for i in moving]
        rng = np.random.default_rng(0)
        cotangent = _draw(rng, x0)
        directions = [_draw(rng, a) * jnp.abs(a) for a in leaves]

        def measured(*some: Any) -> Any:
            moved = dict(zip(moving, some, strict=True))
            method, x0 = tree.unflatten([moved.get(i, a) for i, a in enumerate(everything)])
            return inner(cotangent, _run(method, x0))

        @quick_jit
        def slopes(at: list, along: list) -> tuple:
            value, slope = jax.linearize(measured, *at)
            forward, gradients = slope(*along), jax.linear_transpose(slope, *at)(1.0)
            reverse = sum(jnp.sum((g * d).real) for g, d in zip(gradients, along, strict=True))
            return value, forward, reverse

        _, forward, reverse = slopes(leaves, directions)
        h = 1e-6
        up, down = (
            slopes([a + e * d for a, d in zip(leaves, directions, strict=True)], directions)[0]
            for e in (h, -h)
        )
        np.testing.assert_allclose(reverse, forward, rtol=1e-9)
        np.testing.assert_allclose(forward, (up - down) / (2 * h), rtol=1e-6)


def _draw(rng: Any, like: Any) -> Any:
    x = rng.standard_normal(like.shape)
    if jnp.iscomplexobj(like):
        x = x + 1j * rng.standard_normal(like.shape)
    return jnp.asarray(x, like.dtype)


@compiling
def test_precision_of_the_input_is_kept(case: MethodCase) -> None:
    with jax.enable_x64(True):  # where a stray float64 would show
        method, x0 = _spaces(case)
        assert jax.eval_shape(_run, method, x0) == struct_of(x0)
        floats = [a for a in jax.tree.leaves(method) if hasattr(a, "shape") and jnp.ndim(a) > 0]
        assert all(jnp.finfo(a.dtype).bits == 32 for a in floats)
        wide = jax.tree.map(_widened, method)
        assert jax.eval_shape(_run, wide, x0) == struct_of(x0)


@compiling
def test_lowers_for_accelerators(case: MethodCase) -> None:
    lowers_for_accelerators(_run, *_spaces(case))
