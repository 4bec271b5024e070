"""Total generalised variation of second order: total variation without staircases."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import Space, check_positive_int, check_real, check_space
from jaxrecon.core.functional import Functional, Separable, separable
from jaxrecon.core.iterate import iterate
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import inner, norm, real_like
from jaxrecon.core.zero import Zero
from jaxrecon.functionals.group_l21 import GroupL21, group_norm
from jaxrecon.linops.finite_difference import Boundary, FiniteDifference
from jaxrecon.linops.symmetrised_derivative import SymmetrisedDerivative
from jaxrecon.solvers.primal_dual import PrimalDualHybridGradient

BLOCK = 20
"""Steps between two looks at the duality gap of the value."""


class TotalGeneralisedVariation(Functional):
    r"""f(x) = min_w first ||D x - w||_{2,1} + second ||E w||_{2,1}.

    w is a field like D x, E its symmetrised derivative (:class:`SymmetrisedDerivative`). Where x is
    smooth w follows D x and its second differences are paid for; at an edge w = 0 and f is total
    variation. It is 0 exactly for affine x, so that ramps stay ramps.

    Reconstruction takes x and w together, as a term over pairs: min_x h(x) + f(x) is

        method = primal_dual_hybrid_gradient(tgv.lift(h), *tgv.split(dtype))
        (x, w), _ = solve(method, tgv.start(x0), iterations)

    with ``split()`` -> (g, A), A (x, w) = (D x - w, E w), and ``lift(h)``: (x, w) -> h(x). A smooth
    h goes the same way as ``smooth=tgv.lift(h)``, with ``tgv.lift(Zero())`` in its place. There is
    no prox of f alone.

    The value itself minimises over w by a primal-dual method, until its duality gap relative to
    the value is at most `tolerance`, or for `iterations` steps; it lies above the exact one. Its
    derivatives are those of the minimum: in x by the dual field, in the weights by w.

    Args:
        shape: static, shape of x.
        first, second: weights > 0, traced; second / first is the length, in units of the spacing,
            over which x is taken for smooth. 2 for a spacing of 1 is usual.
        boundary: static, 'replicate' or 'periodic'.
        spacing: sample distance, a scalar or one for each axis (mm, say), traced.
        tolerance: relative duality gap of the value, >= 0, traced.
        iterations: static; at most so many steps for the value.

    Raises:
        ValueError: weights <= 0 (checked when concrete), an unknown boundary, iterations < 1,
            tolerance < 0, a spacing that is not positive; when used, an x of another shape.

    Source: Bredies, Kunisch and Pock 2010, doi:10.1137/090769521.
    """

    shape: tuple[int, ...] = static()
    first: Any = 1.0
    second: Any = 2.0
    boundary: Boundary = static(default="replicate")
    spacing: Any = 1.0
    tolerance: Any = 1e-3
    iterations: int = static(default=5000)

    def __post_init__(self) -> None:
        name = "TotalGeneralisedVariation"
        for argument in ("first", "second"):
            weight = getattr(self, argument)
            check_real(weight, what=name, argument=argument)
            if not isinstance(weight, Tracer) and not np.all(np.asarray(weight) > 0):
                raise ValueError(f"{name} expected {argument} > 0, got {weight}.")
        if not isinstance(self.tolerance, Tracer) and not np.all(np.asarray(self.tolerance) >= 0):
            raise ValueError(f"{name} expected tolerance >= 0, got {self.tolerance}.")
        count = check_positive_int(self.iterations, what=name, argument="iterations")
        self._set("iterations", count)
        self._set("spacing", jnp.asarray(self.spacing, float))
        self._set("shape", self.difference().first.shape)
        super().__post_init__()

    def difference(self, dtype: Any = None) -> SecondOrderDifference:
        """A on pairs (x, w), with x of `dtype` (float32 unless given)."""
        dtype = jnp.float32 if dtype is None else dtype
        return SecondOrderDifference(
            FiniteDifference(self.shape, None, self.boundary, self.spacing, dtype),
            SymmetrisedDerivative(self.shape, self.boundary, self.spacing, dtype),
        )

    def split(self, dtype: Any = None) -> tuple[Separable, SecondOrderDifference]:
        """(g, A) with f(x) = min_w g(A (x, w)), on images of `dtype` (float32 unless given)."""
        return separable(self.first * GroupL21(), self.second * GroupL21()), self.difference(dtype)

    def lift(self, functional: Functional) -> Separable:
        """(x, w) -> functional(x)."""
        return separable(functional, Zero())

    def start(self, x0: Any) -> tuple[Any, Any]:
        """(x0, w) with w = 0."""
        return x0, jnp.zeros((len(self.shape), *self.shape), x0.dtype)

    def __call__(self, x: Any) -> jax.Array:
        operator = self.difference(x.dtype)
        check_space(x, operator.first.domain, what="TotalGeneralisedVariation")
        first, second = real_like(self.first, x), real_like(self.second, x)
        problem = _FieldProblem(first, second, operator.second, operator.first.apply(x))
        frozen = jax.lax.stop_gradient(problem)
        w, q = frozen.solve(self.iterations, jax.lax.stop_gradient(self.tolerance))
        rise = problem.lower(q) - frozen.lower(q)  # 0, with the derivative in x
        return problem.replace(edges=frozen.edges).upper(w) + rise


class SecondOrderDifference(LinearOperator):
    r"""A (x, w) = (D x - w, E w), the operator of total generalised variation.

    Args:
        first: D.
        second: E, on fields like D x.
    """

    first: FiniteDifference
    second: SymmetrisedDerivative

    @property
    def domain(self) -> Space:
        return self.first.domain, self.second.domain

    @property
    def codomain(self) -> Space:
        return self.first.codomain, self.second.codomain

    def apply(self, x: Any) -> tuple[jax.Array, jax.Array]:
        image, field = x
        return self.first.apply(image) - field, self.second.apply(field)

    def adjoint(self, y: Any) -> tuple[jax.Array, jax.Array]:
        jumps, bends = y
        return self.first.adjoint(jumps), self.second.adjoint(bends) - jumps

    def norm_bound(self) -> jax.Array:
        r"""sqrt((2 b^2 + 1 + sqrt(4 b^2 + 1)) / 2) >= \|\|A\|\|, b the bound of D and of E."""
        square = self.first.norm_bound() ** 2
        return jnp.sqrt((2 * square + 1 + jnp.sqrt(4 * square + 1)) / 2)

    def absolute_sums(self) -> tuple[tuple, tuple]:
        """Bounds of the sums of absolute weights in any row and column of each block."""
        rows, columns = self.first.absolute_sums()
        bend_rows, bend_columns = self.second.absolute_sums()
        return (rows + 1, bend_rows), (columns, bend_columns + 1)


class _FieldProblem(Functional):
    """min_w a ||e - w|| + b ||E w|| = max_q Re<q, E e>, |q| <= b, |E^H q| <= a."""

    first: jax.Array
    second: jax.Array
    operator: SymmetrisedDerivative
    edges: jax.Array

    def upper(self, w: Any) -> jax.Array:
        g = GroupL21()
        return self.first * g(self.edges - w) + self.second * g(self.operator.apply(w))

    def lower(self, q: Any) -> jax.Array:
        """Of the largest multiple <= 1 of q that is feasible."""
        largest = jnp.max(group_norm(self.operator.adjoint(q), 0))
        shrink = self.first / jnp.maximum(largest, self.first)
        largest = jnp.max(group_norm(q, 0))
        shrink = jnp.minimum(shrink, self.second / jnp.maximum(largest, self.second))
        return jax.lax.stop_gradient(shrink) * inner(q, self.operator.apply(self.edges))

    def solve(self, iterations: int, tolerance: Any) -> tuple[Any, Any]:
        """(w, q), from w = e."""
        bound = real_like(self.operator.norm_bound(), self.edges)
        size = norm(self.edges) / np.sqrt(max(self.edges.size, 1)).astype(bound.dtype)
        ratio = self.second / jnp.where(size > 0, size, 1)
        method = PrimalDualHybridGradient(
            functional=(self.first * GroupL21()).translate(self.edges),
            composed=self.second * GroupL21(),
            operator=self.operator,
            smooth=None,
            primal_step=0.99 / (ratio * bound),
            dual_step=0.99 * ratio / bound,
            relaxation=1.8,
        )

        def gap(state: Any) -> jax.Array:
            value = self.upper(state.x)
            return (value - self.lower(state.y)) / jnp.where(value > 0, value, 1)

        def unfinished(carry: tuple) -> jax.Array:
            count, state = carry
            return (count < iterations) & (gap(state) > real_like(tolerance, self.edges))

        def block(carry: tuple) -> tuple:
            count, state = carry
            return count + BLOCK, iterate(method.step, state, BLOCK)[0]

        carry = jnp.int32(0), method.init(self.edges)
        state = jax.lax.while_loop(unfinished, block, carry)[1]
        return state.x, state.y
