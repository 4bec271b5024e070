"""Training: one jitted step on optax, reproducible from a key, resumable at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon.core.checks import check_positive_int
from jaxrecon.data.stream import Arrays, Stream
from jaxrecon.train.checkpoints import Checkpoints
from jaxrecon.train.optimisers import adam_cosine
from jaxrecon.train.precision import in_precision
from jaxrecon.train.record import check_folder
from jaxrecon.train.run import Reports, Run
from jaxrecon.train.step import Options, State, everywhere, make_step, mesh_of, split_arrays


class Fit(NamedTuple):
    """What :func:`fit` returns; arrays have one entry for each record, in the order of steps."""

    module: Any
    """the trained module: the average where asked for, and the best where patience is given"""
    losses: np.ndarray
    """mean training loss of the steps since the record before"""
    validation: np.ndarray
    """what `validate` returned, NaN without it"""
    steps: np.ndarray
    """how many steps were done"""


def fit(
    module: Any,
    loss: Callable[[Any, Any, jax.Array], jax.Array],
    data: Any,
    *,
    key: jax.Array,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int = 32,
    optimiser: Any = None,
    learning_rate: float = 1e-3,
    average: float | None = None,
    accumulate: int = 1,
    precision: Any = None,
    remat: Any = None,
    devices: Sequence[Any] | None = None,
    every: int | None = None,
    validate: Callable[[Any], Any] | None = None,
    maximise: bool = False,
    patience: int | None = None,
    checkpoints: str | Path | None = None,
    log: str | Path | None = None,
    figure: str | Path | None = None,
    callback: Callable[[int, jax.Array], Any] | None = None,
    progress: Callable[[Iterable, int], Iterable] | None = None,
) -> Fit:
    r"""Minimise the expected loss E loss(module, batch) over the `nnx.Param`s of a module.

    A step is optimiser(gradient of the loss on one batch). Batch and randomness of step k are pure
    functions of k and the key: the same key, data and machine give the same parameters bit for
    bit, also when a run stops at whichever step and is resumed from its checkpoints.

    Args:
        module: an NNX module, or any pytree of them. It is not changed; variables other than
            `nnx.Param` stay as they are, and a loss that changes some, as ``nnx.BatchNorm`` and
            ``nnx.Dropout`` do in training, is refused.
        loss: (module, batch, key) -> real scalar, the mean over the batch; see
            :mod:`jaxrecon.train.losses`. The arrays of a loss that is a pytree, such as those or a
            ``jax.tree_util.Partial(loss, operator)``, are arguments of the compiled step.
        data: a :class:`jaxrecon.data.Stream`, or a pytree of arrays with equal leading axes
            (items): every epoch then visits all once, in an order drawn from the key, and leaves
            out what does not fill a batch. ``Stream.map`` simulates measurements in the step.
        key: JAX key for the order of the items and the randomness of stream and loss.
        epochs, steps: how long; one of the two.
        batch_size: items a step, for data as arrays.
        optimiser: an optax transformation, with whichever schedule and clipping, which may look
            at the loss, as ``optax.contrib.reduce_on_plateau`` does; line searches, as in
            ``optax.lbfgs``, are not supported. :func:`adam_cosine` at `learning_rate` by default.
        learning_rate: of the default optimiser.
        average: decay of an exponential moving average of the parameters, e.g. 0.999, which is
            validated and returned in their place. At step k it is at most (1 + k) / (10 + k).
        accumulate: parts of a batch that are taken one after another: what the backward pass needs
            is held for one part at a time, and on CPU a step is often faster, too. The gradient is
            the mean over the parts. Each gets a key of its own.
        precision: dtype in which convolutions compute, e.g. ``jnp.bfloat16``; all else, weights
            and optimiser included, keeps its own: see :func:`in_precision`.
        remat: a policy of ``jax.checkpoint_policies``: what the backward pass may keep of the
            forward pass, the rest of which it computes again.
        devices: e.g. ``jax.devices()``: the items of a batch are dealt out to these, weights are
            on each; the result is that of one device, to rounding.
        every: steps between records, each with a validation, log, figure and checkpoint; an epoch
            by default, or a twentieth of the steps in endless streams.
        validate: module -> number. An infinite one is left empty in the log.
        maximise: whether a large validation is good, as with PSNR.
        patience: stop after so many records without a better validation, and return the best.
        checkpoints: folder for orbax checkpoints (the last two are kept). If it holds some
            already, training goes on after the last that can be read, up to `epochs` or `steps`;
            others are set aside under another name.
            If these are other ones than before, the default optimiser follows the schedule of the
            new number from there on: the rate jumps. One is also written when the data, `validate`
            or `callback` raise an exception, or on Ctrl-C, which waits for the end of the step (a
            second one does not).
        log: folder for metrics.csv and metrics.jsonl.
        figure: PNG file with the losses so far, rewritten at every record.
        callback: (count of steps done, loss) after every step. Reading the loss waits for it.
        progress: wraps the iterator of steps and is told their number, e.g.
            ``lambda it, n: tqdm.tqdm(it, total=n)``. At each record ``set_postfix`` is called on
            what it returns, where that exists.

    Returns:
        Fit(module, losses, validation, steps).

    Raises:
        ValueError: a batch larger than the data, leading axes that disagree, neither or both of
            `epochs` and `steps`, patience without `validate`, a learning rate that is not positive,
            `precision` for a module without a :class:`jaxrecon.nn.Convolution`; a loss that
            changes variables other than `nnx.Param`; checkpoints of another training, or of more
            steps, or none of which can be read.
        TypeError: no key, `precision` or `remat` of the kinds above; an optimiser with a line
            search; `validate` returned no number.
        NotADirectoryError: a file is where the folder of `checkpoints` or `log` is to be.
        FloatingPointError: the loss, its gradient or the new parameters are not finite; it names
            the step. The checkpoints are of before; without `checkpoints`, or before the first
            record, nothing is kept. Or `validate` returned NaN.
    """
    stream = data if isinstance(data, Stream) else Arrays(data, batch_size)
    steps, every = _length(stream, epochs, steps, every)
    if patience is not None and validate is None:
        raise ValueError("fit: patience needs validate, a function module -> number.")
    if patience is not None:
        check_positive_int(patience, what="fit", argument="patience")
    if average is not None and not 0 <= average < 1:
        raise ValueError(f"fit expected 0 <= average < 1, the decay of a mean, got {average}.")
    if remat is not None and not callable(remat):
        raise TypeError(
            f"fit expected remat to be a policy of jax.checkpoint_policies, got {remat!r}. "
            "nothing_saveable computes everything again."
        )
    check_folder(checkpoints, what="fit", argument="checkpoints")
    check_folder(log, what="fit", argument="log")
    keys = _two_keys(key)  # of the data, of the loss
    batch = partial(stream.batch, key=keys[0])
    optimiser = adam_cosine(steps, learning_rate) if optimiser is None else optimiser
    mesh = mesh_of(devices)
    graph, parameters, rest = nnx.split(module, nnx.Param, ...)
    in_precision(nnx.merge(graph, parameters, rest), precision)  # raises where a step would
    accumulate = check_positive_int(accumulate, what="fit", argument="accumulate")
    arrays, rebuild = split_arrays((rest, stream, loss))
    step = make_step(
        graph, rebuild, optimiser, Options(accumulate, remat, precision, average, mesh)
    )
    state = State(
        _copy(parameters),  # the first step donates them
        _copy(optimiser.init(parameters)),  # which may share arrays with the optimiser
        None if average is None else _copy(parameters),
        None if patience is None else _copy(parameters),
    )
    arrays, keys = everywhere((arrays, keys), mesh)
    identity = {
        "key": np.asarray(jax.random.key_data(key)).tolist(),
        "steps per epoch": stream.steps_per_epoch,
    }

    def module_of(parameters: Any) -> Any:
        return nnx.merge(graph, parameters, rest)

    def read(count: int) -> Any:
        return stream.read(count, keys[0])

    def advance(state: State, raw: Any, count: int) -> tuple:
        return step(state, arrays, raw, np.uint32(count), keys)

    with Run(
        everywhere(state, mesh),
        identity,
        batch,
        None if checkpoints is None else Checkpoints(checkpoints),
        Reports(
            None if validate is None else lambda parameters: validate(module_of(parameters)),
            maximise,
            patience,
            log,
            figure,
            callback,
        ),
    ) as run:
        run.resume(lambda state: everywhere(state, mesh), steps)
        run.train(read, advance, steps, every, progress)
    result = module_of(run.result())
    if mesh is not None:
        result = jax.device_put(result, mesh.devices.flat[0])
    return Fit(result, *(run.record.column(c) for c in ("loss", "validation", "step")))


def _two_keys(key: Any) -> tuple[jax.Array, jax.Array]:
    try:
        first, second = jax.random.split(key)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"fit expected one JAX key, such as jax.random.key(0), for key, got {key!r}."
        ) from error
    return first, second


def _copy(tree: Any) -> Any:
    return jax.tree.map(jnp.copy, tree)


def _length(
    stream: Stream, epochs: int | None, steps: int | None, every: int | None
) -> tuple[int, int]:
    """(steps, steps between records)."""
    if (epochs is None) == (steps is None):
        raise ValueError(f"fit: give epochs or steps, one of the two, got {epochs} and {steps}.")
    if epochs is not None:
        epochs = check_positive_int(epochs, what="fit", argument="epochs")
        if stream.steps_per_epoch is None:
            raise ValueError("fit: an endless stream has no epochs; give steps.")
        steps = epochs * stream.steps_per_epoch
    steps = check_positive_int(steps, what="fit", argument="steps")
    if every is None:
        every = stream.steps_per_epoch or max(1, steps // 20)
    return steps, check_positive_int(every, what="fit", argument="every")
