"""The alternating direction method of multipliers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import add, add_scaled, inner, norm, scaled, subtract, zeros_like
from jaxrecon.solvers.balance import balancing_factor
from jaxrecon.solvers.step_conditions import check_relaxation_below
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.solvers.x_update import XUpdate, choose_x_update


class ADMMState(NamedTuple):
    """The image, the split variable z = A x, the scaled dual variable, the penalty; what the
    proxes start from, and the number of steps."""

    x: Any
    z: Any
    u: Any
    penalty: jax.Array
    starts: Any
    count: jax.Array


class ADMM(Method):
    r"""min_x f(x) + g(A x). Made by :func:`admm`."""

    functional: Functional
    composed: Functional
    operator: LinearOperator
    penalty: Any
    relaxation: Any
    x_update: XUpdate
    adaptive: bool = static(default=False)

    def init(self, x0: Any) -> ADMMState:
        z = self.operator(x0)
        penalty = jnp.asarray(self.penalty, inner(z, z).dtype)
        starts = self.x_update.start(x0), self.composed.prox_start(z)
        return ADMMState(x0, z, zeros_like(z), penalty, starts, jnp.zeros((), jnp.int32))

    def step(self, state: ADMMState) -> ADMMState:
        new, image = admm_step(
            state,
            self.operator.apply,
            self.composed.prox_from,
            self.x_update.from_start,
            self.relaxation,
        )
        if not self.adaptive:
            return new
        misfit = norm(subtract(image, new.z)) * norm(new.u)
        motion = norm(subtract(new.z, state.z)) * jnp.maximum(norm(image), norm(new.z))
        factor = balancing_factor(misfit, motion, state.count)
        return new._replace(penalty=state.penalty * factor, u=scaled(1 / factor, new.u))


def admm_step(
    state: ADMMState,
    apply: Callable,
    prox_from: Callable,
    update_from: Callable,
    relaxation: Any = 1.0,
) -> tuple[ADMMState, Any]:
    r"""One step in scaled form: x, z, and the multiplier u <- u + w - z.

    Args:
        state: the iterates and the penalty b, with what both maps start from.
        apply: x -> A x.
        prox_from: (v, 1 / b, start) -> (prox of g / b at v, next start).
        update_from: (v, b, x, start) -> (argmin_x f(x) + b/2 ||A x - v||^2, next start).
        relaxation: w = relaxation * A x + (1 - relaxation) z.

    Returns:
        (the next state, A x).
    """
    penalty, (x_start, z_start) = state.penalty, state.starts
    x, x_start = update_from(subtract(state.z, state.u), penalty, state.x, x_start)
    image = apply(x)
    split = add_scaled(state.z, relaxation, subtract(image, state.z))
    raised = add(split, state.u)
    z, z_start = prox_from(raised, 1 / penalty, z_start)
    u = subtract(raised, z)
    return ADMMState(x, z, u, penalty, (x_start, z_start), state.count + 1), image


def admm(
    f: Functional,
    g: Functional,
    operator: LinearOperator,
    penalty: Any,
    *,
    adaptive: bool = False,
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

    With `adaptive` the penalty is multiplied in each step by the root of the ratio of the relative
    residuals, primal ||A x - z|| / max(||A x||, ||z||) over dual ||z - z_old|| / ||u||, in bounds
    that shrink so fast that all factors together stay below 2^11: it settles, and the method
    converges as with a fixed one. The state shows it.

    The x-update is f.prox where A is an Identity; conjugate gradients started at the last x where
    f is quadratic (least squares, squared norms, their sums); or what the caller gives, such as
    :func:`fourier_update`, exact by FFT. A prox that iterates starts where it ended in the step
    before.

    Args:
        f: term in x. With `x_update` it is only kept for its value.
        g: term in A x, with a prox.
        operator: A.
        penalty: traced scalar > 0.
        adaptive: static.
        relaxation: traced; 1.5 to 1.8 often saves a third of the steps.
        x_update: (v, penalty, x) -> argmin_x f(x) + penalty/2 ||A x - v||^2, with x the last
            iterate; an :class:`XUpdate`, a pytree whose class defines ``__call__`` (arrays as
            fields), a ``jax.tree_util.Partial``, or a plain function, which is static and compared
            by identity.
        iterations: static; at most so many steps of conjugate gradients in one x-update.
        tolerance: static; they stop at this relative residual of the change of x.

    Raises:
        NotImplementedError: f is not quadratic, A is not an Identity, and no x_update is given.
        ValueError: a penalty <= 0 or a relaxation outside of (0, 2), where the values are known.

    Source: Boyd, Parikh, Chu, Peleato and Eckstein 2011, doi:10.1561/2200000016; adaptive
    penalties: He, Yang and Wang 2000, doi:10.1023/A:1004603514434; relative residuals: Wohlberg
    2017, doi:10.48550/arXiv.1704.06209.
    """
    check_positive(penalty, what="admm", argument="penalty")
    check_relaxation_below(relaxation, 2, what="admm")
    x_update = choose_x_update(f, operator, x_update, iterations, tolerance, what="admm")
    return ADMM(f, g, operator, penalty, relaxation, x_update, adaptive)
