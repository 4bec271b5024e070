"""What the terms of a cost offer to a method: a gradient, a prox, or a prox apart from an operator.

All is read off the structure of the terms, by abstract evaluation, and never off values: it is the
same inside of jit.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import Space, is_complex
from jaxrecon.core.functional import Functional, Precomposed, Separable, Total, Translated, Weighted
from jaxrecon.core.operator import Composition, Identity, LinearOperator, Scaled, Stack
from jaxrecon.core.zero import Zero
from jaxrecon.solvers.emission import is_emission
from jaxrecon.solvers.step_sizes import is_quadratic


class Block(NamedTuple):
    """A term g(A x), g with a prox."""

    term: Functional
    functional: Functional
    operator: LinearOperator


class Offers(NamedTuple):
    """The terms of a cost, sorted by what they offer."""

    quadratic: list[Functional]
    """a Hessian"""
    smooth: list[Functional]
    """a gradient with a Lipschitz constant"""
    rough: list[Functional]
    """a gradient without one"""
    simple: list[Functional]
    """a prox in closed form"""
    composed: list[Block]
    """a prox when freed from an operator"""
    lifted: list[Functional]
    """a prox on pairs of the image and a field"""


def terms_of(cost: Any) -> list[Functional]:
    """The terms of a sum, or of a sequence of terms and sums; without zeros.

    Raises:
        TypeError: something else than functionals.
        ValueError: no term.
    """
    if isinstance(cost, Functional):
        terms = _summands(cost)
    elif isinstance(cost, Sequence) and all(isinstance(term, Functional) for term in cost):
        terms = [part for term in cost for part in _summands(term)]
    else:
        raise TypeError(
            "minimise expected a functional, a sum f + g + h or a list of functionals, got "
            f"{cost!r}."
        )
    terms = [term for term in terms if not isinstance(innermost(term), Zero)]
    if not terms:
        raise ValueError("minimise expected at least one term that is not Zero().")
    return terms


def _summands(term: Functional) -> list[Functional]:
    if isinstance(term, Total):
        return [part for t in term.terms for part in _summands(t)]
    if isinstance(term, Weighted) and isinstance(term.functional, Total):
        return [term.scale * part for part in _summands(term.functional)]
    return [term]


def innermost(term: Any) -> Any:
    """The term without its weights and shifts."""
    while isinstance(term, Weighted | Translated):
        term = term.functional
    return term


def name_of(term: Any) -> str:
    """What a term is called: KullbackLeibler, or L1 @ Matrix."""
    term = innermost(term)
    if isinstance(term, Separable):
        return names_of([part for part in term.parts if not isinstance(part, Zero)] or term.parts)
    if isinstance(term, Precomposed):
        return f"{name_of(term.functional)} @ {type(term.operator).__name__}"
    return type(term).__name__


def names_of(terms: Sequence) -> str:
    """The names of terms, as text."""
    names = [name_of(term) for term in terms]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def offers_of(terms: Sequence[Functional], space: Space) -> Offers:
    """The terms sorted; each goes where the fastest methods can take it.

    Raises:
        NotImplementedError: a term that has neither a gradient nor a prox.
    """
    offers = Offers([], [], [], [], [], [])
    for number, term in enumerate(terms, 1):
        inner = innermost(term)
        if is_quadratic(term, space):
            offers.quadratic.append(term)
        elif _works(lambda f: f.lipschitz(), term):
            offers.smooth.append(term)
        elif hasattr(inner, "lift"):
            offers.lifted.append(term)
        elif not _iterates(term, space) and has_prox(term, space):
            offers.simple.append(term)
        elif (block := block_of(term, space)) is not None:
            offers.composed.append(block)
        elif has_gradient(term):
            offers.rough.append(term)
        elif has_prox(term, space):
            offers.simple.append(term)
        else:
            raise NotImplementedError(_neither(term, number))
    return offers


def _neither(term: Functional, number: int) -> str:
    inner = innermost(term)
    if isinstance(inner, Precomposed):
        why = f"{name_of(inner.functional)} has no prox"
        advice = f"give {name_of(inner.functional)} a prox, or a gradient"
    else:
        why = "it defines neither grad, nor prox, nor split()"
        advice = (
            "define grad (and lipschitz, where it is known) if it is smooth; prox if that is "
            "simple; or write it as f @ A with an f that has a prox"
        )
    return (
        f"minimise cannot use term {number}, {name_of(term)}: {why}. To have it minimised, "
        f"{advice}. A smooth stand-in may do: HuberTotalVariation for total variations, "
        "MoreauEnvelope for what has a prox."
    )


def _works(function: Callable, *arguments: Any) -> bool:
    """Whether it can be traced, and does not raise NotImplementedError."""
    try:
        jax.eval_shape(function, *arguments)
    except NotImplementedError:
        return False
    return True


def has_prox(term: Functional, space: Space) -> bool:
    return _works(lambda f, v: f.prox(v, jnp.ones(())), term, space)


def _iterates(term: Functional, space: Space) -> bool:
    """Whether its prox is a loop while the term could be taken apart."""
    if not hasattr(innermost(term), "split"):
        return False
    try:
        start = jax.eval_shape(lambda f, v: f.prox_start(v), term, space)
    except NotImplementedError:
        return False
    return bool(jax.tree.leaves(start))


def has_gradient(term: Any) -> bool:
    """Whether its class, or that of what it wraps, defines grad.

    The gradient of the base class, by differentiation, is no sign that there is one.
    """
    if isinstance(term, Total):
        return all(has_gradient(part) for part in term.terms)
    if isinstance(term, Separable):
        return all(has_gradient(part) for part in term.parts)
    if type(term).grad is Functional.grad:
        return False
    inside = getattr(term, "functional", None)
    return has_gradient(inside) if isinstance(inside, Functional) else True


def apart(term: Any, space: Space) -> tuple[Functional, LinearOperator]:
    """(g, A) with the term = g(A x) on images of `space`; A = I where it cannot be taken apart."""
    if isinstance(term, Weighted):
        g, operator = apart(term.functional, space)
        return term.scale * g, operator
    if isinstance(term, Translated):
        g, operator = apart(term.functional, space)
        return g.translate(operator(term.shift)), operator
    if not hasattr(term, "split"):
        return term, Identity(space)
    if "dtype" in inspect.signature(term.split).parameters:
        leaf, *_ = jax.tree.leaves(space)
        return term.split(leaf.dtype)
    g, operator = term.split()
    return g, (Identity(space) if operator is None else operator)


def block_of(term: Functional, space: Space) -> Block | None:
    """The term as g(A x) with a g that has a prox, or None."""
    g, operator = apart(term, space)
    return Block(term, g, operator) if has_prox(g, operator.codomain) else None


def emission_term(term: Any) -> bool:
    """Whether it is the Kullback-Leibler divergence of counts, of a real operator."""
    operator = getattr(term, "operator", None)
    if not is_emission(term) or not isinstance(operator, LinearOperator):
        return False
    leaves = jax.tree.leaves((operator.domain, operator.codomain))
    return not any(is_complex(leaf.dtype) for leaf in leaves)


def keeps_nonnegative(term: Functional, space: Space) -> bool:
    """Whether it is the constraint x >= 0: it holds no numbers, and its prox is max(v, 0)."""
    if jax.tree.leaves(term) or not hasattr(space, "shape") or is_complex(space.dtype):
        return False
    probe = np.resize(np.asarray([-2.0, 0.0, 0.3, 2.0, -0.1], space.dtype), space.shape)
    with jax.ensure_compile_time_eval():
        nearest = np.asarray(term.prox(jnp.asarray(probe), jnp.asarray(0.7, space.dtype)))
    return np.array_equal(nearest, np.maximum(probe, 0))


def diagonalised_by_fourier(term: Any, space: Space) -> bool:
    """Whether the Hessian of a quadratic term is known to commute with periodic shifts."""
    if isinstance(term, Total):
        return all(diagonalised_by_fourier(part, space) for part in term.terms)
    g, operator = apart(term, space)
    known = _is_identity(innermost(g).hessian, operator.codomain)
    return known and commutes_with_shifts(operator)


def commutes_with_shifts(operator: Any) -> bool:
    """Whether A^H A is known to commute with periodic shifts of an image: A^H A = I, operators with
    the boundary 'periodic' that keep the shape, and multiples, stacks and products of them."""
    space = operator.domain
    if not hasattr(space, "shape"):
        return False
    if isinstance(operator, Stack):
        return all(commutes_with_shifts(part) for part in operator.operators)
    if isinstance(operator, Scaled):
        return commutes_with_shifts(operator.operator)
    if isinstance(operator, Composition):
        filters = getattr(operator.inner, "boundary", None) == "periodic"
        kept = operator.inner.codomain == operator.inner.domain
        both = commutes_with_shifts(operator.inner) and commutes_with_shifts(operator.outer)
        return filters and kept and both
    if getattr(operator, "boundary", None) == "periodic":
        shapes = operator.shape, getattr(operator.codomain, "shape", ())[-len(space.shape) :]
        return shapes == (space.shape, space.shape)
    return _is_identity(operator.normal, space)


def _is_identity(function: Callable, space: Space) -> bool:
    """Whether a function hands back what it is given."""
    same = []

    def look(x: Any) -> Any:
        y = function(x)
        pairs = zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
        same.extend(a is b for a, b in pairs)
        return y

    return _works(look, space) and all(same)
