"""The prox of quadratic functionals, by conjugate gradients."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.checks import Space, struct_of
from jaxrecon.core.normal_equations import solve_positive_definite
from jaxrecon.core.pytree import static
from jaxrecon.core.self_adjoint import SelfAdjoint
from jaxrecon.core.vectors import add, add_scaled, scaled


def quadratic_prox(f: Any, v: Any, step: Any, *, iterations: int = 100) -> Any:
    r"""argmin_x f(x) + ||x - v||^2 / (2 step) for a functional f with the constant Hessian Q.

    x = v + d with (I + step Q) d = -step grad f(v), in at most `iterations` steps of conjugate
    gradients to ten roundings. The condition is at most 1 + step ||Q||; derivatives are those of
    the exact solution.

    Raises:
        NotImplementedError: f has no `hessian`.
    """
    jax.eval_shape(lambda functional, x: functional.hessian(x), f, v)
    system = ProxSystem(HessianOperator(f, struct_of(v)), step)
    rhs = scaled(-1, scaled(step, f.grad(v)))
    return add(v, solve_positive_definite(system, rhs, iterations=iterations))


class HessianOperator(SelfAdjoint):
    """x -> Q x, Q the Hessian of a quadratic functional."""

    functional: Any
    space: Space = static()

    @property
    def domain(self) -> Space:
        return self.space

    def apply(self, x: Any) -> Any:
        return self.functional.hessian(x)


class ProxSystem(SelfAdjoint):
    """x -> x + step Q x."""

    hessian: HessianOperator
    step: Any

    @property
    def domain(self) -> Space:
        return self.hessian.space

    def apply(self, x: Any) -> Any:
        return add_scaled(x, self.step, self.hessian.apply(x))
