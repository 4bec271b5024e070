"""A fidelity whose data are dealt out to subsets of the rows of its operator."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.functional import Functional
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.pytree import Pytree
from jaxrecon.core.vectors import add, scaled, zeros_like
from jaxrecon.solvers.subsets import Subsets


class SubsetFidelity(Pytree):
    r"""f(x) = sum_k f_k(A_k x), one term for each of n subsets. Made by :func:`subset_fidelity`.

    Args:
        subsets: the rows of A.
        terms: the data term f, with all its arrays split: of f_k they are the entries k along
            axis 0 (data, counts, weights, background).
    """

    subsets: Subsets
    terms: Functional

    @property
    def count(self) -> int:
        """n."""
        return self.subsets.count

    def part(self, k: Any) -> tuple[Any, LinearOperator]:
        """(f_k, A_k), k may be traced."""
        return jax.tree.map(lambda a: a[k], self.terms), self.subsets.operator_of(k)

    def slope(self, x: Any, k: Any) -> jax.Array:
        """f_k'(A_k x), like the data of a subset."""
        term, operator = self.part(k)
        return term.grad(operator.apply(x))

    def backproject(self, slope: Any, k: Any) -> Any:
        """A_k^H slope, an image."""
        return self.subsets.operator_of(k).adjoint(slope)

    def gradient(self, x: Any, k: Any) -> Any:
        """n A_k^H f_k'(A_k x), whose mean over the subsets is the gradient of f."""
        return scaled(self.count, self.backproject(self.slope(x, k), k))

    def full(self, x: Any) -> tuple[Any, jax.Array]:
        """The gradient of f, and the slopes f_k'(A_k x) of all subsets, (count, size, ...)."""

        def visit(total: Any, k: jax.Array) -> tuple[Any, jax.Array]:
            slope = self.slope(x, k)
            return add(total, self.backproject(slope, k)), slope

        return jax.lax.scan(visit, zeros_like(x), jnp.arange(self.count))


def subset_fidelity(f: Any, subsets: Subsets, *, what: str) -> SubsetFidelity:
    """The data term of f in subsets.

    Raises:
        ValueError: subsets of an operator of other spaces.
        TypeError: an f without split(), or of no operator.
    """
    term, operator = split_fidelity(f, what=what)
    check_subsets(operator, subsets, what=what)
    shape = operator.codomain.shape

    def dealt_out(a: Any) -> jax.Array:
        """A scalar (a weight, say) goes to every subset as it is."""
        if jnp.ndim(a) == 0:
            return jnp.broadcast_to(a, (subsets.count,))
        return subsets.split(jnp.broadcast_to(a, shape))

    split = jax.tree.map(dealt_out, term)
    check_sum_over_data(term, split, subsets, what=what)
    return SubsetFidelity(subsets, split)


def check_sum_over_data(term: Any, split: Any, subsets: Subsets, *, what: str) -> None:
    """Raise TypeError unless term(y) = sum_k split_k(y_k) at a positive y, if values are known."""
    leaves = jax.tree.leaves((term, subsets))
    if any(isinstance(leaf, Tracer) for leaf in leaves):
        return
    space = subsets.operator.codomain
    y = jnp.asarray(np.random.default_rng(0).uniform(0.5, 1.5, space.shape), space.dtype)
    whole, parts = term(y), jnp.sum(jax.vmap(lambda f, a: f(a))(split, subsets.split(y)))
    if isinstance(whole, Tracer) or isinstance(parts, Tracer):  # within jit
        return
    if not abs(whole - parts) <= 1e-3 * abs(whole):
        raise TypeError(
            f"{what} expected a data term that is a sum over the data, which subsets share out, "
            f"got {type(term).__name__}: it couples them (whole {float(whole):.6g}, parts "
            f"{float(parts):.6g}), or is infinite."
        )


def check_subsets(operator: LinearOperator, subsets: Subsets, *, what: str) -> None:
    """Raise ValueError unless the subsets are those of an operator of the same spaces."""
    expected = subsets.operator
    if (operator.domain, operator.codomain) != (expected.domain, expected.codomain):
        raise ValueError(
            f"{what} expected subsets of the operator of f, {operator!r}, got those of "
            f"{expected!r}."
        )


def split_fidelity(f: Any, *, what: str) -> tuple[Any, LinearOperator]:
    """(data term, A) of a fidelity of an operator, or the error that says what f lacks."""
    if not hasattr(f, "split"):
        raise TypeError(
            f"{what} expected a fidelity with split() as f, got {type(f).__name__}; LeastSquares, "
            "KullbackLeibler and TransmissionPoisson are such. A penalty is passed as penalty=."
        )
    term, operator = f.split()
    if operator is None:
        raise TypeError(f"{what} expected a fidelity of an operator, got one of None.")
    return term, operator
