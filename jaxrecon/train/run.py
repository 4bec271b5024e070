"""The course of one training: steps, records, checkpoints, and what ends it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.train.checkpoints import Checkpoints
from jaxrecon.train.interrupts import held_interrupts
from jaxrecon.train.record import Record, postfix, write_figure, write_log
from jaxrecon.train.step import State

_AHEAD = 2
"""So many steps may wait for the device, so that the host's batches do not pile up."""


class Reports(NamedTuple):
    """What is looked at and written on the way; :func:`jaxrecon.train.fit` documents it."""

    validate: Callable[[Any], Any] | None
    maximise: bool
    patience: int | None
    log: str | Path | None
    figure: str | Path | None
    callback: Callable[[int, jax.Array], Any] | None


class Run:
    """A training under way: its state, how many steps are done, and what was recorded.

    As a context it writes a checkpoint when it is left by an exception or Ctrl-C, but for one that
    says that the numbers are no longer finite, and where a step failed after it had taken the
    memory of the state before: then the last checkpoint is that of the last record.

    Args:
        state: to start from.
        identity: what must be the same for a checkpoint to be continued, as JSON holds it.
        batch: number of the step -> its batch, looked at when the numbers are not finite.
        checkpoints: where states are kept, or None.
        reports: what is looked at and written.
    """

    def __init__(
        self,
        state: State,
        identity: dict,
        batch: Callable[[int], Any],
        checkpoints: Checkpoints | None,
        reports: Reports,
    ):
        self.state = state
        self.identity = identity
        self.batch = batch
        self.checkpoints = checkpoints
        self.reports = reports
        self.record = Record()
        self.done = 0
        self._ready = False
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, *_: Any) -> None:
        failed = kind is not None and issubclass(kind, (Exception, KeyboardInterrupt))
        try:
            if failed and self._ready and self._whole():
                self.save()
        finally:
            if self.checkpoints is not None:
                self.checkpoints.close()

    def resume(self, place: Callable[[State], State], steps: int) -> None:
        """Continue from the last good checkpoint, if there is one.

        Args:
            place: puts a state that was read where it belongs.
            steps: in all.

        Raises:
            ValueError: the checkpoints are of another training or of more steps, or none of them
                can be read.
        """
        found = None if self.checkpoints is None else self.checkpoints.restore(self.state)
        if self.checkpoints is not None and found is not None:
            self.done, state, notes = found
            where = f"fit: the training in '{self.checkpoints.folder}'"
            for name, value in self.identity.items():
                if notes["identity"][name] != value:
                    raise ValueError(
                        f"{where} had another {name} ({notes['identity'][name]}) than this one "
                        f"({value}), so it cannot be resumed. Give another folder to start anew."
                    )
            if self.done > steps:
                raise ValueError(
                    f"{where} has done {self.done} steps, more than the {steps} of this one. Give "
                    "at least as many steps or epochs to get its module, or another folder to "
                    "start anew."
                )
            self.state = place(state)
            self.record = Record(notes["rows"], notes["pending"])
            self._began -= notes["seconds"]
        self._ready = True

    def train(
        self,
        read: Callable[[int], Any],
        advance: Callable[[State, Any, int], tuple],
        steps: int,
        every: int,
        progress: Callable[[Iterable, int], Iterable] | None,
    ) -> None:
        """Do the steps that are left, with a record after every `every` of them and at the end.

        Args:
            read: number of the step -> what the host has for its batch.
            advance: (state, that, number of the step) -> (state, numbers); it may take the memory
                of the state.
            steps: in all.
            every: steps between records.
            progress: see :func:`jaxrecon.train.fit`.
        """

        def due() -> bool:
            at_end = self.done % every == 0 or self.done == steps
            return bool(self.record.pending) and at_end

        order = range(self.done, steps)
        bar: Any = order if progress is None else progress(order, len(order))
        if due():  # the run before ended within its record
            self.settle(bar)
        for count in bar if not self.exhausted() else ():
            raw = read(count)
            with held_interrupts():
                self.state, numbers = advance(self.state, raw, count)
                self.record.pending.append(numbers)
                self.done = count + 1
            self._check_finite(latest=len(self.record.pending) - _AHEAD)
            if self.reports.callback is not None:
                self.reports.callback(self.done, numbers.loss)
            if due():
                self.settle(bar)
                if self.exhausted():
                    break

    def settle(self, bar: Any) -> None:
        """Close a record: validate, keep the best, write what is to be written."""
        self._check_finite()
        reports, record = self.reports, self.record
        validation = np.nan if reports.validate is None else self._validation(reports.validate)
        with held_interrupts():
            record.add(self.done, validation, self._seconds())
            latest = len(record.rows) - 1
            if reports.patience is not None and record.best(reports.maximise) == latest:
                self.state = self.state._replace(best=jax.tree.map(jnp.copy, self.weights()))
        if reports.log is not None:
            write_log(reports.log, record.rows)
        if reports.figure is not None:
            write_figure(reports.figure, record)
        self.save()
        postfix(bar, record.rows[-1])

    def _validation(self, validate: Callable[[Any], Any]) -> float:
        value = validate(self.weights())
        try:
            validation = float(value)
        except (TypeError, ValueError) as error:
            cause = "Is there a return in it?" if value is None else "Take its mean?"
            raise TypeError(
                f"fit expected a number from validate, got {value!r}. {cause}"
            ) from error
        if np.isnan(validation):
            raise FloatingPointError(
                f"fit: validate returned NaN after step {self.done}, although the loss is finite; "
                "is there a division by zero in it?"
            )
        return validation

    def weights(self) -> Any:
        """The parameters, or their average where there is one."""
        return self.state.parameters if self.state.average is None else self.state.average

    def result(self) -> Any:
        """The best parameters where they are kept, else the last."""
        return self.weights() if self.reports.patience is None else self.state.best

    def exhausted(self) -> bool:
        """Whether there was no better validation for as many records as patience allows."""
        patience = self.reports.patience
        best = None if patience is None else self.record.best(self.reports.maximise)
        return best is not None and len(self.record.rows) - 1 - best >= patience  # type: ignore[operator]

    def save(self) -> None:
        """Write a checkpoint of now."""
        if self.checkpoints is not None and self.done:
            notes = {"identity": self.identity, "seconds": self._seconds()}
            with held_interrupts():
                self.checkpoints.save(self.done, self.state, self.record.as_json() | notes)

    def _whole(self) -> bool:
        """Whether all of the state is there, and the numbers so far are finite."""
        leaves = [a for a in jax.tree.leaves(self.state) if isinstance(a, jax.Array)]
        there = not any(a.is_deleted() for a in leaves)
        return there and self.record.first_not_finite() is None

    def _seconds(self) -> float:
        return time.perf_counter() - self._began

    def _check_finite(self, latest: int | None = None) -> None:
        """Raise unless the pending steps have finite numbers; `latest` looks at one alone."""
        pending = self.record.pending
        first = 0 if latest is None else latest - 1
        looked_at = pending if latest is None else pending[first:latest] if latest > 0 else []
        bad = Record(pending=looked_at).first_not_finite()
        if bad is None:
            return
        count = self.done - len(pending) + first + bad
        cause = _cause(looked_at[bad], self.batch(count))
        raise FloatingPointError(f"fit: in step {count + 1} {cause} {self._what_is_kept()}")

    def _what_is_kept(self) -> str:
        if self.checkpoints is None:
            return "Nothing of this run is kept, as there is no folder for checkpoints."
        where, latest = f"'{self.checkpoints.folder}'", self.checkpoints.latest()
        if latest is None:
            return f"There is no checkpoint in {where} yet: the first comes with the first record."
        return f"The last good checkpoint in {where} is that of step {latest}."


def _cause(numbers: Any, batch: Any) -> str:
    """What became of a step that is not finite, and what may help."""
    value, norm, largest = (float(a) for a in numbers)
    if np.isfinite(value) and np.isfinite(norm):
        return (
            f"the update made a parameter {largest}, while the loss, {value}, and its gradient, "
            f"{norm}, were finite. Check the optimiser and the schedule of its learning rate."
        )
    became = f"the loss became {value} and its gradient {norm}"
    if any(not np.all(np.isfinite(a)) for a in jax.tree.leaves(batch) if _is_inexact(a)):
        return (
            f"{became}, and its batch itself holds NaN or inf. Are there dead detectors or "
            "divisions by zero in the data?"
        )
    return (
        f"{became}. Lower the learning rate, or check the scaling of the operator (step sizes "
        "need 1 / ||A||^2)."
    )


def _is_inexact(a: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(a), jnp.inexact)
