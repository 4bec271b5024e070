"""A trained reconstruction as one file that runs without this library."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_choice

PLATFORMS = ("cpu", "cuda", "tpu")


def export_reconstruction(
    path: str | Path,
    reconstruct: Callable,
    *measurements: Any,
    platforms: Sequence[str] = PLATFORMS,
    any_batch: bool = True,
) -> int:
    """Write reconstruct(*measurements) as one file: the compiled form, weights and operators in it.

    It is read and run with JAX and NumPy alone (and flatbuffers, which JAX needs for such files)::

        run = jax.export.deserialize(bytearray(open("network.jaxexport", "rb").read())).call
        images = jax.jit(run)(measurements)

    The file is StableHLO in the format of `jax.export`, which later versions of JAX read for at
    least six months, and lowers once for each platform; the same file runs on all.

    Args:
        path: file to write; its folder is made.
        reconstruct: pure; bind module and operator first, e.g.
            ``functools.partial(reconstruct, network, operator)``. Their arrays go into the file.
        measurements: example arguments, arrays or pytrees; shapes and dtypes are those of the file.
        platforms: of "cpu", "cuda", "tpu".
        any_batch: whether the leading axis of all arrays may have any length. Set it to False for
            arguments that are no batches, or functions that need a fixed length.

    Returns:
        size of the file in bytes.

    Raises:
        ImportError: flatbuffers is missing.
        ValueError: no platforms, or an unknown one; leading axes that disagree; a function that
            does not work for every length of batch.
    """
    if isinstance(platforms, str) or not platforms:
        raise ValueError(
            f"export_reconstruction expected platforms as one or more names of {PLATFORMS}, got "
            f"{platforms!r}. For a single one give a tuple, ('cpu',)."
        )
    for platform in platforms:
        check_choice(platform, PLATFORMS, what="export_reconstruction", argument="platforms")
    shapes = _shapes(measurements, any_batch)
    try:
        exported = jax.export.export(jax.jit(reconstruct), platforms=tuple(platforms))(*shapes)
    except jax.errors.ConcretizationTypeError:
        raise
    except Exception as error:
        if any_batch and "symbolic" in str(error).lower():
            raise ValueError(
                "export_reconstruction: the function does not work for every length of batch; "
                f"any_batch=False exports it for the length of the example. ({error})"
            ) from error
        raise
    try:
        content = exported.serialize()
    except ImportError as error:
        raise ImportError(
            "export_reconstruction needs flatbuffers, with which JAX writes such files, and so "
            "does reading them: pip install 'jaxrecon[export]'"
        ) from error
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}")
    fresh.write_bytes(content)
    os.replace(fresh, target)  # a file that is there already stays whole until then
    return len(content)


def _shapes(measurements: tuple, any_batch: bool) -> tuple:
    if not any_batch:
        return jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(np.shape(a), jnp.result_type(a)), measurements
        )
    lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(measurements)}
    if len(lengths) != 1 or lengths == {()}:
        raise ValueError(
            "export_reconstruction expected arrays with equal leading axes (batches), got "
            f"{sorted(lengths)}. Bind what is no batch, or set any_batch=False."
        )
    (batch,) = jax.export.symbolic_shape("batch")
    return jax.tree.map(
        lambda a: jax.ShapeDtypeStruct((batch, *np.shape(a)[1:]), jnp.result_type(a)), measurements
    )
