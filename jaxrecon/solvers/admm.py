"""The alternating direction method of multipliers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import Space
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.normal_equations import Normal, solve_positive_definite
from jaxrecon.core.operator import Identity, LinearOperator
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.core.vectors import add, add_scaled, scaled, subtract


class ADMMState(NamedTuple):
    """The image, the split variable z = A x, and the scaled dual variable."""

    x: Any
    z: Any
    u: Any


class ADMM(Method):
    r"""min_x f(x) + g(A x). Made by :func:`admm`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    penalty: Any
    relaxation: Any
    x_update: Callable

    def init(self, x0: Any) -> ADMMState:
        z = self.operator(x0)
        return ADMMState(x0, z, jax.tree.map(jnp.zeros_like, z))

    def step(self, state: ADMMState) -> ADMMState:
        x = self.x_update(subtract(state.z, state.u), self.penalty, state.x)
        split = self.operator.apply(x)
        split = add_scaled(state.z, self.relaxation, subtract(split, state.z))
        raised = add(split, state.u)
        z = self.composed.prox(raised, 1 / self.penalty)
        return ADMMState(x, z, subtract(raised, z))


class ProximalUpdate(Pytree):
    """argmin_x f(x) + penalty/2 ||x - v||^2, the x-update where A is the identity."""

    functional: Functional

    def __call__(self, v: Any, penalty: Any, x: Any) -> Any:
        return self.functional.prox(v, 1 / penalty)


class QuadraticUpdate(Pytree):
    r"""argmin_x f(x) + penalty/2 ||A x - v||^2 for quadratic f, by conjugate gradients from x.

    They solve for the change of x: (Q + penalty A^H A) d = -grad f(x) - penalty A^H (A x - v), Q
    the Hessian of f. The derivative is that of the exact solve.
    """

    functional: Functional
    operator: LinearOperator
    iterations: int = static()
    tolerance: float | None = static()

    def __call__(self, v: Any, penalty: Any, x: Any) -> Any:
        misfit = self.operator.adjoint(subtract(self.operator.apply(x), v))
        slope = add_scaled(self.functional.grad(x), penalty, misfit)
        system = Augmented(self.functional, Normal(self.operator), penalty)
        return add(
            x,
            solve_positive_definite(
                system, scaled(-1, slope), iterations=self.iterations, tolerance=self.tolerance
            ),
        )


class Augmented(LinearOperator):
    """x -> Q x + penalty A^H A x, Q the Hessian of a quadratic functional."""

    functional: Functional
    normal_operator: LinearOperator
    penalty: Any

    @property
    def domain(self) -> Space:
        return self.normal_operator.domain

    @property
    def codomain(self) -> Space:
        return self.normal_operator.domain

    def apply(self, x: Any) -> Any:
        return add_scaled(self.functional.hessian(x), self.penalty, self.normal_operator.apply(x))

    def adjoint(self, y: Any) -> Any:
        return self.apply(y)


def admm(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    penalty: Any,
    *,
    relaxation: Any = 1.0,
    x_update: Callable | None = None,
    iterations: int = 10,
    tolerance: float | None = None,
) -> ADMM:
    r"""Alternating direction method of multipliers for min_x f(x) + g(A x), in scaled form.

        x = argmin_x f(x) + penalty/2 ||A x - z + u||^2
        w = relaxation * A x + (1 - relaxation) z
        z = prox_{g / penalty}(w + u)
        u = u + w - z

    For convex f and g it converges for every penalty > 0 and 0 < relaxation < 2; the penalty
    decides the speed: x, z = A x and the dual variable penalty * u should move at equal pace. Its
    scale is that of the threshold 1 / penalty against the jumps of A x. Several terms g_i(A_i x):
    pass separable(g_1, ...) and stack(A_1, ...).

    The x-update is f.prox where A is an Identity; conjugate gradients started at the last x where
    f is quadratic (least squares, squared norms, their sums); or what the caller gives.

    Args:
        f: term in x. With `x_update` it is only kept for its value.
        g: term in A x, with a prox.
        operator: A.
        penalty: traced scalar > 0.
        relaxation: traced; 1.5 to 1.8 often saves a third of the steps.
        x_update: (v, penalty, x) -> argmin_x f(x) + penalty/2 ||A x - v||^2, with x the last
            iterate; a pytree whose class defines ``__call__`` (arrays as fields), a
            ``jax.tree_util.Partial``, or a plain function, which is static and compared by
            identity.
        iterations: static; at most so many steps of conjugate gradients in one x-update.
        tolerance: static; they stop at this relative residual of the change of x.

    Raises:
        NotImplementedError: f is not quadratic, A is not an Identity, and no x_update is given.

    Source: Boyd, Parikh, Chu, Peleato and Eckstein 2011, doi:10.1561/2200000016.
    """
    if x_update is None and isinstance(operator, Identity):
        x_update = ProximalUpdate(f)
    elif x_update is None:
        _check_quadratic(f, operator)
        x_update = QuadraticUpdate(f, operator, iterations, tolerance)
    elif jax.tree.structure(x_update) == jax.tree.structure(0):
        x_update = jax.tree_util.Partial(x_update)
    return ADMM(f, g, operator, penalty, relaxation, x_update)


def _check_quadratic(f: Functional, operator: LinearOperator) -> None:
    try:
        jax.eval_shape(lambda term, x: term.hessian(x), f, operator.domain)
    except NotImplementedError as error:
        raise NotImplementedError(
            f"admm solves its x-update for quadratic f only. {error} Give x_update; or move the "
            "term into g, with Zero() or a quadratic f in its place: "
            "admm(Zero(), separable(f, g), stack(Identity(space), A), penalty)."
        ) from None
