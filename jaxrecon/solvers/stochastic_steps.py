"""Steps of the stochastic gradient methods: their sizes, decay, and the move along a gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.functional import Functional
from jaxrecon.core.norm import operator_norm
from jaxrecon.core.vectors import add
from jaxrecon.solvers.emission import emission_step, is_emission
from jaxrecon.solvers.majoriser import data_curvature, penalty_majoriser
from jaxrecon.solvers.momentum import descend
from jaxrecon.solvers.step_conditions import CHECK_ITERATIONS, Preconditioned, check_at_most
from jaxrecon.solvers.step_sizes import check_positive, is_concrete
from jaxrecon.solvers.subset_fidelity import split_fidelity
from jaxrecon.solvers.subsets import Subsets


def stochastic_step_size(
    f: Any, subsets: Subsets, penalty: Functional | None, given: Any, *, share: float, what: str
) -> Any:
    r"""A step size as a number, an image, or a pytree that maps x to an image.

    L = max_k n ||A_k||_c^2 + L_r, with c the curvature of the data term, is a Lipschitz constant of
    the gradients of all n f_k + r. Unless given, the step size is share / L, or an
    :class:`EmissionStep` with this relaxation for counts, whose likelihood has no L.

    Raises:
        ValueError: where values are known: a step size that is not positive, or s L > 1.
        TypeError: an f without split().
        NotImplementedError: no step size is given and no L is known.
    """
    term, _ = split_fidelity(f, what=what)
    if given is None and is_emission(term):
        return emission_step(f, subsets, penalty=penalty, relaxation=share)
    if given is None:
        return share / _largest_curvature(term, subsets, penalty, 1.0, 32, what)
    if callable(given):
        plain = jax.tree.structure(given) == jax.tree.structure(0)
        return jax.tree_util.Partial(given) if plain else given
    check_positive(given, what=what, argument="step_size")
    if is_emission(term) or not is_concrete(f, subsets, penalty, given):
        return given
    try:
        load = _largest_curvature(term, subsets, penalty, given, CHECK_ITERATIONS, what)
    except NotImplementedError:
        return given
    check_at_most(load, 1.0, what=what, condition="step_size (n max_k ||A_k||^2 + L_r) <= 1")
    return given


def _largest_curvature(
    term: Any, subsets: Subsets, penalty: Any, step: Any, iterations: int, what: str
) -> jax.Array:
    """max_k n ||c^(1/2) A_k S^(1/2)||^2 + max(S L_r), S the step sizes."""
    shape = subsets.operator.codomain.shape
    curvature = jnp.broadcast_to(data_curvature(term, subsets.operator), shape)
    roots, root = subsets.split(jnp.sqrt(curvature)), jax.tree.map(jnp.sqrt, step)

    top = jnp.max(_subset_norms(subsets, root, roots, iterations))
    bound = jnp.asarray(penalty_majoriser(penalty, what=what))
    loads = [jnp.max(bound * s) for s in jax.tree.leaves(step)]
    return subsets.count * top**2 + jnp.max(jnp.stack(loads))


@partial(jax.jit, static_argnums=3)
def _subset_norms(subsets: Subsets, root: Any, roots: jax.Array, iterations: int) -> jax.Array:
    """||roots_k A_k root|| of each subset."""

    def norm_of(k: jax.Array) -> jax.Array:
        return operator_norm(Preconditioned(subsets.operator_of(k), root, roots[k]), iterations)

    return jax.lax.map(norm_of, jnp.arange(subsets.count))


def draw_subset(key: jax.Array, count: int) -> tuple[jax.Array, jax.Array]:
    """(the next key, the number of a subset drawn uniformly)."""
    key, draw = jax.random.split(key)
    return key, jax.random.randint(draw, (), 0, count)


def decayed(relaxation: Any, decay: Any, passes: jax.Array) -> Any:
    """relaxation / (1 + decay m) after m passes."""
    return relaxation / (1 + decay * passes)


def check_decay(decay: Any, *, what: str) -> None:
    """Raise ValueError unless a concrete decay is finite and >= 0."""
    if not isinstance(decay, Tracer) and not 0 <= float(decay) < np.inf:
        raise ValueError(f"{what} expected decay >= 0, got {decay}.")


def move(
    x: Any, slope: Any, step_size: Any, penalty: Functional | None, simple: Any, start: Any
) -> tuple[Any, Any]:
    """(prox_{S g}(x - S (slope + grad r(x))), start of the next prox), S the step size at x."""
    step = step_size(x) if callable(step_size) else step_size
    slope = slope if penalty is None else add(slope, penalty.grad(x))
    moved = descend(x, step, slope)
    return (moved, start) if simple is None else simple.prox_from(moved, step, start)


def prox_start(simple: Functional | None, x0: Any) -> Any:
    """Where the first prox starts."""
    return () if simple is None else simple.prox_start(x0)
