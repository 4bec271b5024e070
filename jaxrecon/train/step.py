"""One training step: the batch prepared, loss and gradient, the optimiser, the average."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from flax.errors import TraceContextError
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxrecon.nn.convolution import jit
from jaxrecon.train.precision import in_precision


class State(NamedTuple):
    """What a training carries from step to step, and what a checkpoint holds."""

    parameters: Any
    optimiser: Any
    average: Any
    """exponential moving average of the parameters, None unless it is asked for"""
    best: Any
    """parameters of the best validation, None unless they are asked for"""


class Numbers(NamedTuple):
    """What a step reports, on the device."""

    loss: jax.Array
    gradient_norm: jax.Array
    largest: jax.Array
    """magnitude among the new parameters and their average"""


class Options(NamedTuple):
    """How a step computes; :func:`jaxrecon.train.fit` documents the fields."""

    accumulate: int
    remat: Any
    precision: Any
    average: float | None
    mesh: Mesh | None


def split_arrays(tree: Any) -> tuple[list, Callable[[list], Any]]:
    """(the arrays among the leaves, a function that puts others in their places)."""
    leaves, structure = jax.tree.flatten(tree)
    arrays = [isinstance(leaf, jax.Array | np.ndarray) for leaf in leaves]

    def rebuild(new: list) -> Any:
        following = iter(new)
        filled = [next(following) if a else leaf for a, leaf in zip(arrays, leaves, strict=True)]
        return jax.tree.unflatten(structure, filled)

    return [leaf for a, leaf in zip(arrays, leaves, strict=True) if a], rebuild


def make_step(graph: Any, rebuild: Callable, optimiser: Any, options: Options) -> Callable:
    """step(state, arrays, raw, count, keys) -> (state, numbers), compiled; `state` is donated.

    Args:
        graph: of the module, from `nnx.split`.
        rebuild: arrays -> (variables that are not trained, stream, loss).
        optimiser: an optax transformation, which may take the `value` of the loss.
        options: :class:`Options`.

    The first step raises ValueError where the loss changes variables that are not trained, or parts
    or devices do not divide the batch, and TypeError for an optimiser that needs more.
    """
    optimiser = optax.with_extra_args_support(optimiser)

    def step(state: State, arrays: list, raw: Any, count: Any, keys: tuple) -> tuple:
        rest, stream, loss = rebuild(arrays)
        data_key, loss_key = (jax.random.fold_in(k, count) for k in keys)
        batch = _shared_out(stream.prepare(raw, data_key), options.mesh)

        def objective(parameters: Any, part: Any, key: jax.Array) -> jax.Array:
            module = in_precision(nnx.merge(graph, parameters, rest), options.precision)
            try:
                return loss(module, part, key)
            except TraceContextError as error:
                raise ValueError(_changed(rest)) from error

        if options.remat is not None:
            objective = jax.checkpoint(objective, policy=options.remat)
        value, gradient = in_parts(
            jax.value_and_grad(objective), state.parameters, batch, loss_key, options.accumulate
        )
        gradient = jax.tree.map(jnp.conj, gradient)  # of complex weights: the steepest ascent
        updates, following = _update(optimiser, gradient, state, value)
        parameters: Any = optax.apply_updates(state.parameters, updates)
        average = state.average
        if options.average is not None:
            decay = jnp.minimum(options.average, (1 + count) / (10 + count))
            average = jax.tree.map(
                lambda a, p: (decay * a + (1 - decay) * p).astype(a.dtype), average, parameters
            )
        numbers = Numbers(value, _norm(gradient), _largest((parameters, average)))
        return State(parameters, following, average, state.best), numbers

    return jit(step, donate_argnums=0)


def _norm(tree: Any) -> jax.Array:
    return jnp.sqrt(sum(jnp.sum(jnp.abs(a) ** 2) for a in jax.tree.leaves(tree)))


def _largest(tree: Any) -> jax.Array:
    """The maximum norm: unlike a sum of squares it is finite wherever all numbers are."""
    return jnp.max(jnp.stack([jnp.max(jnp.abs(a), initial=0.0) for a in jax.tree.leaves(tree)]))


def _update(optimiser: Any, gradient: Any, state: State, value: jax.Array) -> tuple:
    """(updates, state of the optimiser)."""
    try:
        return optimiser.update(gradient, state.optimiser, state.parameters, value=value)
    except TypeError as error:
        if "required keyword-only argument" not in str(error):
            raise
        raise TypeError(
            "fit: the optimiser needs more than the gradient, the parameters and the value of the "
            f"loss ({error}). Line searches, as in optax.lbfgs, are not supported: they evaluate "
            "the loss again. Use one without, e.g. optax.lbfgs(learning_rate, linesearch=None)."
        ) from error


def _changed(rest: Any) -> str:
    """What to say of a loss that changes variables that are not trained."""
    variables = jax.tree.leaves(rest, is_leaf=lambda v: isinstance(v, nnx.Variable))
    names = sorted({type(v).__name__ for v in variables})
    return (
        f"fit: the loss changes variables of the module that are not nnx.Param ({', '.join(names)})"
        ", which stay as they are. Use nn.GroupNormalisation in place of a BatchNorm, or "
        "module.eval() to keep its averages; draw the mask of a dropout from the key of the loss."
    )


def in_parts(
    value_and_grad: Callable, parameters: Any, batch: Any, key: jax.Array, parts: int
) -> tuple:
    """Loss and gradient, as the mean over parts of the batch that are taken one after another."""
    if parts == 1:
        return value_and_grad(parameters, batch, key)

    def split(a: jax.Array) -> jax.Array:
        if a.ndim == 0 or a.shape[0] % parts:
            raise ValueError(
                f"fit: accumulate = {parts} must divide the batch, got an array of shape {a.shape}."
            )
        return a.reshape(a.shape[0] // parts, parts, *a.shape[1:]).swapaxes(0, 1)

    def add(total: Any, part: tuple) -> tuple:
        return jax.tree.map(jnp.add, total, value_and_grad(parameters, *part)), None

    portions = (jax.tree.map(split, batch), jax.random.split(key, parts))
    one = jax.eval_shape(value_and_grad, parameters, *jax.tree.map(lambda a: a[0], portions))
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), one)
    total, _ = jax.lax.scan(add, zeros, portions)
    return jax.tree.map(lambda a: a / parts, total)


def mesh_of(devices: Any) -> Mesh | None:
    """A mesh of one axis over the devices; None for one device or none given."""
    if devices is None or len(devices) < 2:
        return None
    return Mesh(np.array(devices), ("item",), axis_types=(AxisType.Auto,))


def everywhere(tree: Any, mesh: Mesh | None) -> Any:
    """The arrays, whole on every device of the mesh."""
    return tree if mesh is None else jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def _shared_out(batch: Any, mesh: Mesh | None) -> Any:
    """The batch with its items dealt out to the devices."""
    if mesh is None:
        return batch

    def one(a: jax.Array) -> jax.Array:
        if a.ndim == 0 or a.shape[0] % mesh.size:
            raise ValueError(
                f"fit: the {mesh.size} devices must divide the batch, got an array of shape "
                f"{a.shape}."
            )
        return jax.lax.with_sharding_constraint(a, NamedSharding(mesh, PartitionSpec("item")))

    return jax.tree.map(one, batch)
