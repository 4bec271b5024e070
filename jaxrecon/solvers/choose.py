"""From the terms of a cost to a method for them, and the reason for it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_no_nan, check_space, struct_of
from jaxrecon.core.functional import Functional, Total
from jaxrecon.core.iterate import Method
from jaxrecon.core.operator import Identity
from jaxrecon.core.pytree import Pytree, static
from jaxrecon.core.quadratic import HessianOperator
from jaxrecon.core.vectors import add_scaled, norm, scaled, zeros_like
from jaxrecon.core.zero import Zero
from jaxrecon.solvers.adaptive_primal_dual import AdaptivePrimalDual
from jaxrecon.solvers.admm import admm
from jaxrecon.solvers.balanced_blocks import balanced_by_duals, balanced_by_splits, fitted_multiple
from jaxrecon.solvers.conjugate_gradient import ConjugateGradient
from jaxrecon.solvers.davis_yin import davis_yin
from jaxrecon.solvers.douglas_rachford import douglas_rachford
from jaxrecon.solvers.fourier_quadratic import fourier_update
from jaxrecon.solvers.lbfgs import lbfgs
from jaxrecon.solvers.lifted import Lifted, OfImage
from jaxrecon.solvers.line_search import first_step
from jaxrecon.solvers.map_em import map_em
from jaxrecon.solvers.mlem import mlem
from jaxrecon.solvers.normal_form import normal_form
from jaxrecon.solvers.offers import (
    Block,
    Offers,
    apart,
    commutes_with_shifts,
    diagonalised_by_fourier,
    emission_term,
    innermost,
    keeps_nonnegative,
    name_of,
    names_of,
    offers_of,
    terms_of,
)
from jaxrecon.solvers.pd3o import PD3O
from jaxrecon.solvers.proximal_gradient import fista
from jaxrecon.solvers.step_sizes import is_concrete


class Choice(Pytree):
    """A method for a cost, what it is called, and why it was chosen; made by :func:`choose`."""

    method: Method
    name: str = static()
    """that of the function in jaxrecon.solvers that makes such a method"""
    reason: str = static()

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def choose(cost: Any, x0: Any) -> Choice:
    r"""A method for min_x f_1(x) + ... + f_n(x), with step sizes, and the reason for it.

    Each term is quadratic (it has a Hessian), smooth (a gradient), simple (a prox in closed form),
    or composed (g(A x), g simple). The first line that fits:

        Kullback-Leibler of a real A, x >= 0, perhaps quadratic terms    mlem, map_em
        quadratic                                                        conjugate_gradient
        smooth                                                           lbfgs
        smooth + one simple                                              fista
        smooth + two simple                                              davis_yin
        two simple                                                       douglas_rachford
        quadratic + composed, all diagonal in Fourier space              admm
        smooth + simple + composed                                       pd3o
        simple + composed                                                adaptive_primal_dual

    FISTA restarts, and backtracks unless the smooth terms are quadratic. What is composed is
    stacked, its blocks scaled to one another (:mod:`jaxrecon.solvers.balanced_blocks`); further
    simple terms join the stack. Of the simple terms the first one is kept exactly by the splitting
    methods, which do so for a constraint in this place, except for ADMM. Total generalised
    variation is minimised over image and field together.

    Args:
        cost: a functional, a sum f + g + h or a list of them.
        x0: start, an image.

    Raises:
        NotImplementedError: a term that has neither a gradient nor a prox, with what to do; a
            smooth term without Lipschitz constant next to composed terms, or to two simple ones.
        TypeError: what is no functional; x0 of another dtype than an operator takes.
        ValueError: no term; x0 of another shape than a term takes; and where values are known NaN
            in x0, a Lipschitz constant that is not finite, negative weights of A for counts.
    """
    check_no_nan(x0, what="minimise", argument="x0")
    space = struct_of(x0)
    terms = terms_of(cost)
    for term in terms:
        if not hasattr(innermost(term), "lift"):
            domain = apart(term, space)[1].domain
            check_space(x0, domain, what=f"minimise: {name_of(term)}", argument="x0")
    found = _expectation_maximisation(terms, space)
    if found is not None:
        return found
    offers = offers_of(terms, space)
    if offers.lifted:
        return _lifted(offers, x0)
    return _chosen(offers, x0)


def _expectation_maximisation(terms: list[Functional], space: Any) -> Choice | None:
    """MLEM or MAP-EM where the terms are those of emission."""
    counts = [term for term in terms if emission_term(term)]
    if len(counts) != 1:
        return None
    bounds = [term for term in terms if keeps_nonnegative(term, space)]
    others = [term for term in terms if term not in counts and term not in bounds]
    if not bounds:
        return None
    if not others:
        return Choice(
            mlem(counts[0]),
            "mlem",
            "counts of emission and x >= 0: expectation maximisation keeps both, without a step "
            "size. It is slow; stopped early it regularises.",
        )
    offers = offers_of(others, space)
    if len(offers.quadratic) < len(others):
        return None
    return Choice(
        map_em(counts[0], _sum(others)),
        "map_em",
        f"counts of emission, x >= 0 and quadratic penalties ({names_of(others)}): modified "
        "expectation maximisation, in which the cost falls in every step, without a step size.",
    )


def _chosen(offers: Offers, x0: Any) -> Choice:
    smooth = [*offers.quadratic, *offers.smooth, *offers.rough]
    simple, composed = offers.simple, offers.composed
    if composed or len(simple) > 2 or (offers.rough and len(simple) > 1):
        return _splitting(offers, x0)
    if not smooth:
        return _two_proxes(simple, x0)
    f = _sum(smooth)
    quadratic = len(offers.quadratic) == len(smooth)
    if not simple and quadratic:
        system = HessianOperator(f, struct_of(x0))
        return Choice(
            ConjugateGradient(system, scaled(-1, f.grad(zeros_like(x0))), None),
            "conjugate_gradient",
            f"the cost is quadratic ({names_of(smooth)}): conjugate gradients solve the linear "
            "system that says that its gradient is 0. No step size.",
        )
    if not simple:
        return Choice(
            lbfgs(f),
            "lbfgs",
            f"all terms are smooth ({names_of(smooth)}): a quasi-Newton method, whose line search "
            "needs no Lipschitz constant.",
        )
    if len(simple) == 2:
        return Choice(
            davis_yin(simple[0], simple[1], f, 1 / _lipschitz(f)),
            "davis_yin",
            f"{names_of(smooth)} smooth, {names_of(simple)} with proxes: one gradient and the two "
            "proxes in a step of 1/L.",
        )
    why = f"{names_of(smooth)} smooth, {names_of(simple)} with a prox: proximal gradient, "
    if quadratic:
        method, steps = fista(f, simple[0], restart=True), "with steps of 1/L."
    else:
        first = first_step(f, x0, f.grad(x0))
        method = fista(f, simple[0], first, restart=True, backtracking=True)
        steps = "with steps by backtracking, as not all of it is quadratic."
    return Choice(method, "fista", f"{why}accelerated and restarted, {steps}")


def _two_proxes(simple: list[Functional], x0: Any) -> Choice:
    f, g = (simple[0], simple[1]) if len(simple) == 2 else (simple[0], Zero())
    identity = Identity(struct_of(x0))
    blocks = [Block(f, f, identity)]
    _, step = balanced_by_duals(blocks, fitted_multiple(blocks, x0))
    return Choice(
        douglas_rachford(f, g, step),
        "douglas_rachford",
        f"no smooth term, {names_of(simple)} with proxes: it needs nothing else, and converges "
        "for every step size.",
    )


def _splitting(offers: Offers, x0: Any) -> Choice:
    """Methods that take a stack of composed terms apart."""
    if offers.rough:
        raise NotImplementedError(
            f"minimise has no method for {names_of(offers.rough)}, with a gradient but no "
            "Lipschitz constant, next to "
            f"{names_of([*offers.simple, *(b.term for b in offers.composed)])}. Define lipschitz, "
            "where there is a bound; or take smooth penalties, such as HuberTotalVariation, and "
            "one term with a prox at most."
        )
    identity, smooth = Identity(struct_of(x0)), [*offers.quadratic, *offers.smooth]
    known = commutes_with_shifts(identity) and not offers.smooth
    known &= all(diagonalised_by_fourier(f, struct_of(x0)) for f in offers.quadratic)
    known &= all(commutes_with_shifts(block.operator) for block in offers.composed)
    if known and smooth:
        f = _sum(smooth)
        blocks = [*offers.composed, *(Block(g, g, identity) for g in offers.simple)]
        balanced = balanced_by_splits(blocks, _guess(f, x0))
        update = fourier_update(f, balanced.operator)
        return Choice(
            admm(f, balanced.functional, balanced.operator, 1.0, adaptive=True, x_update=update),
            "admm",
            f"{names_of(smooth)} and the operators of {_composed(blocks)} are diagonal in Fourier "
            "space: each system is solved exactly by FFT, and the penalty adapts.",
        )
    simple = offers.simple[0] if offers.simple else Zero()
    blocks = [*offers.composed, *(Block(g, g, identity) for g in offers.simple[1:])]
    kept = f", {names_of(offers.simple[:1])} by its prox" if offers.simple else ""
    if smooth:
        f = normal_form(_sum(smooth), struct_of(x0))
        balanced, step = balanced_by_duals(blocks, _guess(f, x0))
        tau = jnp.minimum(1.5 / _lipschitz(f), step)
        sigma = 0.99 / (tau * balanced.bound)
        return Choice(
            PD3O(simple, balanced.functional, balanced.operator, f, tau, sigma),
            "pd3o",
            f"{names_of(smooth)} by the gradient{kept}, {_composed(blocks)} freed from the "
            "operators: a primal-dual method for three terms, with steps from their norms.",
        )
    balanced, step = balanced_by_duals(blocks, fitted_multiple(blocks, x0))
    return Choice(
        AdaptivePrimalDual(
            simple, balanced.functional, balanced.operator, step, 1.0, jnp.sqrt(step)
        ),
        "adaptive_primal_dual",
        f"no smooth term{kept}, {_composed(blocks)} freed from the operators: a primal-dual "
        "method, whose steps adapt to the residuals.",
    )


def _lifted(offers: Offers, x0: Any) -> Choice:
    """The choice for pairs of image and field."""
    penalty, *more = offers.lifted
    if more or offers.rough:
        raise NotImplementedError(
            f"minimise takes one {names_of(offers.lifted[:1])}, and no term without Lipschitz "
            f"constant next to it, got {names_of([*offers.lifted, *offers.rough])}."
        )
    plain = innermost(penalty)
    pair0, lift = plain.start(x0), plain.lift
    field = struct_of(pair0[1])
    blocks = [b._replace(operator=OfImage(b.operator, field)) for b in offers.composed]
    lifted = Offers(
        quadratic=[lift(f) for f in offers.quadratic],
        smooth=[lift(f) for f in offers.smooth],
        rough=[],
        simple=[lift(g) for g in offers.simple],
        composed=[Block(penalty, *apart(penalty, struct_of(x0))), *blocks],
        lifted=[],
    )
    choice = _chosen(lifted, pair0)
    return Choice(
        Lifted(choice.method, plain),
        choice.name,
        f"{choice.reason} Image and field of {names_of([penalty])} are minimised together.",
    )


def _sum(terms: list[Functional]) -> Functional:
    return terms[0] if len(terms) == 1 else Total(tuple(terms))


def _composed(blocks: list[Block]) -> str:
    return names_of([block.term for block in blocks])


def _lipschitz(f: Functional) -> jax.Array:
    """L, for which infinity counts as unknown: NaN where it is traced."""
    constant = f.lipschitz()
    if is_concrete(constant) and not np.all(np.isfinite(constant)):
        raise ValueError(
            f"minimise expected a finite Lipschitz constant of {names_of([f])}, got {constant}. "
            "It may need smoothing, such as epsilon > 0 of a RelativeDifferencePrior."
        )
    return jnp.where(jnp.isfinite(constant), constant, jnp.nan)


@jax.jit
def _guess(f: Functional, x0: Any) -> Any:
    """An image of the right size: the least point of f on the line from x0 along its gradient.

    x0 itself where that is about 0, as for a penalty alone.
    """
    gradient = f.grad(x0)
    guess = add_scaled(x0, -first_step(f, x0, gradient), gradient)
    larger = norm(guess) > 1e-3 * norm(x0)
    return jax.tree.map(lambda a, b: jnp.where(larger, a, b), guess, x0)
