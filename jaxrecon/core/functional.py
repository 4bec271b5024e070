"""Functionals: value, gradient and proximal maps of the terms of a cost function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_no_nan, check_nonnegative
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.operator import LinearOperator, conj
from jaxrecon.core.pytree import Pytree
from jaxrecon.core.quadratic import quadratic_prox
from jaxrecon.core.vectors import add, add_scaled, inner, scaled, subtract


class Functional(Pytree):
    r"""A term f of a cost function: a real-valued function of an image (any array or pytree).

    - ``f(x)``: the value, a real scalar (infinity outside the domain of f).
    - ``f.grad(x)``: the direction of steepest ascent; for complex x this is the conjugate of
      what ``jax.grad`` returns, so that ``x - eta * f.grad(x)`` descends.
    - ``f.prox(v, step)`` = argmin_x  f(x) + ||x - v||^2 / (2 step), step > 0. A quadratic f has it
      from its Hessian, by conjugate gradients, unless overridden.
    - ``f.conj_prox(v, step)``: prox of the convex conjugate f*, by Moreau's identity
      prox_{s f*}(v) = v - s prox_{f/s}(v/s) unless overridden.
    - ``f.prox_from(v, step, start)``: (prox, start of the next call), for proxes that iterate; a
      method keeps the start in its state, first ``f.prox_start(v)``, and so warm-starts them.
    - ``f.conjugate(y)`` = sup_x Re<x, y> - f(x), where it is known.
    - ``f.lipschitz()``: Lipschitz constant of the gradient, where f has one.
    - ``f.hessian(x)``: where f is quadratic, its Hessian applied to x: f.grad(x) - f.grad(0).
    - ``f.constraints(x)``: for each :class:`Indicator` of a set in it, however scaled, shifted or
      composed, the pair (A x, nearest point of the set to A x), A the operator before it.

    Algebra: ``c * f`` (c > 0), ``f.translate(shift)`` is x -> f(x - shift), ``f @ A`` is
    x -> f(A x), with ``(f @ A).split()`` = (f, A), ``f + g``; :func:`separable` acts on tuples;
    ``functionals.rescaled`` is x -> f(c x), ``perturbed`` adds <a, x> + b/2 ||x||^2.

    Raises:
        NotImplementedError: a map that this functional does not have, with what to use instead.
    """

    def __call__(self, x: Any) -> jax.Array:
        raise NotImplementedError(f"{type(self).__name__} must define __call__")

    def grad(self, x: Any) -> Any:
        return conj(jax.grad(lambda z: self(z))(x))

    def prox(self, v: Any, step: Any) -> Any:
        try:
            return quadratic_prox(self, v, step)
        except NotImplementedError:
            raise NotImplementedError(
                f"{type(self).__name__} has no prox in closed form. Use its gradient if it is "
                "smooth; if it is f @ A, pass f and A apart to primal_dual_hybrid_gradient or admm."
            ) from None

    def prox_start(self, v: Any) -> Any:
        """Where the first :meth:`prox_from` starts; empty for a prox in closed form."""
        return ()

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        """(prox(v, step), start of the next call), its iterations started from `start`."""
        return self.prox(v, step), start

    def conj_prox(self, v: Any, step: Any) -> Any:
        return add_scaled(v, -step, self.prox(scaled(1 / step, v), 1 / step))

    def conjugate(self, y: Any) -> jax.Array:
        raise NotImplementedError(f"{type(self).__name__} has no closed form of its conjugate.")

    def lipschitz(self) -> jax.Array:
        raise NotImplementedError(
            f"{type(self).__name__} gives no Lipschitz constant of its gradient; "
            "pass the step size."
        )

    def hessian(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} is not a quadratic functional.")

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        """A pair (A x, its nearest admissible point) for each constraint in it; none by default."""
        return []

    def translate(self, shift: Any) -> Functional:
        """x -> f(x - shift)."""
        return Translated(self, shift)

    def __mul__(self, scale: Any) -> Weighted:
        if isinstance(scale, Functional) or jnp.ndim(scale) != 0 or jnp.iscomplexobj(scale):
            raise TypeError("c * f takes a real scalar c > 0.")
        return Weighted(scale, self)

    __rmul__ = __mul__

    def __matmul__(self, operator: Any) -> Precomposed:
        if not isinstance(operator, LinearOperator):
            raise TypeError("f @ A precomposes with a LinearOperator; for a value write f(x).")
        return Precomposed(self, operator)

    def __add__(self, other: Any) -> Functional:
        return Total((self, other)) if isinstance(other, Functional) else NotImplemented


class Indicator(Functional):
    """The base of functionals that are 0 on a set and infinite elsewhere: constraints."""

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        return [(x, self.prox(x, 1.0))]


class Weighted(Functional):
    """(c f)(x) = c f(x), c >= 0, so that prox_{s (c f)} = prox_{(s c) f}; 0 f is 0 everywhere."""

    scale: Any
    functional: Functional

    def __post_init__(self) -> None:
        super().__post_init__()
        check_nonnegative(self.scale, what="c * f", argument="c")

    def __call__(self, x: Any) -> jax.Array:
        return self.scale * self.functional(x)

    def grad(self, x: Any) -> Any:
        return scaled(self.scale, self.functional.grad(x))

    def prox(self, v: Any, step: Any) -> Any:
        return self.functional.prox(v, step * self.scale)

    def prox_start(self, v: Any) -> Any:
        return self.functional.prox_start(v)

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        return self.functional.prox_from(v, step * self.scale, start)

    def _positive(self) -> Any:
        """c, or 1 in the place of 0."""
        return jnp.where(jnp.asarray(self.scale) > 0, self.scale, 1)

    def conj_prox(self, v: Any, step: Any) -> Any:
        c = self._positive()
        return scaled(self.scale, self.functional.conj_prox(scaled(1 / c, v), step / c))

    def conjugate(self, y: Any) -> jax.Array:
        c = self._positive()
        at_zero = jnp.where(inner(y, y) == 0, 0, jnp.inf)
        return jnp.where(self.scale > 0, c * self.functional.conjugate(scaled(1 / c, y)), at_zero)

    def lipschitz(self) -> jax.Array:
        return self.scale * self.functional.lipschitz()

    def hessian(self, x: Any) -> Any:
        return scaled(self.scale, self.functional.hessian(x))

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        return self.functional.constraints(x)

    def split(self, *dtype: Any) -> tuple[Functional, Any]:
        """(c g, A) where f has split(...) -> (g, A), with its arguments."""
        f: Any = self.functional
        if not hasattr(f, "split"):
            raise TypeError(f"{type(f).__name__} has no split(): it is not f @ A.")
        term, operator = f.split(*dtype)
        return self.scale * term, operator


class Translated(Functional):
    """x -> f(x - shift), with prox(v) = shift + prox_f(v - shift).

    ``L1().translate(m) @ A`` is the fidelity ||A x - m||_1, and so with other norms.

    Raises:
        ValueError: NaN in the shift (checked when concrete).
    """

    functional: Functional
    shift: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        check_no_nan(self.shift, what="translate(shift)", argument="shift")

    def _move(self, x: Any) -> Any:
        return subtract(x, self.shift)

    def __call__(self, x: Any) -> jax.Array:
        return self.functional(self._move(x))

    def grad(self, x: Any) -> Any:
        return self.functional.grad(self._move(x))

    def prox(self, v: Any, step: Any) -> Any:
        return add(self.shift, self.functional.prox(self._move(v), step))

    def prox_start(self, v: Any) -> Any:
        return self.functional.prox_start(self._move(v))

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        moved, start = self.functional.prox_from(self._move(v), step, start)
        return add(self.shift, moved), start

    def conjugate(self, y: Any) -> jax.Array:
        return self.functional.conjugate(y) + inner(self.shift, y)

    def lipschitz(self) -> jax.Array:
        return self.functional.lipschitz()

    def hessian(self, x: Any) -> Any:
        return self.functional.hessian(x)

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        """Of A (x - shift) those of f, moved back by A shift."""
        moved = self.functional.constraints(self._move(x))
        shifts = self.functional.constraints(self.shift)
        pairs = zip(moved, shifts, strict=True)
        return [(add(y, shift), add(near, shift)) for (y, near), (shift, _) in pairs]


class Precomposed(Functional):
    r"""x -> f(A x). Its gradient is A^H grad f(A x).

    It has a prox where A is a tight frame, A A^H = bound I (an orthogonal wavelet, a subset of
    Fourier or Hadamard rows), said with ``tight(f, A, bound)``; and where f is quadratic, by
    conjugate gradients (by FFT: :func:`jaxrecon.solvers.fourier_quadratic`). Otherwise primal-dual
    methods take f and A apart.
    """

    functional: Functional
    operator: LinearOperator

    def __call__(self, x: Any) -> jax.Array:
        return self.functional(self.operator(x))

    def grad(self, x: Any) -> Any:
        return self.operator.adjoint(self.functional.grad(self.operator(x)))

    def hessian(self, x: Any) -> Any:
        return self.operator.adjoint(self.functional.hessian(self.operator(x)))

    def lipschitz(self) -> jax.Array:
        return self.functional.lipschitz() * operator_norm(self.operator) ** 2

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        return self.functional.constraints(self.operator(x))

    def split(self) -> tuple[Functional, LinearOperator]:
        """(f, A), for the methods that take them apart."""
        return self.functional, self.operator


class Separable(Functional):
    """f(x_1, ..., x_n) = sum_i f_i(x_i) on tuples. Made by :func:`separable`."""

    parts: tuple[Functional, ...]

    def __call__(self, x: Any) -> jax.Array:
        return sum(f(a) for f, a in zip(self.parts, x, strict=True))  # type: ignore[return-value]

    def grad(self, x: Any) -> Any:
        return tuple(f.grad(a) for f, a in zip(self.parts, x, strict=True))

    def prox(self, v: Any, step: Any) -> Any:
        return tuple(f.prox(a, step) for f, a in zip(self.parts, v, strict=True))

    def prox_start(self, v: Any) -> Any:
        return tuple(f.prox_start(a) for f, a in zip(self.parts, v, strict=True))

    def prox_from(self, v: Any, step: Any, start: Any) -> tuple[Any, Any]:
        blocks = zip(self.parts, v, start, strict=True)
        pairs = [f.prox_from(a, step, s) for f, a, s in blocks]
        return tuple(a for a, _ in pairs), tuple(s for _, s in pairs)

    def conj_prox(self, v: Any, step: Any) -> Any:
        return tuple(f.conj_prox(a, step) for f, a in zip(self.parts, v, strict=True))

    def conjugate(self, y: Any) -> jax.Array:
        return sum(f.conjugate(a) for f, a in zip(self.parts, y, strict=True))  # type: ignore[return-value]

    def lipschitz(self) -> jax.Array:
        return jnp.max(jnp.stack([f.lipschitz() for f in self.parts]))

    def hessian(self, x: Any) -> Any:
        return tuple(f.hessian(a) for f, a in zip(self.parts, x, strict=True))

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        pairs = zip(self.parts, x, strict=True)
        return [pair for f, a in pairs for pair in f.constraints(a)]


def separable(*parts: Functional) -> Separable:
    """f(x_1, ..., x_n) = sum_i f_i(x_i); its proxes act on each block alone."""
    return Separable(tuple(parts))


class Total(Functional):
    """(f_1 + ... + f_n)(x): a value and a gradient. Splitting methods take the terms apart."""

    terms: tuple[Functional, ...]

    def __call__(self, x: Any) -> jax.Array:
        return sum(f(x) for f in self.terms)  # type: ignore[return-value]

    def grad(self, x: Any) -> Any:
        gradients = [f.grad(x) for f in self.terms]
        return jax.tree.map(lambda *g: sum(g), *gradients)

    def lipschitz(self) -> jax.Array:
        return sum(f.lipschitz() for f in self.terms)  # type: ignore[return-value]

    def hessian(self, x: Any) -> Any:
        products = [f.hessian(x) for f in self.terms]
        return jax.tree.map(lambda *h: sum(h), *products)

    def constraints(self, x: Any) -> list[tuple[Any, Any]]:
        return [pair for f in self.terms for pair in f.constraints(x)]

    def __add__(self, other: Any) -> Functional:
        return Total((*self.terms, other)) if isinstance(other, Functional) else NotImplemented
