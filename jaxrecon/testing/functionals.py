"""The laws of functionals: the gradient is the gradient, and the prox minimises."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from jaxrecon.core.checks import struct_of
from jaxrecon.core.operator import conj
from jaxrecon.testing.elements import (
    assert_in_space,
    by_precision,
    difference,
    double,
    epsilon,
    generator_of,
    largest,
    name_of,
    norm,
    normal,
    on_host,
    tiny,
    vdot,
)


def assert_gradient(
    functional: Any,
    x: Any,
    *,
    key: Any = None,
    directions: int = 3,
    spacing: float | None = None,
    tolerance: float | None = None,
) -> None:
    r"""Assert that grad f(x) is the gradient: Re<grad f(x), d> = lim (f(x+hd) - f(x-hd)) / 2h.

    Measures the difference from central differences along the gradient itself and along random
    directions d, relative to \|grad f(x)\| \|d\|, and the difference from automatic
    differentiation of f, relative to \|grad f(x)\|. Complex x: directions are complex, and the
    gradient is the direction of steepest ascent (the conjugate of what ``jax.grad`` returns).

    Args:
        functional: f, a Functional, or any function; without a method `grad`, the conjugate of
            its ``jax.grad`` is measured.
        x: point where f is finite and differentiable, with room around it.
        key: JAX key; key(0) when not given.
        directions: number of random directions.
        spacing: largest entry of h d; the cube root of the precision times the largest entry of x
            when not given.
        tolerance: relative. When not given: for finite differences 5e-3 in single and 1e-7 in
            double precision, for automatic differentiation 1e-4 and 1e-10.

    Raises:
        AssertionError: the measured error exceeds the tolerance, or the gradient is not finite or
            has another shape or dtype than x.
    """
    space, name = struct_of(x), name_of(functional)
    has_grad = hasattr(functional, "grad")

    @jax.jit
    def measure(z: Any) -> Any:
        automatic = conj(jax.grad(lambda w: functional(w))(z))
        return functional.grad(z) if has_grad else automatic, automatic

    gradient, automatic = measure(x)
    assert_in_space(gradient, space, f"{name}: the gradient")
    gradient, automatic, point = on_host(gradient), on_host(automatic), on_host(x)
    size = norm(gradient)
    assert np.isfinite(size), f"{name}: the gradient at x is not finite."
    allowed = by_precision(tolerance, space, 1e-4, 1e-10)
    error = norm(difference(gradient, automatic)) / max(size, tiny(space))
    assert error <= allowed, (
        f"{name}: grad(x) differs from automatic differentiation of f by {error:.2e}, relative, "
        f"allowed {allowed:.0e}. For complex x the gradient is the conjugate of jax.grad."
    )
    allowed = by_precision(tolerance, space, 5e-3, 1e-7)
    h = epsilon(space) ** (1 / 3) * (largest(x) or 1.0) if spacing is None else spacing
    value = jax.jit(lambda z: functional(z))
    generator = generator_of(key)
    random = [jax.tree.map(lambda s: normal(generator, s), space) for _ in range(directions)]
    for i, d in enumerate([gradient, *random]):
        scale = h / (largest(d) or 1.0)
        d = jax.tree.map(lambda a, c=scale: (c * a).astype(a.dtype), d)
        up, down = (
            float(value(jax.tree.map(lambda a, b, s=sign: a + s * b, point, d))) for sign in (1, -1)
        )
        measured, expected = (up - down) / 2, vdot(gradient, d).real
        error = abs(measured - expected) / max(size * norm(d), tiny(space))
        along = f"random direction {i}" if i else "the direction of the gradient"
        assert error <= allowed, (
            f"{name}: along {along}, finite differences give {measured:.8g} and Re<grad f(x), d> "
            f"is {expected:.8g}: error {error:.2e} relative to |grad f||d|, allowed {allowed:.0e}."
        )


def assert_prox(
    functional: Any,
    v: Any,
    step: Any = 1.0,
    *,
    key: Any = None,
    tolerance: float | None = None,
    convex: bool = True,
) -> None:
    r"""Assert that p = prox(v, step) minimises F(x) = f(x) + \|x - v\|^2 / (2 step).

    - F is finite at p, and no point tried has a smaller value: points between p, v and 0, the
      proxes of points around v (they lie in the domain of f, also if that is thin), and a random
      search from p with shrinking radius, dense and along single entries. As F grows like
      \|x - p\|^2 / (2 step), a tolerance t finds errors of p above about sqrt(t). It is meant for
      small v (tens of entries), where the search is thorough.
    - If f is convex, prox is firmly non-expansive, \|p - q\|^2 <= Re<p - q, v - w>, and conj_prox
      satisfies Moreau's identity, conj_prox(v, s) = v - s prox(v / s, 1 / s).

    Args:
        functional: Functional, or any callable with `prox` (and `conj_prox`).
        v: array or pytree, real or complex.
        step: positive scalar.
        key: JAX key; key(0) when not given.
        tolerance: relative to \|F(p)\| + \|p\|^2 / (2 step) and to norms; 1e-6 in single and 1e-10
            in double precision when not given (firm non-expansiveness and Moreau: ten times it).
        convex: False leaves out the two laws of convex functions.

    Raises:
        AssertionError: one of these does not hold, with the figures.
    """
    space, name, step = struct_of(v), name_of(functional), float(step)
    tolerance = by_precision(tolerance, space, 1e-6, 1e-10)
    generator, v = generator_of(key), on_host(v)

    prox_all = jax.jit(jax.vmap(lambda w: functional.prox(w, step)))
    value_all = jax.jit(jax.vmap(lambda x: functional(x)))

    def values(x: Any) -> np.ndarray:
        pairs = zip(jax.tree.leaves(x), jax.tree.leaves(v), strict=True)
        squares = [np.abs(double(a) - double(b)) ** 2 for a, b in pairs]
        distances = sum(np.sum(s.reshape(len(s), -1), axis=1) for s in squares)
        return np.asarray(value_all(x), np.float64) + distances / (2 * step)

    size = max(largest(v), 1e-2)
    points = _changed(v, generator, np.geomspace(1e-3, 3.0, CANDIDATES) * size, single=False)
    for points_leaf, leaf in zip(jax.tree.leaves(points), jax.tree.leaves(v), strict=True):
        points_leaf[0] = leaf
    proxes = prox_all(points)
    p = _item(proxes, 0)
    assert_in_space(p, space, f"{name}: the output of prox")
    proxes = on_host(proxes)
    p = _item(proxes, 0)
    value = float(values(_repeated(p))[0])
    assert np.isfinite(value), (
        f"{name}: f(p) + |p - v|^2 / (2 step) at p = prox(v, step) is {value}."
    )

    fractions = np.linspace(0, 1, CANDIDATES)
    lines = [_line(p, v, fractions), _line(p, jax.tree.map(np.zeros_like, p), fractions)]
    found = (value, p)
    for candidates in [*lines, proxes]:
        found = _smaller(values, candidates, found)
    best, where = _search(values, found, generator, max(largest(p), size))
    gain = (value - best) / (abs(value) + norm(p) ** 2 / (2 * step) + tiny(space))
    assert gain <= tolerance, (
        f"{name}: prox(v, step) is not the minimiser of F(x) = f(x) + |x - v|^2 / (2 step). F is "
        f"{value:.8g} there, and {best:.8g} at distance {norm(difference(where, p)):.2e} from it: "
        f"smaller by {gain:.2e}, relative, allowed {tolerance:.0e}."
    )
    if convex:
        _assert_firm(name, points, proxes, 10 * tolerance)
        _assert_moreau(name, functional, v, step, 10 * tolerance)


CANDIDATES = 128  # at a time: one shape, so that f is compiled once


def _smaller(values: Any, candidates: Any, found: tuple) -> tuple:
    measured = values(candidates)
    i = int(np.argmin(np.where(np.isnan(measured), np.inf, measured)))
    return (float(measured[i]), _item(candidates, i)) if measured[i] < found[0] else found


def _search(values: Any, found: tuple, generator: np.random.Generator, size: float) -> tuple:
    """Random search around the best point, with radii that shrink from the size of the data."""
    for radius in np.geomspace(1.0, 1e-6, 19):
        for single in (False, True):
            radii = np.full(CANDIDATES, radius * size)
            candidates = _changed(found[1], generator, radii, single=single)
            found = _smaller(values, candidates, found)
    return found


def _changed(x: Any, generator: np.random.Generator, radii: np.ndarray, *, single: bool) -> Any:
    """Copies of x with random changes of the given sizes, in all entries or in one each."""

    def change(a: np.ndarray) -> np.ndarray:
        d = normal(generator, jax.ShapeDtypeStruct((len(radii), a.size), a.dtype))
        if single:
            d = np.where(
                np.arange(a.size) == generator.integers(a.size, size=len(radii))[:, None], d, 0
            )
        return (a.reshape(-1) + radii[:, None] * d).astype(a.dtype).reshape(len(radii), *a.shape)

    return jax.tree.map(change, x)


def _line(p: Any, q: Any, fractions: np.ndarray) -> Any:
    points = [
        jax.tree.map(lambda a, b, t=t: (a + t * (b - a)).astype(a.dtype), p, q) for t in fractions
    ]
    return jax.tree.map(lambda *a: np.stack(a), *points)


def _repeated(x: Any) -> Any:
    return jax.tree.map(lambda a: np.broadcast_to(a, (CANDIDATES, *a.shape)), x)


def _item(batch: Any, i: int) -> Any:
    return jax.tree.map(lambda a: a[i], batch)


def _assert_firm(name: str, points: Any, proxes: Any, tolerance: float) -> None:
    v, p = _item(points, 0), _item(proxes, 0)
    for i in range(1, CANDIDATES):
        dp, dv = difference(_item(proxes, i), p), difference(_item(points, i), v)
        left, right = norm(dp) ** 2, vdot(dp, dv).real
        # the rounding of p, q, v and w, relative to their own size, enters in proportion to |v - w|
        allowed = tolerance * (norm(p) + norm(v) + norm(dv)) * norm(dv)
        assert left <= right + allowed, (
            f"{name}: prox is not firmly non-expansive: |p - q|^2 = {left:.8g} exceeds "
            f"Re<p - q, v - w> = {right:.8g}, for |v - w| = {norm(dv):.2e}."
        )


def _assert_moreau(name: str, functional: Any, v: Any, step: float, tolerance: float) -> None:
    if not hasattr(functional, "conj_prox"):
        return
    measured = functional.conj_prox(v, step)
    prox = functional.prox(jax.tree.map(lambda a: a / step, v), 1 / step)
    expected = jax.tree.map(lambda a, b: double(a) - step * double(b), v, prox)
    scale = norm(v) + step * norm(prox)
    error = norm(difference(measured, expected)) / max(scale, np.finfo(np.float64).tiny)
    assert error <= tolerance, (
        f"{name}: conj_prox(v, s) differs from v - s prox(v / s, 1 / s) by {error:.2e}, relative, "
        f"allowed {tolerance:.0e}."
    )
