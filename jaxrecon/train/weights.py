"""Trained weights as small files: a few bits for each weight of a kernel, scaled by channel."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon.data.npz import read_npz
from jaxrecon.train.leaves import enumerate_leaves, like_leaf, plain

WITH_FAN_IN = ("kernel", "kernels", "weights", "encode", "recur")
"""Names of variables that are summed over inputs, so that errors of rounding average out."""


def save_weights(path: str | Path, module: Any, *, bits: int = 32) -> int:
    """Write all variables of a module (or pytree of modules) to a compressed npz file.

    Args:
        path: file to write.
        module: NNX module; every variable is written, trained or not, the keys of random numbers
            as their data. Types that NumPy lacks, such as bfloat16, become float32, which holds
            them exactly.
        bits: 32 keeps all as it is. 4 to 8 rounds arrays of two or more axes that have one of the
            names :data:`WITH_FAN_IN` (kernels of convolutions, matrices) to whole numbers of so
            many bits, with one float32 scale for each entry of the last axis (and of the first, in
            stacks of kernels): w = scale q, an error of at most scale / 2. All else stays as it is:
            biases, slopes, step sizes, thresholds, stacked for the steps of a scheme or not.

    Returns:
        size of the file in bytes.

    Raises:
        ValueError: other numbers of bits; fewer than 32 for a kernel that is complex or not finite.
    """
    if bits not in (4, 5, 6, 7, 8, 32):
        raise ValueError(f"save_weights: bits must be 4 to 8, or 32, got {bits}.")
    arrays = {}
    for name, leaf in enumerate_leaves(nnx.state(module)):
        value = _as_numpy(leaf)
        if bits <= 8 and value.ndim >= 2 and _has_fan_in(name):
            if np.iscomplexobj(value) or not np.all(np.isfinite(value)):
                raise ValueError(
                    f"save_weights: {name} is complex or not finite: {bits} bits do not hold it. "
                    "Save with bits=32."
                )
            axes = (
                tuple(range(value.ndim - 1)) if value.ndim < 5 else tuple(range(1, value.ndim - 1))
            )
            scale = np.abs(value).max(axis=axes, keepdims=True) / (2 ** (bits - 1) - 1)
            scale = np.where(scale == 0, 1, scale).astype(np.float32)
            arrays[f"{name}|scale"] = scale
            value = np.round(value / scale).astype(np.int8)
        arrays[name] = value
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(path).with_name(f".{Path(path).name}")
    with open(fresh, "wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(fresh, path)  # a file that is there already stays whole until then
    return Path(path).stat().st_size


def _as_numpy(leaf: Any) -> np.ndarray:
    """In a type that an npz file holds: exact, as those that it does not hold are short floats."""
    value = np.asarray(plain(leaf))
    return value.astype(np.float32) if value.dtype.kind == "V" else value


def _has_fan_in(name: str) -> bool:
    """Whether the last part of a path such as ``['layers'][0]['kernel'].value`` says so."""
    parts = re.findall(r"\w+", name.removesuffix(".value"))
    return bool(parts) and parts[-1] in WITH_FAN_IN


def load_weights(path: str | Path, module: Any) -> Any:
    """A module like `module`, dtypes included, with the weights of a file of :func:`save_weights`.

    Args:
        path: file to read.
        module: a module of the same structure; its values are not used.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is damaged, or holds other variables or shapes than the module.
    """
    if not Path(path).exists():
        raise FileNotFoundError(
            f"no weights at '{path}'. Train them first, or check the path given."
        )
    graph, state = nnx.split(module)
    file = read_npz(path, what="load_weights")
    names = {name.split("|")[0] for name in file}
    wanted = enumerate_leaves(state)
    if names != {name for name, _ in wanted}:
        raise ValueError(
            f"load_weights: '{Path(path).name}' holds other variables than the module: "
            f"{sorted(names ^ {name for name, _ in wanted})[:4]} ... differ."
        )
    leaves = []
    for name, like in wanted:
        value = file[name]
        if f"{name}|scale" in file:
            value = file[f"{name}|scale"] * value
        shape = jax.eval_shape(plain, like).shape
        if value.shape != shape:
            raise ValueError(
                f"load_weights: '{Path(path).name}' has {name} of shape {value.shape}, the "
                f"module has {shape}. Was it trained with another size?"
            )
        if np.iscomplexobj(value) and not jnp.issubdtype(like.dtype, jnp.complexfloating):
            raise ValueError(
                f"load_weights: '{Path(path).name}' has complex {name}, the module real ones."
            )
        leaves.append(like_leaf(value, like))
    return nnx.merge(graph, jax.tree.unflatten(jax.tree.structure(state), leaves))
