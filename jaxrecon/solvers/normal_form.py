"""Quadratic terms whose gradient is their Hessian plus a constant, one application of A^H A."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.functional import Functional
from jaxrecon.core.vectors import add, zeros_like
from jaxrecon.solvers.step_sizes import is_quadratic


class NormalForm(Functional):
    r"""A quadratic f with grad f(x) = Q x + grad f(0). Made by :func:`normal_form`."""

    functional: Functional
    slope: Any

    def __call__(self, x: Any) -> jax.Array:
        return self.functional(x)

    def grad(self, x: Any) -> Any:
        return add(self.functional.hessian(x), self.slope)

    def hessian(self, x: Any) -> Any:
        return self.functional.hessian(x)

    def prox(self, v: Any, step: Any) -> Any:
        return self.functional.prox(v, step)

    def lipschitz(self) -> jax.Array:
        return self.functional.lipschitz()


def normal_form(f: Functional, space: Any) -> Functional:
    r"""f with a gradient that applies A^H A where f has A and A^H: Q x + grad f(0), f quadratic.

    Operators with a shortcut for A^H A (convolutions, Toeplitz forms) halve their work in every
    step of a method. Other functionals come back as they are. Splitting methods do this to their
    smooth term.

    Args:
        f: a functional.
        space: that of x, ShapeDtypeStructs.
    """
    if isinstance(f, NormalForm) or not is_quadratic(f, space):
        return f
    return NormalForm(f, f.grad(zeros_like(space)))
