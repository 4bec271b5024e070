"""What holds for every functional of the tables."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.core.checks import real_dtype, struct_of
from jaxrecon.core.operator import conj
from jaxrecon.core.vectors import add_scaled, inner, scaled, subtract
from jaxrecon.testing import assert_gradient, assert_prox, random_element
from tests.laws.cases import (
    FunctionalCase,
    collect,
    lowers_for_accelerators,
    quick_jit,
    variants_slowly,
)

CASES = collect("FUNCTIONALS")
compiling = pytest.mark.parametrize("case", variants_slowly(CASES))
with_prox = pytest.mark.parametrize(
    "case", [c for c in CASES if c.has_prox], ids=lambda case: case.name
)


def _maps(case: FunctionalCase) -> dict[str, Any]:
    """Every map that the functional has, as functions (f, x, v, step)."""
    maps: dict[str, Any] = {"value": lambda f, x, v, step: f(x)}
    if case.has_grad:
        maps["grad"] = lambda f, x, v, step: f.grad(x)
    if case.has_prox:
        maps["prox"] = lambda f, x, v, step: f.prox(v, step)
        maps["conj_prox"] = lambda f, x, v, step: f.conj_prox(v, step)
    if case.has_prox and case.has_conjugate:
        maps["conjugate"] = lambda f, x, v, step: f.conjugate(f.conj_prox(v, step))
    return maps


def _apply(case: FunctionalCase) -> Any:
    maps = _maps(case)
    return lambda f, x, v, step: {name: each(f, x, v, step) for name, each in maps.items()}


def _point(case: FunctionalCase, dtype: Any, seed: int = 1) -> tuple:
    f, x = case.make(dtype)
    v = random_element(jax.random.key(seed), struct_of(x))
    return f, x, v, jnp.asarray(0.7, dtype)


def _assert_close(got: Any, expected: Any, tolerance: float) -> None:
    assert struct_of(got) == struct_of(expected)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@compiling
def test_jit_vmap_and_eager_agree_and_a_fresh_object_does_not_recompile(
    case: FunctionalCase,
) -> None:
    with jax.enable_x64(True):
        apply, traces = _apply(case), []

        @quick_jit
        def compiled(*arguments: Any) -> Any:
            traces.append(1)
            return apply(*arguments)

        arguments = _point(case, jnp.float64)
        first = compiled(*arguments)
        _assert_close(first, apply(*arguments), 1e-12)
        second = _point(case, jnp.float64, seed=2)
        loop = first, compiled(*second)
        assert len(traces) == 1, "a fresh object of the same kind compiled again"

        f, x, v, step = arguments
        both = jax.tree.map(lambda a, b: jnp.stack([a, b]), v, second[2])
        batch = quick_jit(jax.vmap(apply, (None, None, 0, None)))(f, x, both, step)
        for i, one in enumerate(loop):
            _assert_close(jax.tree.map(lambda a, i=i: a[i], batch), one, 1e-12)


@compiling
def test_precision_of_the_input_is_kept(case: FunctionalCase) -> None:
    with jax.enable_x64(True):  # where a stray float64 would show
        f, x, v, step = _point(case, jnp.float32)
        for strange in (step, 0.7, jnp.asarray(0.7, jnp.float64)):
            out = jax.eval_shape(_apply(case), f, x, v, strange)
            for name, got in out.items():
                if name in ("value", "conjugate"):
                    assert got == jax.eval_shape(lambda: jnp.zeros((), real_dtype(_dtype(x)))), name
                else:
                    assert got == struct_of(x), name


def _dtype(x: Any) -> Any:
    return jax.tree.leaves(x)[0].dtype


@compiling
def test_lowers_for_accelerators(case: FunctionalCase) -> None:
    lowers_for_accelerators(_apply(case), *_point(case, jnp.float32))


@pytest.mark.parametrize("case", [c for c in CASES if c.has_grad], ids=lambda case: case.name)
def test_gradient_equals_finite_differences(case: FunctionalCase) -> None:
    with jax.enable_x64(True):
        assert_gradient(*case.make(jnp.float64))


@with_prox
def test_prox_minimises_is_firm_and_obeys_moreau(case: FunctionalCase) -> None:
    with jax.enable_x64(True):
        f, _, v, _ = _point(case, jnp.float64)
        assert_prox(f, scaled(2, v), 0.6, convex=case.convex)


@pytest.mark.parametrize("case", variants_slowly([c for c in CASES if c.has_prox]))
def test_prox_has_finite_derivatives_everywhere(case: FunctionalCase) -> None:
    with jax.enable_x64(True):
        f, x, v, step = _point(case, jnp.float64)
        points = jax.tree.map(lambda a, b: jnp.stack([a, 0 * a, b]), v, x)

        @quick_jit
        @jax.vmap
        def derivatives(at: Any) -> tuple:
            def total(w: Any, s: Any) -> Any:
                return inner(v, f.prox(w, s)) + inner(v, f.conj_prox(w, s))

            return jax.grad(total, (0, 1))(at, step), jax.jvp(total, (at, step), (v, step))[1]

        (backward, by_step), forward = derivatives(points)
        assert all(bool(jnp.all(jnp.isfinite(g))) for g in jax.tree.leaves((backward, by_step)))
        slopes = jax.vmap(lambda g: inner(v, conj(g)))(backward) + step * by_step
        np.testing.assert_allclose(forward, slopes, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.has_prox and c.has_conjugate], ids=lambda case: case.name
)
def test_fenchel_young(case: FunctionalCase) -> None:
    """f(x) + f*(y) >= Re<x, y>, with equality at x = prox(v), y = (v - x) / s."""
    with jax.enable_x64(True):
        f, x, v, step = _point(case, jnp.float64)
        p = f.prox(v, step)
        y = scaled(1 / step, subtract(v, p))
        dual = f.conj_prox(scaled(1 / step, v), 1 / step)
        _assert_close(dual, y, 1e-12)
        total = f(p) + f.conjugate(dual)
        assert np.isfinite(total)
        np.testing.assert_allclose(total, inner(p, dual), rtol=1e-10, atol=1e-10)
        for seed in range(5):
            w = random_element(jax.random.key(10 + seed), struct_of(x))
            other = f.conj_prox(add_scaled(dual, 1.0, w), step)
            assert f(x) + f.conjugate(other) >= inner(x, other) - 1e-10
