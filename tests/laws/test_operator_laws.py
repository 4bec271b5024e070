"""The laws of linear operators, over all tables.

One jitted function measures everything about one operator in one precision (compiling is what
costs), and each law is a test of its own that looks at the measurements.
"""

from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.core.checks import is_complex, struct_of
from jaxrecon.core.operator import conj
from jaxrecon.testing import random_element
from jaxrecon.testing.elements import difference, norm, on_host, vdot
from tests.laws.cases import OperatorCase, collect

CASES = {case.name: case for case in collect("OPERATORS")}
PRECISIONS = {"float32": jnp.float32, "float64": jnp.float64}
SPACING = 1e-5  # of the finite differences in the parameters, float64 only

traces = Counter()


class Elements(NamedTuple):
    """Random elements of the domain (x, u), of the codomain (y, v), non-negative ones (p, q)."""

    x: Any
    u: Any
    y: Any
    v: Any
    p: Any
    q: Any


def combine(a, b, s, t):
    return jax.tree.map(lambda m, n: s * m + t * n, a, b)


def pair(a, b):
    return jax.tree.map(lambda m, n: jnp.stack([m, n]), a, b)


def pair_on_host(a, b):
    return jax.tree.map(lambda m, n: np.stack([m, n]), a, b)


def scalars(operator):
    spaces = jax.tree.leaves((operator.domain, operator.codomain))
    if all(is_complex(s.dtype) for s in spaces):
        return 0.75 - 0.5j, -1.5 + 1.25j
    return 0.75, -1.5


@jax.jit
def measure(operator, e: Elements) -> dict:
    """All that the laws compare, in one compilation."""
    traces["measure"] += 1
    apply, adjoint = operator.apply, operator.adjoint
    return {
        "apply": apply(e.x),
        "apply_u": apply(e.u),
        "apply_nonnegative": apply(e.p),
        "adjoint": adjoint(e.y),
        "adjoint_v": adjoint(e.v),
        "adjoint_nonnegative": adjoint(e.q),
        "apply_combined": apply(combine(e.x, e.u, *scalars(operator))),
        "normal": operator.normal(e.x),
        "adjoint_of_apply": adjoint(apply(e.x)),
        "jvp": jax.jvp(apply, (e.x,), (e.u,)),
        "jvp_of_adjoint": jax.jvp(adjoint, (e.y,), (e.v,)),
        "vjp": conj(jax.vjp(apply, e.x)[1](conj(e.y))[0]),
        "vjp_of_adjoint": conj(jax.vjp(adjoint, e.y)[1](conj(e.x))[0]),
        "transpose": conj(jax.linear_transpose(apply, operator.domain)(conj(e.y))[0]),
        "vmap": jax.vmap(apply)(pair(e.x, e.u)),
        "vmap_of_adjoint": jax.vmap(adjoint)(pair(e.y, e.v)),
    }


def elements(operator):
    g = np.random.default_rng(11)
    domain, codomain = operator.domain, operator.codomain
    return Elements(
        *(random_element(g, s) for s in (domain, domain, codomain, codomain)),
        random_element(g, domain, nonnegative=True),
        random_element(g, codomain, nonnegative=True),
    )


class Measured(NamedTuple):
    case: OperatorCase
    operator: Any
    elements: Elements
    values: dict
    spaces_given: tuple
    spaces_found: tuple
    second_traces: int
    tolerance: float


@lru_cache(maxsize=2)
def measured(name: str, precision: str) -> Measured:
    case = CASES[name]
    with jax.enable_x64(precision == "float64"):
        operator = case.make(PRECISIONS[precision])
        e = elements(operator)
        values = measure(operator, e)
        before = traces["measure"]
        measure(case.make(PRECISIONS[precision]), e)
        again = traces["measure"] - before
        given = (operator.domain, operator.codomain)
        found = (struct_of(values["adjoint"]), struct_of(values["apply"]))
    tolerance = case.float32_tolerance if precision == "float32" else case.float64_tolerance
    return Measured(case, operator, e, on_host(values), given, found, again, tolerance)


@pytest.fixture(params=[(n, p) for n in CASES for p in PRECISIONS], ids="-".join, scope="module")
def m(request):
    return measured(*request.param)


@pytest.fixture(params=list(CASES), scope="module")
def single(request):
    return measured(request.param, "float32")


def assert_close(a, b, tolerance, scale=0.0):
    scale = max(norm(a), norm(b), scale)
    error = norm(difference(a, b))
    assert error <= tolerance * scale, f"error {error:.2e} at size {scale:.2e}"


def assert_dot(m, x, y, ax, ahy):
    left, right = vdot(ax, y), vdot(x, ahy)
    if len({is_complex(s.dtype) for s in jax.tree.leaves(m.spaces_given)}) > 1:
        left, right = left.real, right.real
    scale = max(norm(ax) * norm(y), np.finfo(np.float64).tiny)
    assert abs(left - right) <= m.tolerance * scale, f"error {abs(left - right) / scale:.2e}"


def test_adjoint(m):
    e, v = m.elements, m.values
    assert_dot(m, e.x, e.y, v["apply"], v["adjoint"])
    assert_dot(m, e.u, e.v, v["apply_u"], v["adjoint_v"])
    assert_dot(m, e.p, e.q, v["apply_nonnegative"], v["adjoint_nonnegative"])


def test_linear(m):
    s, t = scalars(m.operator)
    v = m.values
    assert_close(v["apply_combined"], combine(v["apply"], v["apply_u"], s, t), m.tolerance)


def test_spaces(m):
    assert m.spaces_found == m.spaces_given


def test_normal(m):
    scale = norm(m.values["adjoint_of_apply"])
    assert_close(m.values["normal"], m.values["adjoint_of_apply"], m.tolerance, scale)


def test_derivatives_are_the_operator(m):
    v = m.values
    scale = norm(v["apply"])
    for (value, tangent), expected, expected_tangent in (
        (v["jvp"], v["apply"], v["apply_u"]),
        (v["jvp_of_adjoint"], v["adjoint"], v["adjoint_v"]),
    ):
        assert_close(value, expected, m.tolerance)
        assert_close(tangent, expected_tangent, m.tolerance)
    assert_close(v["vjp"], v["adjoint"], m.tolerance)
    assert_close(v["transpose"], v["adjoint"], m.tolerance)
    assert_close(v["vjp_of_adjoint"], v["apply"], m.tolerance, scale)


def test_vmap_is_a_loop(m):
    v = m.values
    assert_close(v["vmap"], pair_on_host(v["apply"], v["apply_u"]), m.tolerance)
    assert_close(v["vmap_of_adjoint"], pair_on_host(v["adjoint"], v["adjoint_v"]), m.tolerance)


def test_a_fresh_equal_operator_does_not_recompile(m):
    assert m.second_traces == 0


def test_jit_is_eager(single):
    m = single
    assert_close(m.operator(m.elements.x), m.values["apply"], m.tolerance)
    assert_close(m.operator.H(m.elements.y), m.values["adjoint"], m.tolerance)


def test_lowers_for_cuda_and_tpu(single):
    @jax.jit
    def both(operator, x, y):
        return operator.apply(x), operator.adjoint(y)

    args = (single.operator, single.elements.x, single.elements.y)
    exported = jax.export.export(both, platforms=["cuda", "tpu"])(*args)
    assert exported.platforms == ("cuda", "tpu")


def split_parameters(operator):
    """Inexact leaves of an operator, and the function that puts such leaves back."""
    leaves, tree = jax.tree.flatten(operator)
    traced = [i for i, a in enumerate(leaves) if jnp.issubdtype(jnp.result_type(a), jnp.inexact)]

    def rebuild(parameters):
        filled = list(leaves)
        for i, p in zip(traced, parameters, strict=True):
            filled[i] = p
        return jax.tree.unflatten(tree, filled)

    return [jnp.asarray(leaves[i]) for i in traced], rebuild


@pytest.mark.parametrize("name", list(CASES))
def test_derivatives_in_the_parameters(name):
    """jvp and vjp of p -> (A(p) x, A(p)^H y), and vmap over p, against finite differences."""
    with jax.enable_x64(True):
        operator = CASES[name].make(jnp.float64)
        parameters, rebuild = split_parameters(operator)
        if not parameters:
            return
        e = elements(operator)
        changes = [
            random_element(np.random.default_rng(i), struct_of(p)) * max(norm(p) / p.size, 1e-3)
            for i, p in enumerate(parameters)
        ]

        @jax.jit
        def compare(parameters, changes, e):
            def both(p):
                a = rebuild(p)
                return a.apply(e.x), a.adjoint(e.y)

            _, tangent = jax.jvp(both, (parameters,), (changes,))
            _, pull = jax.vjp(both, parameters)
            (gradient,) = pull(conj((e.y, e.x)))
            ends = [combine(parameters, changes, 1.0, s * SPACING) for s in (1, -1)]
            return tangent, conj(gradient), jax.vmap(both)(pair(*ends))

        tangent, gradient, ends = compare(parameters, changes, e)
    slope = jax.tree.map(lambda a: (a[0] - a[1]) / (2 * SPACING), ends)
    assert norm(slope) > 0, "the output does not depend on the parameters"
    for part, expected in zip(tangent, slope, strict=True):
        assert_close(part, expected, 1e-7, norm(slope))
    left, right = vdot((e.y, e.x), tangent).real, vdot(gradient, changes).real
    assert abs(left - right) <= 1e-10 * norm((e.y, e.x)) * norm(tangent)


def test_every_operator_of_linops_is_in_a_table():
    from jaxrecon import LinearOperator, linops

    public = {
        n for n in linops.__all__ if isinstance(getattr(linops, n), type)
        and issubclass(getattr(linops, n), LinearOperator)
    }  # fmt: skip
    with_entries = {type(case.make(jnp.float32)).__name__ for case in CASES.values()}
    assert public <= with_entries
