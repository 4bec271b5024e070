"""A hand-written forward and adjoint, tied into one linear map with exact derivatives."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from jaxrecon.core.operator import conj

_matched = Primitive("jaxrecon_matched")
_matched.multiple_results = True


@dataclasses.dataclass(frozen=True)
class _Pair:
    """Static part: functions of (parameters, x) -> y and (parameters, y) -> x, and x's space."""

    forward: Callable
    adjoint: Callable
    parameters: Any  # treedefs and, for the space of x, a tuple of ShapeDtypeStructs
    x: Any
    y: Any
    x_avals: tuple
    y_avals: tuple
    loop_on_cpu: bool = False

    def flipped(self) -> _Pair:
        return dataclasses.replace(
            self,
            forward=self.adjoint,
            adjoint=self.forward,
            x=self.y,
            y=self.x,
            x_avals=self.y_avals,
            y_avals=self.x_avals,
        )

    def run(self, n: int, *leaves: Any) -> list:
        parameters = jax.tree.unflatten(self.parameters, leaves[:n])
        out = self.forward(parameters, jax.tree.unflatten(self.x, leaves[n:]))
        return jax.tree.leaves(out)


def matched(
    forward: Callable, adjoint: Callable, *, loop_on_cpu: bool = False
) -> tuple[Callable, Callable]:
    r"""Tie A(p) and A(p)^H, written by hand, so that each is the derivative rule of the other.

    Automatic transposition of a gather gives a scatter, slow and large; a hand-written adjoint is
    neither, but autodiff does not know it. The two functions returned compute the same as those
    given, and

    - the derivative in x is exact and linear: forward mode applies the forward, reverse mode the
      adjoint (and the adjoint's reverse mode the forward), to any order;
    - the derivative in the parameters p (angles, coil maps, positions) is that of the raw function;
    - they work under jit, vmap, grad, jvp, linear_transpose, scan, and lower for CPU, GPU and TPU.

    Args:
        forward: (parameters, x) -> A(p) x, linear in x; pytrees on both sides.
        adjoint: (parameters, y) -> A(p)^H y, with <A x, y> = <x, A^H y> exactly (up to rounding);
            check it with :func:`jaxrecon.testing.assert_adjoint`.
        loop_on_cpu: vmap handles the items of a batch one after the other on CPU, which is faster
            where one item fills the cache; elsewhere they are vectorised as usual.

    Returns:
        (forward, adjoint) with the signatures (parameters, x) and (parameters, y, like), where
        `like` is the space of x, as a ShapeDtypeStruct or a pytree of them.

    The functions are compared by identity: tie them once, at module level.
    """

    def apply(parameters: Any, x: Any) -> Any:
        y = jax.eval_shape(forward, parameters, x)
        return _bind(forward, adjoint, parameters, x, y, loop_on_cpu)

    def apply_adjoint(parameters: Any, y: Any, like: Any) -> Any:
        return _bind(adjoint, forward, parameters, y, like, loop_on_cpu)

    return apply, apply_adjoint


def _bind(
    forward: Callable, adjoint: Callable, parameters: Any, x: Any, out: Any, loop_on_cpu: bool
) -> Any:
    parameters = jax.tree.map(jnp.asarray, parameters)
    x = jax.tree.map(jnp.asarray, x)
    p_leaves, p_tree = jax.tree.flatten(parameters)
    x_leaves, x_tree = jax.tree.flatten(x)
    y_leaves, y_tree = jax.tree.flatten(out)
    x_avals, y_avals = _avals(x_leaves), _avals(y_leaves)
    pair = _Pair(forward, adjoint, p_tree, x_tree, y_tree, x_avals, y_avals, loop_on_cpu)
    flat = _matched.bind(*p_leaves, *x_leaves, n=len(p_leaves), pair=pair)
    return jax.tree.unflatten(y_tree, flat)


def _avals(leaves: Any) -> tuple:
    return tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in leaves)


def _abstract(*leaves: Any, n: int, pair: _Pair) -> list:
    return [ShapedArray(a.shape, a.dtype) for a in pair.y_avals]


def _implementation(*leaves: Any, n: int, pair: _Pair) -> list:
    return pair.run(n, *leaves)


def _jvp(primals: tuple, tangents: tuple, *, n: int, pair: _Pair) -> tuple[list, list]:
    out = _matched.bind(*primals, n=n, pair=pair)
    total = None
    if any(type(t) is not ad.Zero for t in tangents[n:]):
        dx = [ad.instantiate_zeros(t) for t in tangents[n:]]
        total = _matched.bind(*primals[:n], *dx, n=n, pair=pair)
    if any(type(t) is not ad.Zero for t in tangents[:n]):
        moving = [i for i in range(n) if type(tangents[i]) is not ad.Zero]

        def raw(*some: Any) -> list:
            leaves = list(primals)
            for i, leaf in zip(moving, some, strict=True):
                leaves[i] = leaf
            return plain.run(n, *leaves)

        plain = dataclasses.replace(pair, forward=_vectorised(pair.forward))
        _, dp = jax.jvp(raw, [primals[i] for i in moving], [tangents[i] for i in moving])
        total = dp if total is None else [a + b for a, b in zip(total, dp, strict=True)]
    if total is None:
        total = [jnp.zeros(a.shape, a.dtype) for a in pair.y_avals]
    return out, total


def _transpose(cotangents: list, *primals: Any, n: int, pair: _Pair) -> list:
    if any(ad.is_undefined_primal(p) for p in primals[:n]):
        raise ValueError("a matched operator is linear in x, not in its parameters.")
    y = [
        jnp.zeros(a.shape, a.dtype) if type(c) is ad.Zero else c
        for c, a in zip(cotangents, pair.y_avals, strict=True)
    ]
    x = conj(_matched.bind(*primals[:n], *conj(y), n=n, pair=pair.flipped()))
    return [None] * n + list(x)


@dataclasses.dataclass(frozen=True)
class _Mapped:
    """`function` vmapped over axis 0 of some parameter leaves and of all of x."""

    function: Callable
    tree: Any
    axes: tuple
    loop_on_cpu: bool

    def __call__(self, parameters: Any, x: Any) -> Any:
        if not self.loop_on_cpu:
            return self.vectorised(parameters, x)
        return jax.lax.platform_dependent(parameters, x, cpu=self.looped, default=self.vectorised)

    def vectorised(self, parameters: Any, x: Any) -> Any:
        axes = jax.tree.unflatten(self.tree, self.axes)
        return jax.vmap(self.function, in_axes=(axes, 0))(parameters, x)

    def looped(self, parameters: Any, x: Any) -> Any:
        leaves = jax.tree.leaves(parameters)
        mapped = [leaf for leaf, axis in zip(leaves, self.axes, strict=True) if axis == 0]

        def one(item: tuple) -> Any:
            some = iter(item[0])
            merged = [
                leaf if axis is None else next(some)
                for leaf, axis in zip(leaves, self.axes, strict=True)
            ]
            return self.function(jax.tree.unflatten(self.tree, merged), item[1])

        return jax.lax.map(one, (mapped, x))


def _vectorised(function: Callable) -> Callable:
    """`function` without its loop over a batch: autodiff through both branches is slow to trace."""
    if not isinstance(function, _Mapped):
        return function
    inner = _vectorised(function.function)
    return dataclasses.replace(function, function=inner, loop_on_cpu=False)


def _batch(leaves: tuple, axes: tuple, *, n: int, pair: _Pair) -> tuple[list, list]:
    size = next(a.shape[d] for a, d in zip(leaves, axes, strict=True) if d is not None)
    moved = [a if d is None else jnp.moveaxis(a, d, 0) for a, d in zip(leaves, axes, strict=True)]
    for i in range(n, len(moved)):
        if axes[i] is None:
            moved[i] = jnp.broadcast_to(moved[i], (size, *moved[i].shape))
    # a tree with None leaves is a different tree, so unmapped parameters are marked by -1 here
    mapped = tuple(None if d is None else 0 for d in axes[:n])
    forward = _Mapped(pair.forward, pair.parameters, mapped, pair.loop_on_cpu)
    adjoint = _Mapped(pair.adjoint, pair.parameters, mapped, pair.loop_on_cpu)

    def grow(avals: tuple) -> tuple:
        return tuple(jax.ShapeDtypeStruct((size, *a.shape), a.dtype) for a in avals)

    new = dataclasses.replace(
        pair,
        forward=forward,
        adjoint=adjoint,
        x_avals=grow(pair.x_avals),
        y_avals=grow(pair.y_avals),
    )
    out = _matched.bind(*moved, n=n, pair=new)
    return out, [0] * len(out)


_matched.def_impl(_implementation)
_matched.def_abstract_eval(_abstract)
ad.primitive_jvps[_matched] = _jvp
ad.primitive_transposes[_matched] = _transpose
batching.primitive_batchers[_matched] = _batch
mlir.register_lowering(_matched, mlir.lower_fun(_implementation, multiple_results=True))
