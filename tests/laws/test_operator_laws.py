"""The laws of linear operators, over all tables.

Few compilations an operator (compiling is what costs): apply and adjoint once in each precision,
on all the elements in turn; everything derived from them once, in float64.
"""

import importlib
import pkgutil
from collections import Counter
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxrecon
from jaxrecon import LinearOperator
from jaxrecon.core.checks import is_complex, struct_of
from jaxrecon.core.operator import conj
from jaxrecon.testing.elements import difference, norm, normal, on_host, vdot
from tests.laws.cases import (
    OperatorCase,
    collect,
    lowers_for_accelerators,
    quick_jit,
    variants_slowly,
)

CASES = {case.name: case for case in collect("OPERATORS")}
IN_FLOAT32 = {name: case.make(jnp.float32) for name, case in CASES.items()}
PRECISIONS = {"float32": jnp.float32, "float64": jnp.float64}
SPACING = 1e-5  # of the finite differences in the parameters

traces = Counter()


@quick_jit
def apply_in_turn(operator, xs):
    traces["apply"] += 1
    return jax.lax.map(operator.apply, xs)


@quick_jit
def adjoint_in_turn(operator, ys):
    traces["adjoint"] += 1
    return jax.lax.map(operator.adjoint, ys)


@quick_jit
def derived(operator, x, u, y, v, xs, ys) -> dict:
    """What the derivatives, vmap and the shortcut of A^H A give."""
    apply, adjoint = operator.apply, operator.adjoint
    return {
        "normal": operator.normal(x),
        "jvp": jax.jvp(apply, (x,), (u,))[1],
        "vjp": conj(jax.vjp(apply, x)[1](conj(y))[0]),
        "transpose": conj(jax.linear_transpose(apply, operator.domain)(conj(y))[0]),
        "jvp_of_adjoint": jax.jvp(adjoint, (y,), (v,))[1],
        "vjp_of_adjoint": conj(jax.vjp(adjoint, y)[1](conj(x))[0]),
        "vmap": jax.vmap(apply)(xs),
        "vmap_of_adjoint": jax.vmap(adjoint)(ys),
    }


def stacked(*trees):
    return jax.tree.map(lambda *a: np.stack(a), *trees)


def item(tree, i):
    return jax.tree.map(lambda a: a[i], tree)


def combine(a, b, s, t):
    return jax.tree.map(lambda m, n: (s * m + t * n).astype(m.dtype), a, b)


def scalars(operator):
    spaces = jax.tree.leaves((operator.domain, operator.codomain))
    if all(is_complex(s.dtype) for s in spaces):
        return 0.75 - 0.5j, -1.5 + 1.25j
    return 0.75, -1.5


def draw(seed, space, nonnegative=False):
    generator = np.random.default_rng(seed)
    return jax.tree.map(lambda s: normal(generator, s, nonnegative), space)


class Measured(NamedTuple):
    """x, u random and p >= 0 in the domain, with A x, A u, A p, A (s x + t u); y, v, q likewise."""

    case: OperatorCase
    operator: LinearOperator
    spaces: tuple
    x: list
    ax: list
    y: list
    ahy: list
    tolerance: float
    traces_of_a_second_operator: int


@cache
def measured(name: str, precision: str) -> Measured:
    case, dtype = CASES[name], PRECISIONS[precision]
    with jax.enable_x64(precision == "float64"):
        operator = case.make(dtype)
        domain, codomain = operator.domain, operator.codomain
        x = [draw(1, domain), draw(2, domain), draw(3, domain, nonnegative=True)]
        y = [draw(4, codomain), draw(5, codomain), draw(6, codomain, nonnegative=True)]
        x.append(combine(x[0], x[1], *scalars(operator)))
        ax = on_host(apply_in_turn(operator, stacked(*x)))
        y.append(item(ax, 0))
        ys = stacked(*y)
        ahy = on_host(adjoint_in_turn(operator, ys))
        before = traces.total()
        second = case.make(dtype)
        apply_in_turn(second, stacked(*x))
        adjoint_in_turn(second, ys)
        again = traces.total() - before
    tolerance = case.float32_tolerance if precision == "float32" else case.float64_tolerance
    ax, ahy = ([item(tree, i) for i in range(4)] for tree in (ax, ahy))
    return Measured(case, operator, (domain, codomain), x, ax, y, ahy, tolerance, again)


def assert_close(a, b, tolerance, scale=0.0):
    scale = max(norm(a), norm(b), scale)
    error = norm(difference(a, b))
    assert error <= tolerance * scale, f"error {error:.2e} at size {scale:.2e}"


in_both_precisions = pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(name, precision, marks=[pytest.mark.slow] if rare else [])
        for name, case in CASES.items()
        for precision in PRECISIONS
        for rare in [case.variant and precision == "float32"]
    ],
)
compiling = pytest.mark.parametrize("name", variants_slowly(list(CASES.values()), lambda c: c.name))


@in_both_precisions
def test_adjoint_matches_also_on_nonnegative_vectors(name, precision):
    m = measured(name, precision)
    mixed = len({is_complex(s.dtype) for s in jax.tree.leaves(m.spaces)}) > 1
    for x, ax, y, ahy in zip(m.x[:3], m.ax[:3], m.y[:3], m.ahy[:3], strict=True):
        error = vdot(ax, y) - vdot(x, ahy)
        error = abs(error.real if mixed else error) / max(norm(ax) * norm(y), 1e-300)
        assert error <= m.tolerance, f"error {error:.2e}"


@in_both_precisions
def test_linear(name, precision):
    m = measured(name, precision)
    expected = combine(m.ax[0], m.ax[1], *scalars(m.operator))
    assert_close(m.ax[3], expected, m.tolerance, norm(m.ax[0]))


@in_both_precisions
def test_results_lie_in_the_spaces(name, precision):
    m = measured(name, precision)
    with jax.enable_x64(precision == "float64"):
        assert (struct_of(m.ahy[0]), struct_of(m.ax[0])) == m.spaces


@in_both_precisions
def test_a_fresh_equal_operator_does_not_recompile(name, precision):
    assert measured(name, precision).traces_of_a_second_operator == 0


@compiling
def test_jit_is_eager(name):
    m = measured(name, "float32")
    as_jax = [jax.tree.map(jnp.asarray, a) for a in (m.x[0], m.y[0])]
    assert_close(m.operator(as_jax[0]), m.ax[0], m.tolerance)
    assert_close(m.operator.H(as_jax[1]), m.ahy[0], m.tolerance)


@compiling
def test_derivatives_vmap_and_normal(name):
    """jvp(A) = A; vjp and transpose = conj A^H conj, and of A^H likewise; vmap = loop."""
    m = measured(name, "float64")
    with jax.enable_x64(True):
        xs, ys = stacked(*m.x), stacked(*m.y)
        got = on_host(derived(m.operator, m.x[0], m.x[1], m.y[0], m.y[1], xs, ys))
    sizes = norm(m.ahy[3]) + norm(m.ax[0]) + norm(m.ahy[0])
    expected = {
        "normal": m.ahy[3],
        "jvp": m.ax[1],
        "vjp": m.ahy[0],
        "transpose": m.ahy[0],
        "jvp_of_adjoint": m.ahy[1],
        "vjp_of_adjoint": m.ax[0],
        "vmap": stacked(*m.ax),
        "vmap_of_adjoint": stacked(*m.ahy),
    }
    for law, value in got.items():
        scale = max(norm(value), norm(expected[law]), sizes)
        error = norm(difference(value, expected[law])) / scale
        assert error <= m.tolerance, f"{law}: error {error:.2e}"


@quick_jit
def normal_of(operator, x):
    return operator.normal(x)


SHORTCUTS_OF_VARIANTS = [
    name
    for name, A in IN_FLOAT32.items()
    if CASES[name].variant and type(A).normal is not LinearOperator.normal
]


@pytest.mark.parametrize("name", SHORTCUTS_OF_VARIANTS)
def test_normal_of_variants(name):
    """Shortcuts of A^H A branch by what the variants vary: they are compared in every run."""
    m = measured(name, "float64")
    with jax.enable_x64(True):
        got = on_host(normal_of(m.operator, m.x[0]))
    assert_close(got, m.ahy[3], m.tolerance, norm(m.ax[0]) + norm(m.ahy[0]))


@compiling
def test_lowers_for_cuda_and_tpu(name):
    def both(operator, x, y):
        return operator.apply(x), operator.adjoint(y)

    operator = IN_FLOAT32[name]
    lowers_for_accelerators(both, operator, operator.domain, operator.codomain)


def traced_parameters(operator):
    """The inexact leaves of an operator, and the function that puts such leaves back."""
    leaves, tree = jax.tree.flatten(operator)
    where = [i for i, a in enumerate(leaves) if jnp.issubdtype(jnp.result_type(a), jnp.inexact)]

    def rebuild(parameters):
        filled = list(leaves)
        for i, p in zip(where, parameters, strict=True):
            filled[i] = p
        return jax.tree.unflatten(tree, filled)

    return [np.asarray(leaves[i]) for i in where], rebuild


WITH_PARAMETERS = [CASES[name] for name, A in IN_FLOAT32.items() if traced_parameters(A)[0]]


@pytest.mark.parametrize("name", variants_slowly(WITH_PARAMETERS, lambda c: c.name))
def test_derivatives_in_the_parameters(name):
    """jvp, vjp and vmap of p -> (A(p) x, A(p)^H y), against finite differences."""
    m = measured(name, "float64")
    x, y = m.x[0], m.y[0]
    with jax.enable_x64(True):
        parameters, rebuild = traced_parameters(m.operator)
        changes = [
            max(norm(p) / p.size, 1e-3) * draw(7 + i, struct_of(p))
            for i, p in enumerate(parameters)
        ]

        @quick_jit
        def measure(parameters, changes, ends, x, y):
            def both(p):
                operator = rebuild(p)
                return operator.apply(x), operator.adjoint(y)

            tangent = jax.jvp(both, (parameters,), (changes,))[1]
            (gradient,) = jax.vjp(both, parameters)[1](conj((y, x)))
            return tangent, conj(gradient), jax.vmap(both)(ends)

        ends = [combine(parameters, changes, 1.0, sign * SPACING) for sign in (1, -1)]
        tangent, gradient, ends = on_host(measure(parameters, changes, stacked(*ends), x, y))
    slope = jax.tree.map(lambda a: (a[0] - a[1]) / (2 * SPACING), ends)
    assert norm(slope) > 0, "the output does not depend on the parameters"
    for part, expected in zip(tangent, slope, strict=True):
        assert_close(part, expected, 1e-7, norm(slope))
    left, right = vdot((y, x), tangent).real, vdot(gradient, changes).real
    assert abs(left - right) <= 1e-10 * norm((y, x)) * norm(tangent)


WITHOUT_AN_ENTRY = {
    "LinearOperator",  # a base: it maps nothing
    "SelfAdjoint",  # likewise
    # its two types are adjoint to the requested accuracy only, and it lowers for neither TPU nor
    # export; tests/linops/test_finufft.py compares it with NonuniformFourier
    "FinufftFourier",
}


def operators_of_the_package():
    """Public operators of all modules whose optional packages are installed."""
    found = set()
    for info in pkgutil.walk_packages(jaxrecon.__path__, "jaxrecon."):
        try:
            things = vars(importlib.import_module(info.name)).values()
        except ImportError:
            continue
        kinds = {thing for thing in things if isinstance(thing, type)}
        found |= {k for k in kinds if issubclass(k, LinearOperator) and k.__module__ == info.name}
    return {kind.__name__ for kind in found if not kind.__name__.startswith("_")}


def kinds_within(operator):
    """Names of the types of an operator and of all that it holds."""
    found = set()
    jax.tree.leaves(operator, is_leaf=lambda node: found.add(type(node).__name__) is not None)
    return found


def test_every_operator_of_the_package_is_in_a_table():
    in_tables = set().union(*map(kinds_within, IN_FLOAT32.values()))
    assert operators_of_the_package() - in_tables == WITHOUT_AN_ENTRY
