"""Derivatives of a solution, from the equation that it solves instead of the way that led there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_choice, check_positive_int
from jaxrecon.core.functional import Functional
from jaxrecon.core.iterate import Method
from jaxrecon.core.linear_system import solve_linear
from jaxrecon.core.stopping import Solution, solve_until
from jaxrecon.core.tangents import change_along, merged, split

DERIVATIVES = ("implicit", "one step")
"""The derivatives of :func:`fixed_point`."""


def fixed_point(
    method: Method,
    x0: Any,
    length: int,
    *,
    tolerance: Any,
    derivative: str = "implicit",
    solver: Method | None = None,
    linear_steps: int = 200,
    linear_tolerance: Any = None,
    **options: Any,
) -> Solution:
    r"""The fixed point z = S(z, p) of the step of `method`, with its derivatives in p.

    It is found by :func:`jaxrecon.solve_until`, and differentiated in everything that the method
    holds: penalties, data, operators and their parameters (angles of a CT scan, coil maps, a
    blur). Memory does not grow with the number of steps, and x0 has no derivative.

    "implicit", by the implicit function theorem:  dz = (I - S_z)^-1 S_p dp, S_z and S_p the
    derivatives of one step at z. One linear system by GMRES, for dz in forward mode, or for its
    adjoint (I - S_z)^H in reverse mode, on the whole state (numbers that are not real or complex
    are taken as constant). Exact up to the accuracy of z and of the system, to any order.

    "one step":  dz = S_p dp, the derivative of one more step, which is taken and counted. It costs
    one step and solves nothing. Where S contracts by r in one step it is wrong by up to r / (1 - r)
    of the largest |S_p dp|: good for methods that end fast, and a direction of descent otherwise.

    Suited are methods whose whole state comes to rest at the solution, and whose steps depend on
    nothing else: gradient descent, ISTA, SIRT, the primal-dual and splitting methods (PDHG,
    Douglas-Rachford, ADMM), equilibrium networks. Of methods that do not (momentum of FISTA,
    directions of conjugate gradients, line searches, subsets in turn) the fixed point in x is also
    that of a plainer step: find it with one, and differentiate the other::

        fixed_point(ista(f, g), x0, 1000, tolerance=1e-8, solver=fista(f, g, restart=True))

    At kinks (a pixel on the edge of a threshold or constraint) the derivative is that of one side.

    Args:
        method: whose step is differentiated. ``jax.grad`` gives the conjugate of the steepest
            ascent in complex fields, as everywhere.
        x0: start.
        length: static; at most so many steps.
        tolerance: traced, as in :func:`jaxrecon.solve_until`. The error of z enters the derivative
            to first order: be stricter than for the image alone.
        derivative: "implicit" or "one step".
        solver: None, or a method for the same problem that runs first, from x0 to the
            tolerance. Then `method` goes on from its image, by the relative change of the image,
            for at most `length` more steps: it has converged only if that is its fixed point too.
        linear_steps: static; at most so many applications of S_z in a solve.
        linear_tolerance: traced; relative residual at which it stops. A hundred times the precision
            of the state unless given.
        options: residual, trace, every, growth, as in :func:`jaxrecon.solve_until`; with a solver
            they are for its run.

    Returns:
        A :class:`Solution`: x and state have the derivatives, the rest has none. With a solver,
        iterations counts both runs, and the history is the solver's. Derivatives are NaN where the
        linear system could not be solved: not a fixed point that attracts, or a singular system.

    Raises:
        ValueError: another derivative; as :func:`jaxrecon.solve_until`.

    Source: one step: Bolte, Pauwels and Vaiter 2023, doi:10.48550/arXiv.2305.13768, and Wu Fung et
    al. 2022, doi:10.1609/aaai.v36i6.20619; implicit: Blondel et al. 2022,
    doi:10.48550/arXiv.2105.15183, with kinks Bolte, Le, Pauwels and Silveti-Falls 2021,
    doi:10.48550/arXiv.2106.04350.
    """
    what = "fixed_point"
    check_choice(derivative, DERIVATIVES, what=what, argument="derivative")
    linear_steps = check_positive_int(linear_steps, what=what, argument="linear_steps")
    frozen, solver, x0 = jax.lax.stop_gradient((method, solver, x0))
    if solver is None:
        end = _run(frozen, x0, length, tolerance=tolerance, **options)
    else:
        first = _run(solver, x0, length, tolerance=tolerance, **options)
        end = _run(frozen, first.x, length, tolerance=tolerance)
        end = end._replace(iterations=first.iterations + end.iterations, history=first.history)
    if derivative == "one step":
        state = method.step(end.state)
        end = end._replace(iterations=end.iterations + 1)
    else:
        leaves, tree = jax.tree.flatten(end.state)
        moving = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]

        def residual(method: Method, floats: list, others: list) -> list:
            """z - S(z, p), of the leaves that have derivatives."""
            state = jax.tree.unflatten(tree, merged(moving, floats, others))
            new = split(moving, jax.tree.leaves(method.step(state)))[0]
            return jax.tree.map(jnp.subtract, floats, new)

        floats, others = split(moving, leaves)
        floats = _root(residual, linear_steps, False, method, floats, others, linear_tolerance)
        state = jax.tree.unflatten(tree, merged(moving, floats, others))
    return end._replace(x=method.solution(state), state=state)


def stationary_point(
    f: Functional,
    method: Method,
    x0: Any,
    length: int,
    *,
    tolerance: Any,
    linear_steps: int = 200,
    linear_tolerance: Any = None,
    **options: Any,
) -> Solution:
    r"""The minimiser x of a smooth, strongly convex f, found by `method`, with its derivatives.

    grad f(x, p) = 0 gives  dx = -H^-1 (grad f)_p dp, H the Hessian of f at x: one linear system by
    conjugate gradients, which need products H v only, in forward and reverse mode and to any order.
    Whichever method has found x plays no part, so it may have line searches, momentum or a memory;
    nor is it differentiated: p is what f holds. Memory does not grow with the number of steps, and
    x0 has no derivative. With a term that has a prox take :func:`fixed_point`.

    Args:
        f: the whole cost, twice differentiable at x and with a positive definite Hessian there.
        method: that minimises f.
        x0: start.
        length: static; at most so many steps.
        tolerance: traced, as in :func:`jaxrecon.solve_until`, with
            ``residual=lambda s: norm(f.grad(s.x))`` best on the gradient.
        linear_steps: static; at most so many products with H in a solve.
        linear_tolerance: traced; relative residual at which it stops. A hundred times the precision
            of x unless given.
        options: residual, trace, every, growth, as in :func:`jaxrecon.solve_until`.

    Returns:
        A :class:`Solution`: x has the derivatives, the rest has none. They are NaN where the linear
        system could not be solved.

    Raises: as :func:`jaxrecon.solve_until`.

    Source: Bengio 2000, doi:10.1162/089976600300015187; Blondel et al. 2022,
    doi:10.48550/arXiv.2105.15183.
    """
    linear_steps = check_positive_int(
        linear_steps, what="stationary_point", argument="linear_steps"
    )
    end = _run(*jax.lax.stop_gradient((method, x0)), length, tolerance=tolerance, **options)

    def slope(f: Functional, x: Any, others: Any) -> Any:
        return f.grad(x)

    return end._replace(x=_root(slope, linear_steps, True, f, end.x, None, linear_tolerance))


def _run(method: Method, x0: Any, length: int, **options: Any) -> Solution:
    """The solution as a constant; whatever its criterion and its records depend on."""
    return jax.lax.stop_gradient(solve_until(method, x0, length, **options))


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _root(
    residual: Callable,
    steps: int,
    symmetric: bool,
    parameters: Any,
    x: Any,
    constants: Any,
    tolerance: Any,
) -> Any:
    """x as it is; with the derivatives of the root of residual(parameters, x, constants) = 0."""
    return x


@partial(_root.defjvp, symbolic_zeros=True)
def _root_jvp(
    residual: Callable, steps: int, symmetric: bool, primals: tuple, tangents: tuple
) -> tuple:
    """R(p, x) = 0 gives R_x dx = -R_p dp."""
    parameters, x, constants, tolerance = primals
    x = _root(residual, steps, symmetric, parameters, x, constants, tolerance)
    change = change_along(lambda p: residual(p, x, constants), parameters, tangents[0])
    _, derivative = jax.linearize(lambda z: residual(parameters, z, constants), x)
    negative = jax.tree.map(jnp.negative, change)
    options = {"steps": steps, "tolerance": jax.lax.stop_gradient(tolerance)}
    return x, solve_linear(derivative, negative, symmetric=symmetric, **options)
