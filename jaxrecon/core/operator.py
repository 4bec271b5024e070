"""Linear operators: a pair of pure functions, the spaces between which they map, and an algebra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import Space, check_space, describe
from jaxrecon.core.pytree import Pytree, static


def conj(tree: Any) -> Any:
    """Complex conjugate of every leaf; real leaves stay as they are."""
    return jax.tree.map(lambda a: a.conj() if jnp.iscomplexobj(a) else a, tree)


class LinearOperator(Pytree):
    r"""A linear map A from `domain` to `codomain`, a pytree that can be an argument of jit.

    `A(x)` applies it to one element, with shapes and dtypes checked while tracing; batches come
    from ``jax.vmap(A)``. `A.H` is the adjoint with respect to the plain Euclidean inner product
    <x, y> = vdot(x, y) (conjugate-linear in x; its real part where one side is real and the other
    complex), no weights hidden: <A x, y> = <x, A.H y>.

    Algebra: ``A @ B`` (composition), ``A + B``, ``A - B``, ``c * A``, ``-A``, :func:`stack`,
    :func:`block_diagonal`.

    A subclass defines `domain`, `codomain` and `apply`; `adjoint` comes from
    :func:`jax.linear_transpose` unless it is overridden, and `normal` where there is a shortcut.

    Raises:
        ValueError, TypeError: at trace time, when x is not in the domain.
    """

    @property
    def domain(self) -> Space:
        """Space of x: a ShapeDtypeStruct, or a tuple of them."""
        raise NotImplementedError(f"{type(self).__name__} must define domain")

    @property
    def codomain(self) -> Space:
        """Space of A x; found by abstract evaluation unless overridden."""
        return jax.eval_shape(lambda s, x: s.apply(x), self, self.domain)

    def apply(self, x: Any) -> Any:
        """A x, unchecked."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def adjoint(self, y: Any) -> Any:
        """A^H y, unchecked."""
        (x,) = jax.linear_transpose(self.apply, self.domain)(conj(y))
        return conj(x)

    def normal(self, x: Any) -> Any:
        """A^H A x, unchecked; overridden where it is cheaper than its two halves."""
        return self.adjoint(self.apply(x))

    def __call__(self, x: Any) -> Any:
        check_space(x, self.domain, what=f"{type(self).__name__}(x)")
        return self.apply(x)

    @property
    def H(self) -> LinearOperator:
        """The adjoint operator."""
        return Adjoint(self)

    def __matmul__(self, other: Any) -> LinearOperator:
        if not isinstance(other, LinearOperator):
            raise TypeError("A @ B composes two operators; to apply A to an array write A(x).")
        if isinstance(other, Identity):
            return self
        return Composition(self, other)

    def __add__(self, other: Any) -> LinearOperator:
        return Sum(self, other) if isinstance(other, LinearOperator) else NotImplemented

    def __sub__(self, other: Any) -> LinearOperator:
        return (
            Sum(self, Scaled(-1.0, other)) if isinstance(other, LinearOperator) else NotImplemented
        )

    def __mul__(self, scalar: Any) -> LinearOperator:
        if isinstance(scalar, LinearOperator) or jnp.ndim(scalar) != 0:
            raise TypeError(
                "c * A takes a scalar c; A @ B composes operators, and A(x) applies A to an array."
            )
        return Scaled(scalar, self)

    __rmul__ = __mul__

    def __neg__(self) -> LinearOperator:
        return Scaled(-1.0, self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({describe(self.domain)} -> {describe(self.codomain)})"


class Identity(LinearOperator):
    """I x = x on any space."""

    space: Space = static()

    @property
    def domain(self) -> Space:
        return self.space

    @property
    def codomain(self) -> Space:
        return self.space

    def apply(self, x: Any) -> Any:
        return x

    def adjoint(self, y: Any) -> Any:
        return y

    def __matmul__(self, other: Any) -> LinearOperator:
        return other if isinstance(other, LinearOperator) else super().__matmul__(other)


class FunctionOperator(LinearOperator):
    """The operator of a pure linear function; the adjoint is its transpose unless one is given.

    Args:
        function: x -> A x, linear and pure. It is compared by identity, so make it once, outside
            of loops: a fresh lambda at every call would trace jitted code again.
        space: domain.
        adjoint_function: y -> A^H y, or None for the automatic transpose.
    """

    function: Callable = static()
    space: Space = static()
    adjoint_function: Callable | None = static(default=None)

    @property
    def domain(self) -> Space:
        return self.space

    def apply(self, x: Any) -> Any:
        return self.function(x)

    def adjoint(self, y: Any) -> Any:
        if self.adjoint_function is None:
            return super().adjoint(y)
        return self.adjoint_function(y)


class Adjoint(LinearOperator):
    """A.H as an operator of its own."""

    operator: LinearOperator

    @property
    def domain(self) -> Space:
        return self.operator.codomain

    @property
    def codomain(self) -> Space:
        return self.operator.domain

    def apply(self, x: Any) -> Any:
        return self.operator.adjoint(x)

    def adjoint(self, y: Any) -> Any:
        return self.operator.apply(y)

    @property
    def H(self) -> LinearOperator:
        return self.operator


class Composition(LinearOperator):
    """(outer @ inner) x = outer(inner(x))."""

    outer: LinearOperator
    inner: LinearOperator

    def __post_init__(self) -> None:
        if self.outer.domain != self.inner.codomain:
            raise ValueError(
                f"A @ B needs the codomain of B to be the domain of A, but B = {self.inner!r} "
                f"gives {describe(self.inner.codomain)} and A = {self.outer!r} takes "
                f"{describe(self.outer.domain)}."
            )

    @property
    def domain(self) -> Space:
        return self.inner.domain

    @property
    def codomain(self) -> Space:
        return self.outer.codomain

    def apply(self, x: Any) -> Any:
        return self.outer.apply(self.inner.apply(x))

    def adjoint(self, y: Any) -> Any:
        return self.inner.adjoint(self.outer.adjoint(y))

    def normal(self, x: Any) -> Any:
        return self.inner.adjoint(self.outer.normal(self.inner.apply(x)))


class Sum(LinearOperator):
    """(A + B) x = A x + B x."""

    first: LinearOperator
    second: LinearOperator

    def __post_init__(self) -> None:
        a, b = self.first, self.second
        if a.domain != b.domain or a.codomain != b.codomain:
            raise ValueError(f"A + B needs equal spaces, got A = {a!r} and B = {b!r}.")

    @property
    def domain(self) -> Space:
        return self.first.domain

    @property
    def codomain(self) -> Space:
        return self.first.codomain

    def apply(self, x: Any) -> Any:
        return jax.tree.map(jnp.add, self.first.apply(x), self.second.apply(x))

    def adjoint(self, y: Any) -> Any:
        return jax.tree.map(jnp.add, self.first.adjoint(y), self.second.adjoint(y))


class Scaled(LinearOperator):
    """(c A) x = c (A x), with the adjoint conj(c) A^H. The scalar is traced."""

    scalar: Any
    operator: LinearOperator

    def __post_init__(self) -> None:
        leaves = (*jax.tree.leaves(self.domain), *jax.tree.leaves(self.codomain))
        if jnp.iscomplexobj(self.scalar) and not all(jnp.iscomplexobj(s) for s in leaves):
            raise TypeError(
                f"a complex scalar times the operator {self.operator!r} would leave its real "
                "space; build the operator with a complex dtype."
            )

    @property
    def domain(self) -> Space:
        return self.operator.domain

    @property
    def codomain(self) -> Space:
        return self.operator.codomain

    def apply(self, x: Any) -> Any:
        return _scale(self.scalar, self.operator.apply(x))

    def adjoint(self, y: Any) -> Any:
        return _scale(jnp.conj(self.scalar), self.operator.adjoint(y))

    def normal(self, x: Any) -> Any:
        return _scale(jnp.abs(self.scalar) ** 2, self.operator.normal(x))


def _scale(scalar: Any, tree: Any) -> Any:
    return jax.tree.map(lambda a: (jnp.asarray(scalar) * a).astype(a.dtype), tree)


class Stack(LinearOperator):
    """x -> (A_1 x, ..., A_n x): several operators see one image. Made by :func:`stack`."""

    operators: tuple[LinearOperator, ...]

    def __post_init__(self) -> None:
        if not self.operators:
            raise ValueError("stack(A, B, ...) needs at least one operator.")
        if any(a.domain != self.operators[0].domain for a in self.operators):
            raise ValueError(f"stack(A, B, ...) needs equal domains, got {self.operators!r}.")

    @property
    def domain(self) -> Space:
        return self.operators[0].domain

    @property
    def codomain(self) -> Space:
        return tuple(a.codomain for a in self.operators)

    def apply(self, x: Any) -> Any:
        return tuple(a.apply(x) for a in self.operators)

    def adjoint(self, y: Any) -> Any:
        return _tree_sum([a.adjoint(b) for a, b in zip(self.operators, y, strict=True)])

    def normal(self, x: Any) -> Any:
        return _tree_sum([a.normal(x) for a in self.operators])


def _tree_sum(trees: list) -> Any:
    total = trees[0]
    for tree in trees[1:]:
        total = jax.tree.map(jnp.add, total, tree)
    return total


class BlockDiagonal(LinearOperator):
    """(x_1, ..., x_n) -> (A_1 x_1, ..., A_n x_n). Made by :func:`block_diagonal`."""

    operators: tuple[LinearOperator, ...]

    def __post_init__(self) -> None:
        if not self.operators:
            raise ValueError("block_diagonal(A, B, ...) needs at least one operator.")

    @property
    def domain(self) -> Space:
        return tuple(a.domain for a in self.operators)

    @property
    def codomain(self) -> Space:
        return tuple(a.codomain for a in self.operators)

    def apply(self, x: Any) -> Any:
        return tuple(a.apply(b) for a, b in zip(self.operators, x, strict=True))

    def adjoint(self, y: Any) -> Any:
        return tuple(a.adjoint(b) for a, b in zip(self.operators, y, strict=True))

    def normal(self, x: Any) -> Any:
        return tuple(a.normal(b) for a, b in zip(self.operators, x, strict=True))


def stack(*operators: LinearOperator) -> Stack:
    """x -> (A_1 x, ..., A_n x), with the adjoint sum_i A_i^H y_i. All domains must be equal."""
    return Stack(tuple(operators))


def block_diagonal(*operators: LinearOperator) -> BlockDiagonal:
    """(x_1, ..., x_n) -> (A_1 x_1, ..., A_n x_n)."""
    return BlockDiagonal(tuple(operators))
