"""Training: one jitted step on optax, reproducible from a key, resumable from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from jaxrecon.core.checks import check_positive_int
from jaxrecon.nn.convolution import jit


class Fit(NamedTuple):
    """The trained module, and the mean training loss and the validation value of each epoch."""

    module: Any
    losses: np.ndarray
    validation: np.ndarray


def adam_cosine(steps: int, learning_rate: float = 1e-3, clip: float = 1.0) -> Any:
    """Adam with gradients clipped to a norm, a short warm-up, and a cosine decay to 1 %."""
    warmup = max(1, min(steps // 20, 100))
    schedule = optax.warmup_cosine_decay_schedule(
        0.1 * learning_rate, learning_rate, warmup, max(steps, warmup + 1), 0.01 * learning_rate
    )
    return optax.chain(optax.clip_by_global_norm(clip), optax.adam(schedule))


def fit(
    module: Any,
    loss: Callable[[Any, Any, jax.Array], jax.Array],
    data: Any,
    *,
    key: jax.Array,
    epochs: int,
    batch_size: int = 32,
    optimiser: Any = None,
    learning_rate: float = 1e-3,
    validate: Callable[[Any], Any] | None = None,
    checkpoints: str | Path | None = None,
    progress: Callable[[Iterable, int], Iterable] | None = None,
) -> Fit:
    r"""Minimise the empirical risk (1/n) sum_i loss(module, data_i) over the `nnx.Param`s.

    Every epoch visits all items once, in an order drawn from the key; what does not fill a batch
    is left out of that epoch. The same key, data and machine give the same parameters bit for
    bit, also when a run is stopped and resumed from its checkpoints.

    Args:
        module: an NNX module, or any pytree of them. It is not changed; variables other than
            `nnx.Param` stay as they are.
        loss: (module, batch, key) -> real scalar, the mean over the batch. Measurements can be
            simulated inside it, with noise from the key.
        data: pytree of arrays with equal leading axes (items).
        key: JAX key for the order of the items and the keys of the loss.
        epochs: passes over the data.
        batch_size: items a step.
        optimiser: an optax transformation; :func:`adam_cosine` at `learning_rate` by default.
        learning_rate: of the default optimiser.
        validate: module -> number, called after every epoch.
        checkpoints: folder for orbax checkpoints, one an epoch (the last two are kept). If it
            holds some already, training goes on after the last.
        progress: wraps the iterator of epochs and is told their number, e.g.
            ``lambda it, n: tqdm.tqdm(it, total=n)``. After each epoch ``set_postfix`` is called on
            what it returns, where that exists.

    Returns:
        Fit(module, losses, validation).

    Raises:
        ValueError: batch larger than the data, or leading axes that disagree.
        FloatingPointError: the loss of an epoch is not finite.
    """
    epochs = check_positive_int(epochs, what="fit", argument="epochs")
    items = _item_count(data)
    if batch_size > items:
        raise ValueError(f"fit: batch_size = {batch_size} is more than the {items} items of data.")
    steps = items // batch_size
    optimiser = adam_cosine(epochs * steps, learning_rate) if optimiser is None else optimiser
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)
    state = optimiser.init(parameters)
    data = jax.tree.map(jnp.asarray, data)

    def objective(parameters: Any, batch: Any, k: jax.Array) -> jax.Array:
        return loss(nnx.merge(graph, parameters, rest), batch, k)

    def step(parameters: Any, state: Any, data: Any, index: jax.Array, k: jax.Array) -> tuple:
        batch = jax.tree.map(lambda a: a[index], data)
        value, gradient = jax.value_and_grad(objective)(parameters, batch, k)
        updates, state = optimiser.update(gradient, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    step = jit(step, donate_argnums=(0, 1))
    parameters = jax.tree.map(jnp.copy, parameters)  # the first step donates them
    losses, validation, first = np.zeros(epochs), np.full(epochs, np.nan), 0
    manager = None if checkpoints is None else _manager(checkpoints)
    if manager is not None and manager.latest_step() is not None:
        first = int(manager.latest_step()) + 1
        parameters, state, losses, validation = _restore(
            manager, (parameters, state, losses, validation)
        )
    order = range(first, epochs)
    bar = order if progress is None else progress(order, len(order))
    for epoch in bar:
        epoch_key = jax.random.fold_in(key, epoch)
        shuffled = jax.random.permutation(epoch_key, items)[: steps * batch_size]
        values = []
        for i, index in enumerate(shuffled.reshape(steps, batch_size)):
            parameters, state, value = step(
                parameters, state, data, index, jax.random.fold_in(epoch_key, i)
            )
            values.append(value)
        losses[epoch] = float(jnp.mean(jnp.stack(values)))
        if not np.isfinite(losses[epoch]):
            raise FloatingPointError(
                f"fit: the loss became {losses[epoch]} in epoch {epoch}. Lower the learning rate, "
                "or check the scaling of the operator (step sizes need 1 / ||A||^2)."
            )
        if validate is not None:
            validation[epoch] = float(validate(nnx.merge(graph, parameters, rest)))
        if manager is not None:
            _save(manager, epoch, (parameters, state, losses, validation))
        if hasattr(bar, "set_postfix"):
            bar.set_postfix(loss=f"{losses[epoch]:.3g}", validation=f"{validation[epoch]:.4g}")  # type: ignore[union-attr]
    if manager is not None:
        manager.close()
    return Fit(nnx.merge(graph, parameters, rest), losses, validation)


def _item_count(data: Any) -> int:
    counts = {np.shape(leaf)[0] for leaf in jax.tree.leaves(data)}
    if len(counts) != 1:
        raise ValueError(f"fit: data needs arrays with equal leading axes, got {sorted(counts)}.")
    return counts.pop()


def _manager(folder: str | Path) -> Any:
    import orbax.checkpoint as ocp

    options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
    return ocp.CheckpointManager(Path(folder).resolve(), options=options)


def _save(manager: Any, epoch: int, tree: Any) -> None:
    import orbax.checkpoint as ocp

    manager.save(epoch, args=ocp.args.StandardSave(dict(enumerate_leaves(tree))))
    manager.wait_until_finished()


def _restore(manager: Any, tree: Any) -> Any:
    import orbax.checkpoint as ocp

    like = dict(enumerate_leaves(tree))
    saved = manager.restore(manager.latest_step(), args=ocp.args.StandardRestore(like))
    leaves = [saved[name] for name in like]
    restored = jax.tree.unflatten(jax.tree.structure(tree), leaves)
    return (*restored[:2], np.array(restored[2]), np.array(restored[3]))


def enumerate_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Leaves with their paths as names, in the order of `jax.tree.leaves`."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in flat]
