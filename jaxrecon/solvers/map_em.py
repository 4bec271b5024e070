"""Penalised expectation maximisation for counts of emission, with a smooth penalty."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import real_like
from jaxrecon.solvers.emission import check_start, data_ratio, emission_parts, sensitivity_of
from jaxrecon.solvers.majoriser import penalty_majoriser


class MAPEMState(NamedTuple):
    """The iterate."""

    x: jax.Array


class MAPEM(Method):
    r"""min_{x >= 0} KL(y, A x + b) + r(x). Made by :func:`map_em`."""

    term: Functional
    operator: LinearOperator
    penalty: Functional
    sensitivity: jax.Array
    penalty_curvature: Any

    def init(self, x0: Any) -> MAPEMState:
        check_start(x0, self.operator, what="map_em")
        return MAPEMState(x0)

    def step(self, state: MAPEMState) -> MAPEMState:
        x, c = state.x, real_like(self.penalty_curvature, state.x)
        ratio = data_ratio(self.term, self.operator.apply(x))
        completed = x * self.operator.adjoint(ratio)
        return MAPEMState(map_em_step(x, completed, self.sensitivity, self.penalty.grad(x), c))


def map_em_step(
    x: jax.Array, completed: jax.Array, sensitivity: jax.Array, slope: jax.Array, curvature: Any
) -> jax.Array:
    r"""argmin_{t >= 0} sum s t - e log t + p (t - x) + c/2 (t - x)^2, in every pixel alone.

    Args:
        x: image.
        completed: e = x A^T (y / (A x + b)).
        sensitivity: s.
        slope: p, the gradient of the penalty at x.
        curvature: c >= 0, that of its majoriser.
    """
    return _minimiser(x, curvature, sensitivity + slope - curvature * x, completed)


def map_em(f: Any, penalty: Functional, *, penalty_curvature: Any = None) -> MAPEM:
    r"""Modified EM for min_{x >= 0} f(x) + r(x), f = KullbackLeibler(A, y, b) and r smooth.

    Each step minimises, in every pixel alone, the surrogate of EM for f plus a quadratic that lies
    above r and touches it at x, with a curvature c >= 0 such that diag(c) majorises the Hessian:

        e = x A^T (y / (A x + b)),   s = A^T 1,   q = s + grad r(x) - c x,
        x <- (sqrt(q^2 + 4 c e) - q) / (2 c),

    the root >= 0 of c x^2 + q x - e; for c = 0 it is e / q, the step of MLEM. The cost f + r falls
    in every step, iterates stay >= 0, and for a strictly convex cost they converge to its
    minimiser. There is no step size. (Green's one-step-late EM, x <- e / (s + grad r(x)), costs the
    same but may diverge or leave x >= 0, and is not here.)

    For a quadratic prior and its ``curvature()`` this is De Pierro's method. The smaller c the
    faster; a penalty with a large bound, such as a HuberTotalVariation with a small delta or a
    RelativeDifferencePrior with a small epsilon, makes it slow. Second derivatives near the
    solution, ``beta * prior.hessian_diagonal(x)`` for an image x of OSEM, are far smaller, but
    descent is not certain with them.

    Pixels that no ray meets are filled in by the penalty. Masks and dead bins are as in
    :func:`mlem`; x0 > 0 wherever the image may be, as a pixel at 0 leaves it only where the penalty
    pulls by more than s.

    Args:
        f: KullbackLeibler(A, counts, background), A with non-negative weights.
        penalty: r, with a gradient: ``beta * QuadraticPrior(shape)``, ``beta *
            RelativeDifferencePrior(shape, epsilon=...)``, ``beta * HuberTotalVariation(...)``.
        penalty_curvature: c, a scalar or an image, traced; None takes penalty.curvature() or
            penalty.lipschitz(). One that is too small may fail to descend.

    Raises:
        TypeError: another fidelity, a complex operator.
        ValueError: as :func:`mlem`; a curvature that is negative or not finite (checked when
            concrete).
        NotImplementedError: no curvature of the penalty is known.

    Source: De Pierro 1995, doi:10.1109/42.370409.
    """
    what = "map_em"
    term, operator = emission_parts(f, what=what)
    sensitivity = sensitivity_of(operator, what=what)
    curvature = penalty_majoriser(penalty, penalty_curvature, what=what)
    return MAPEM(term, operator, penalty, sensitivity, curvature)


def _minimiser(x: jax.Array, c: jax.Array, q: jax.Array, e: jax.Array) -> jax.Array:
    """The root >= 0 of c t^2 + q t - e, without cancellation; x where every t >= 0 is as good, or
    none is best."""
    square = q**2 + 4 * c * e
    curved = square > 0
    root = jnp.where(curved, jnp.sqrt(jnp.where(curved, square, 1)), 0)
    rising, falling = (q >= 0) & curved, (q < 0) & (c > 0)
    near = 2 * e / jnp.where(rising, q + root, 1)
    far = (root - q) / jnp.where(falling, 2 * c, 1)
    kept = jnp.where(c > 0, 0, x)  # q = c e = 0
    return jnp.where(rising, near, jnp.where(falling, far, kept))
