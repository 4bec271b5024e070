"""Training data as batches that are numbered: batch k is a pure function of k and a key.

That is what makes a training resumable at any step: after step k comes batch k + 1, whatever was
read before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.pytree import Pytree, static


class Stream(Pytree):
    """Batches of training data, made in two parts: `read` on the host, `prepare` while traced.

    ``stream.batch(step, key)`` is batch number `step` of the run that the key names. A training
    step calls `read` outside and `prepare` inside of its compiled function, so that what `prepare`
    does (drawing phantoms, augmentation, simulation of measurements) runs on the device. A subclass
    defines one of the two, or both. The arrays of a stream are arguments of the compiled step.

    Attributes:
        steps_per_epoch: batches until every item was seen once; None for endless streams.
    """

    @property
    def steps_per_epoch(self) -> int | None:
        return None

    def read(self, step: int, key: jax.Array) -> Any:
        """What the host provides for this step: a pytree of arrays, or None."""
        return None

    def prepare(self, raw: Any, key: jax.Array) -> Any:
        """The batch of what was read; traced, with a key of this step alone."""
        return raw

    def batch(self, step: int, key: jax.Array) -> Any:
        """Batch number `step`."""
        return self.prepare(self.read(step, key), jax.random.fold_in(key, step))

    def map(self, function: Callable) -> Stream:
        """The stream of function(batch, key), traced: augmentation, or simulated measurements.

        Give `function` its operators as arrays of a ``jax.tree_util.Partial``, not by closure:
        then they are arguments of the compiled step and no constants in it.
        """
        return Mapped(self, function)


class Mapped(Stream):
    """function(batch, key) of every batch of a stream; made by :meth:`Stream.map`."""

    stream: Stream
    function: Any

    @property
    def steps_per_epoch(self) -> int | None:
        return self.stream.steps_per_epoch

    def read(self, step: int, key: jax.Array) -> Any:
        return self.stream.read(step, key)

    def prepare(self, raw: Any, key: jax.Array) -> Any:
        first, second = jax.random.split(key)
        return self.function(self.stream.prepare(raw, first), second)


class Generated(Stream):
    """Endless batches function(key), drawn on the device inside the training step.

    Args:
        function: key -> batch, traced. A ``jax.tree_util.Partial`` passes arrays as arguments.
        epoch: static; how many steps count as an epoch, None for no epochs.
    """

    function: Any
    epoch: int | None = static(default=None)

    @property
    def steps_per_epoch(self) -> int | None:
        return self.epoch

    def prepare(self, raw: Any, key: jax.Array) -> Any:
        return self.function(key)


class Numbered(Stream):
    """Batches function(step, key), made on the host.

    Args:
        function: static; (number of the batch, key of the run) -> batch, pure.
        epoch: static; how many steps count as an epoch, None for no epochs.
    """

    function: Callable = static()
    epoch: int | None = static(default=None)

    @property
    def steps_per_epoch(self) -> int | None:
        return self.epoch

    def read(self, step: int, key: jax.Array) -> Any:
        return self.function(step, key)


class Passes(Stream):
    """Batches of a generator, e.g. of :func:`stl10_batches`, started anew for every epoch.

    A generator has no numbers, so a run that resumes within an epoch reads and drops what came
    before; where items can be addressed, :class:`Indexed` has no such cost.

    Args:
        make: static; epoch number -> iterable of batches, the same ones whenever it is called.
        epoch: static; how many batches of it are used.

    Raises:
        ValueError: an epoch that is no positive whole number; when read, an iterable of fewer
            batches than that.
    """

    make: Callable[[int], Iterable] = static()
    epoch: int = static()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive_int(self.epoch, what="Passes", argument="epoch")
        self._set("make", _Position(self.make))

    @property
    def steps_per_epoch(self) -> int:
        return self.epoch

    def read(self, step: int, key: jax.Array) -> Any:
        number, within = divmod(step, self.epoch)
        try:
            return self.make(number, within)  # type: ignore[call-arg]
        except StopIteration:
            raise ValueError(
                f"Passes: the iterable of epoch {number} ended at batch {within}, before the "
                f"{self.epoch} batches given as epoch. Are files missing?"
            ) from None


class _Position:
    """An open iterator and where it is, so that reading in order opens each pass once."""

    def __init__(self, make: Callable[[int], Iterable]):
        self.make = make.make if isinstance(make, _Position) else make
        self.at: tuple[int, int] | None = None
        self.iterator: Iterator = iter(())

    def __call__(self, number: int, within: int) -> Any:
        if self.at is None or self.at[0] != number or self.at[1] > within:
            self.iterator, self.at = iter(self.make(number)), (number, 0)
        position, self.at = self.at[1], None
        for _ in range(within - position):
            next(self.iterator)
        batch = next(self.iterator)
        self.at = (number, within + 1)
        return batch


class Indexed(Stream):
    """Batches of items that are read by their numbers, each once an epoch in an order of the key.

    What does not fill a batch is left out of that epoch.

    Args:
        load: static; (batch,) increasing or not -> batch, a pytree of arrays.
        items: static; how many there are.
        batch_size: static; items a step.
        shuffle: static; False keeps the order of the items.

    Raises:
        ValueError: numbers that are not positive; a batch larger than the data.
    """

    load: Callable[[np.ndarray], Any] = static()
    items: int = static()
    batch_size: int = static()
    shuffle: bool = static(default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_batches(self.items, self.batch_size)

    @property
    def steps_per_epoch(self) -> int:
        return self.items // self.batch_size

    def read(self, step: int, key: jax.Array) -> Any:
        return self.load(indices(step, key, self.items, self.batch_size, self.shuffle))


class Arrays(Stream):
    """Batches of arrays on the device, each item once an epoch in an order drawn from the key.

    What does not fill a batch is left out of that epoch.

    Args:
        arrays: pytree of arrays with equal leading axes (items).
        batch_size: static; items a step.
        shuffle: static; False keeps the order of the items.

    Raises:
        ValueError: leading axes that disagree; a batch larger than the data.
    """

    arrays: Any
    batch_size: int = static()
    shuffle: bool = static(default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("arrays", jax.tree.map(jnp.asarray, self.arrays))
        counts = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(self.arrays)}
        if len(counts) != 1 or counts == {()}:
            raise ValueError(
                f"Arrays: data needs arrays with equal leading axes (items), got {sorted(counts)}."
            )
        check_batches(self.items, self.batch_size)

    @property
    def items(self) -> int:
        """How many there are."""
        return jax.tree.leaves(self.arrays)[0].shape[0]

    @property
    def steps_per_epoch(self) -> int:
        return self.items // self.batch_size

    def read(self, step: int, key: jax.Array) -> np.ndarray:
        return indices(step, key, self.items, self.batch_size, self.shuffle)

    def prepare(self, raw: Any, key: jax.Array) -> Any:
        return jax.tree.map(lambda a: a[raw], self.arrays)


def check_batches(items: int, batch_size: int) -> None:
    """Raise ValueError unless the items fill a batch."""
    check_positive_int(items, what="a stream", argument="items")
    check_positive_int(batch_size, what="a stream", argument="batch_size")
    if batch_size > items:
        raise ValueError(f"batch_size = {batch_size} is more than the {items} items of data.")


def indices(step: int, key: jax.Array, items: int, batch_size: int, shuffle: bool) -> np.ndarray:
    """(batch_size,) numbers of the items of one step."""
    epoch, within = divmod(step, items // batch_size)
    chosen = slice(within * batch_size, (within + 1) * batch_size)
    if not shuffle:
        return np.arange(items)[chosen]
    numbers = np.asarray(jax.random.key_data(key))
    return _order(numbers.tobytes(), numbers.size, jax.random.key_impl(key), epoch, items)[chosen]


@lru_cache(maxsize=4)
def _order(numbers: bytes, size: int, kind: Any, epoch: int, items: int) -> np.ndarray:
    bits = jnp.asarray(np.frombuffer(numbers, np.uint32, size))
    key = jax.random.wrap_key_data(bits, impl=kind)
    key = jax.random.fold_in(key, 2**32 - 1)  # no step has this key
    return np.asarray(jax.random.permutation(jax.random.fold_in(key, epoch), items))
