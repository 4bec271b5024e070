"""The minimiser of a cost, by a method chosen for its terms."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.iterate import Method
from jaxrecon.core.pytree import Pytree
from jaxrecon.core.stopping import Solution, Status, solve_until
from jaxrecon.solvers.choose import Choice, choose
from jaxrecon.solvers.constraints import constraint_violation


class Minimum(Pytree):
    """What :func:`minimise` returns: the end of the run, and the method that was chosen for it."""

    solution: Solution
    choice: Choice
    violation: jax.Array
    """How far the image is from the constraints: :func:`constraint_violation`."""

    @property
    def x(self) -> Any:
        """The image."""
        return self.solution.x

    @property
    def iterations(self) -> jax.Array:
        """Number of steps taken."""
        return self.solution.iterations

    @property
    def status(self) -> jax.Array:
        """A :class:`jaxrecon.Status`, as an integer."""
        return self.solution.status

    @property
    def history(self) -> Any:
        """Records, or None."""
        return self.solution.history

    @property
    def method(self) -> Method:
        """The method, to run or to differentiate again."""
        return self.choice.method

    @property
    def name(self) -> str:
        """What the method is called in jaxrecon.solvers."""
        return self.choice.name

    @property
    def reason(self) -> str:
        """Why it was chosen."""
        return self.choice.reason

    def describe(self) -> str:
        """The outcome and the choice, in words; needs values, so outside of jit."""
        outcome = self.solution.describe()
        if np.any(np.asarray(self.status) == Status.INFEASIBLE):
            outcome += (
                f" It misses a constraint by {np.max(self.violation):.2g} of its size: the "
                "constraints contradict each other, or the run ended too early."
            )
        return f"{outcome} By {self.choice}"


def minimise(cost: Any, x0: Any, length: int, *, tolerance: Any, **options: Any) -> Minimum:
    r"""The minimiser of a sum of terms, min_x f_1(x) + ... + f_n(x), by a method that suits them.

    For those who do not want to choose::

        result = minimise(LeastSquares(A, m) + 0.1 * TotalVariation(shape) + NonNegative(),
                          x0, 1000, tolerance=1e-5)
        print(result.describe())

    What a term offers decides (see :func:`choose`), never a value, so that inside of jit the same
    method runs; its steps keep the condition of convergence. Terms are to be convex, which is not
    checked: with others the method ends, if at all, in a local minimum. Under vmap return what is
    needed of the result (``.x``): the whole of it holds the method, with a copy of the operator
    for every item.

    Args:
        cost: a functional, a sum f + g + h or a list of them.
        x0: start, an image in the domain of all terms. Where no term is smooth its size sets the
            scale of the steps: a rough guess is better than zeros. For counts of emission, x0 > 0.
        length: static; at most so many steps.
        tolerance: traced; the run ends when the residual, by default the relative change of the
            image in a step, is at most this: see :func:`jaxrecon.solve_until`.
        options: residual, trace, every, growth, differentiable, remat, as in
            :func:`jaxrecon.solve_until`; what state they see depends on the method, and
            ``choose(cost, x0).method.solution(state)`` reads the image from it.

    Returns:
        A :class:`Minimum` (x, iterations, status, history, solution, violation, method, name,
        reason, describe()). The status of a run that met the tolerance is CONVERGED if the image
        also meets the constraints, and else INFEASIBLE: they contradict each other, or the run
        ended too early. Constraints are met where :func:`constraint_violation` is at most 100
        times the tolerance, or the root of the precision if that is larger, and at most 0.01.

    Raises: as :func:`choose` and :func:`jaxrecon.solve_until`.
    """
    choice = choose(cost, x0)
    end = solve_until(choice.method, x0, length, tolerance=tolerance, **options)
    violation = jax.lax.stop_gradient(constraint_violation(cost, end.x))
    allowed = jnp.clip(100 * tolerance, float(jnp.finfo(violation.dtype).eps) ** 0.5, 0.01)
    missed = (end.status == Status.CONVERGED) & (violation > allowed)
    status = jnp.where(missed, jnp.int32(Status.INFEASIBLE), end.status)
    return Minimum(end._replace(status=status), choice, violation)
