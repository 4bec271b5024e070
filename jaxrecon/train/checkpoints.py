"""Checkpoints of a training on orbax, each with a check sum, so that a damaged one is noticed."""

from __future__ import annotations

import itertools
import json
import warnings
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrecon.train.leaves import enumerate_leaves, like_leaf, plain

_RECORD = "record"


class Checkpoints:
    """A folder that keeps the last two states of a training, and what was recorded so far.

    Args:
        folder: made when it is missing.
    """

    def __init__(self, folder: str | Path):
        import orbax.checkpoint as ocp

        self.folder = Path(folder).resolve()
        options = ocp.CheckpointManagerOptions(max_to_keep=2, create=True)
        # the handler is named, or a damaged checkpoint would be taken for one of another kind
        self._manager = ocp.CheckpointManager(
            self.folder, options=options, item_handlers=ocp.StandardCheckpointHandler()
        )

    def close(self) -> None:
        """Wait for what is being written."""
        self._manager.close()

    def latest(self) -> int | None:
        """Step of the last checkpoint."""
        return self._manager.latest_step()

    def save(self, step: int, state: Any, record: dict) -> None:
        """Write the state after so many steps, unless that is there already.

        Args:
            step: count of steps done.
            state: pytree of arrays, JAX keys among them.
            record: anything that JSON holds.
        """
        import orbax.checkpoint as ocp

        if step in self._manager.all_steps():
            return
        arrays = {name: np.asarray(plain(leaf)) for name, leaf in enumerate_leaves(state)}
        record = record | {"sums": {name: _sum(a) for name, a in arrays.items()}}
        arrays = {name: a for name, a in arrays.items() if a.size}
        arrays[_RECORD] = np.frombuffer(json.dumps(record).encode(), np.uint8)
        self._manager.save(step, args=ocp.args.StandardSave(arrays))
        self._manager.wait_until_finished()

    def restore(self, like: Any) -> tuple[int, Any, dict] | None:
        """(step, state, record) of the last checkpoint that can be read; None without any.

        One that cannot be is named in a warning and set aside, as the folder ``STEP.unreadable``,
        once an older one has been read; nothing is deleted.

        Args:
            like: a state of the same structure; its values are not used.

        Raises:
            ValueError: the state saved has another structure; none of the checkpoints can be read.
            MemoryError, PermissionError: as they are met; nothing is set aside.
        """
        unreadable: list[int] = []
        reasons = []
        for step in sorted(self._manager.all_steps(), reverse=True):
            try:
                saved, record = self._read(step)
            except (MemoryError, PermissionError):
                raise
            except Exception as error:  # what a damaged file raises is not part of any interface
                unreadable.append(step)
                reasons.append(f"{step} ({type(error).__name__}: {str(error)[:200]})")
                continue
            state = _like(saved, like, f"'{self.folder}', step {step}")
            if unreadable:
                aside = ", ".join(self._set_aside(broken) for broken in unreadable)
                warnings.warn(
                    f"fit: could not read the checkpoint of step {'; '.join(reasons)} in "
                    f"'{self.folder}'. It is set aside as {aside}, and training goes on from that "
                    f"of step {step}. If a disk was out of reach, give the folder its name back.",
                    stacklevel=3,
                )
            return step, state, record
        if unreadable:
            raise ValueError(
                f"fit: none of the checkpoints in '{self.folder}' can be read: steps "
                f"{'; '.join(reasons)}. Were they copied in part? Another folder starts anew."
            )
        return None

    def _set_aside(self, step: int) -> str:
        """Rename a checkpoint to what is returned, where it no longer counts as one."""
        names = (f"{step}.unreadable{n or ''}" for n in itertools.count())
        name = next(n for n in names if not (self.folder / n).exists())
        (self.folder / str(step)).rename(self.folder / name)
        self._manager.reload()
        return name

    def _read(self, step: int) -> tuple[dict, dict]:
        import orbax.checkpoint as ocp

        saved = dict(self._manager.restore(step, args=ocp.args.StandardRestore()))
        record = json.loads(np.asarray(saved.pop(_RECORD)).tobytes().decode())
        for name, expected in record.pop("sums").items():
            if name in saved and _sum(np.asarray(saved[name])) != expected:
                raise ValueError(f"{name} has changed since it was written")
            if name not in saved and expected:
                raise ValueError(f"{name} is missing")
        return saved, record


def _sum(array: np.ndarray) -> int:
    """CRC-32 of the bytes; 0 for an empty array."""
    return zlib.crc32(np.ascontiguousarray(array).tobytes()) if array.size else 0


def _like(saved: dict, like: Any, where: str) -> Any:
    """The arrays saved in the structure of `like`."""
    leaves = enumerate_leaves(like)
    wanted = {name: plain(leaf) for name, leaf in leaves}
    shapes = {name: (np.shape(a), np.dtype(a.dtype)) for name, a in wanted.items() if np.size(a)}
    found = {name: (np.shape(a), np.dtype(a.dtype)) for name, a in saved.items()}
    for name in [*shapes, *found]:
        if shapes.get(name) != found.get(name):
            raise ValueError(
                f"fit: the checkpoint in {where} is of another training: it has "
                f"{name} of {_text(found.get(name))}, this module and optimiser have "
                f"{_text(shapes.get(name))}. Give another folder, or the module it was made with."
            )
    read = [like_leaf(saved.get(name, wanted[name]), leaf) for name, leaf in leaves]
    return jax.tree.unflatten(jax.tree.structure(like), read)


def _text(shape: tuple | None) -> str:
    return "nothing" if shape is None else f"{shape[1]}{list(shape[0])}"
