"""x-updates of penalty methods: argmin_x f(x) + penalty/2 ||A x - v||^2."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxrecon.core.checks import Space
from jaxrecon.core.functional import Functional
from jaxrecon.core.normal_equations import Normal, solve_positive_definite
from jaxrecon.core.operator import Identity, LinearOperator
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.core.self_adjoint import SelfAdjoint
from jaxrecon.core.vectors import add, add_scaled, scaled, subtract
from jaxrecon.solvers.normal_form import normal_form
from jaxrecon.solvers.step_sizes import is_quadratic


class XUpdate(Pytree):
    r"""argmin_x f(x) + penalty/2 ||A x - v||^2, x the last iterate.

    An update that iterates keeps a start of its next call, as :meth:`Functional.prox_from` does.
    """

    def __call__(self, v: Any, penalty: Any, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def start(self, x: Any) -> Any:
        return ()

    def from_start(self, v: Any, penalty: Any, x: Any, start: Any) -> tuple[Any, Any]:
        return self(v, penalty, x), start


class GivenUpdate(XUpdate):
    """What the caller gives."""

    update: Callable

    def __call__(self, v: Any, penalty: Any, x: Any) -> Any:
        return self.update(v, penalty, x)


class ProximalUpdate(XUpdate):
    """The update where A is the identity: the prox of f."""

    functional: Functional

    def __call__(self, v: Any, penalty: Any, x: Any) -> Any:
        return self.functional.prox(v, 1 / penalty)

    def start(self, x: Any) -> Any:
        return self.functional.prox_start(x)

    def from_start(self, v: Any, penalty: Any, x: Any, start: Any) -> tuple[Any, Any]:
        return self.functional.prox_from(v, 1 / penalty, start)


class QuadraticUpdate(XUpdate):
    r"""The update for quadratic f, by conjugate gradients from x.

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


class Augmented(SelfAdjoint):
    """x -> Q x + penalty A^H A x, Q the Hessian of a quadratic functional."""

    functional: Functional
    normal_operator: LinearOperator
    penalty: Any

    @property
    def domain(self) -> Space:
        return self.normal_operator.domain

    def apply(self, x: Any) -> Any:
        return add_scaled(self.functional.hessian(x), self.penalty, self.normal_operator.apply(x))


def choose_x_update(
    f: Functional,
    operator: LinearOperator,
    x_update: Callable | None,
    iterations: int,
    tolerance: float | None,
    *,
    what: str,
) -> XUpdate:
    """What the caller gives; f.prox where A is an Identity; conjugate gradients for quadratic f.

    Raises:
        NotImplementedError: none of the three.
    """
    if isinstance(x_update, XUpdate):
        return x_update
    if x_update is not None:
        plain = jax.tree.structure(x_update) == jax.tree.structure(0)
        return GivenUpdate(jax.tree_util.Partial(x_update) if plain else x_update)
    if isinstance(operator, Identity):
        return ProximalUpdate(f)
    if not is_quadratic(f, operator.domain):
        raise NotImplementedError(
            f"{what} solves its x-update for quadratic f only, and {type(f).__name__} is not. Give "
            "x_update; or move the term into g, with Zero() or a quadratic f in its place: "
            f"{what}(Zero(), separable(f, g), stack(Identity(space), A), ...)."
        )
    return QuadraticUpdate(normal_form(f, operator.domain), operator, iterations, tolerance)
