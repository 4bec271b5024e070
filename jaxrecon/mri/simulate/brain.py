"""Complex brain images from the MNI152 template, which ships inside the package nilearn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import check_positive_int
from jaxrecon.data.nifti import read_nifti
from jaxrecon.mri.simulate.field_map import random_field

_FILE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

# proton density, T1 and T2 in s at 1.5 T, of grey matter, white matter and cerebrospinal fluid
_TISSUES = np.array([[0.86, 0.833, 0.083], [0.77, 0.500, 0.070], [1.00, 2.569, 0.329]])


class BrainMaps(NamedTuple):
    """The template and what it is made of, each (z, y, x) = (189, 233, 197) at 1 mm, float32.

    Slices from foot to head, rows from front to back, columns from left to right.
    """

    t1: np.ndarray
    """T1-weighted intensity without skull, 0 to 1."""
    grey: np.ndarray
    """Share of grey matter, 0 to 1."""
    white: np.ndarray
    """Share of white matter, 0 to 1."""
    fluid: np.ndarray
    """Share of what is left within the brain: mostly cerebrospinal fluid."""


@lru_cache(maxsize=1)
def brain_maps() -> BrainMaps:
    """The symmetric MNI152 average brain of 2009 (T1, grey and white matter), from nilearn's wheel.

    Nothing is downloaded. nilearn is not imported, only its files are read.

    Raises:
        ImportError: the extra `brain` is not installed. FileNotFoundError: the installed nilearn
            has no such files.

    Source: Fonov et al., Unbiased average age-appropriate atlases for pediatric studies, NeuroImage
    54 (2011) 313, doi:10.1016/j.neuroimage.2010.07.033.
    """
    spec = find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            'the brain images need nilearn: pip install "jaxrecon[brain]"; it holds the MNI152 '
            "template in its wheel."
        )
    folder = Path(next(iter(spec.submodule_search_locations))) / "datasets" / "data"

    def read(name: str) -> np.ndarray:
        path = folder / _FILE.format(name)
        if not path.exists():
            raise FileNotFoundError(
                f"the installed nilearn has no {path.name}; versions from 0.11 on have it."
            )
        return np.ascontiguousarray(read_nifti(path).image[:, ::-1]) / np.float32(255)

    t1, grey, white = read("t1"), read("gm"), read("wm")
    fluid = np.where(t1 > 0, np.clip(1 - grey - white, 0, 1), 0).astype(np.float32)
    for array in (t1, grey, white, fluid):
        array.setflags(write=False)
    return BrainMaps(t1, grey, white, fluid)


def spin_echo_signals(repetition_time: Any, echo_time: Any) -> jax.Array:
    """Signals of grey matter, white matter and fluid: PD (1 - exp(-TR / T1)) exp(-TE / T2), (3,).

    Args:
        repetition_time: s, traced, e.g. 0.5 for T1 weighting, 4 for T2 and proton density.
        echo_time: s, traced, e.g. 0.01 for T1 and proton density, 0.1 for T2.

    Source of the tissue parameters (1.5 T): BrainWeb; Kwan, Evans and Pike 1999,
    doi:10.1109/42.816072.
    """
    density, t1, t2 = _TISSUES.T
    return density * (1 - jnp.exp(-repetition_time / t1)) * jnp.exp(-echo_time / t2)


def brain_slices(
    slices: Sequence[int],
    *,
    signals: Any = None,
    shape: tuple[int, int] = (256, 256),
    reduction: int = 1,
    key: jax.Array | None = None,
    phase: float = 0.5,
) -> jax.Array:
    r"""Complex axial slices of the brain, magnitudes up to 1: m exp(i p).

    m is the T1-weighted template, or with `signals` the mixture of the tissues' shares by these
    signals, divided by the largest. With a key, p is a smooth random phase, another one for each
    slice. The whole volume is ``brain_slices(range(189), ...)``; slices 60 to 130 show most.

    Args:
        slices: indices z from 0 (foot) to 188, 1 mm each.
        signals: (3,), of grey matter, white matter and fluid, e.g. :func:`spin_echo_signals`, or
            random numbers for contrasts that vary in training.
        shape: static (rows, columns) of the result; the brain, 233 x 197 mm, is padded or cut
            around its middle.
        reduction: static; k > 1 averages k x k pixels, k mm each, before padding.
        key: JAX random key of the phase; None for real non-negative values.
        phase: largest phase in radians.

    Returns:
        (slices, *shape), complex64.

    Raises:
        ImportError: the extra `brain` is not installed. ValueError: a slice that does not exist,
            signals of another shape.
    """
    what = "brain_slices"
    reduction = check_positive_int(reduction, what=what, argument="reduction")
    maps = brain_maps()
    index = np.asarray(slices, int).reshape(-1)
    if not len(index) or index.min() < 0 or index.max() >= len(maps.t1):
        raise ValueError(f"{what} expected slices from 0 to {len(maps.t1) - 1}, got {slices}.")
    if signals is None:
        images = maps.t1[index]
    else:
        mixture = np.asarray(signals, np.float32)
        if mixture.shape != (3,):
            raise ValueError(
                f"{what} expected signals of grey matter, white matter and fluid, shape (3,), got "
                f"{mixture.shape}."
            )
        tissues = (maps.grey, maps.white, maps.fluid)
        images = sum(s * t[index] for s, t in zip(mixture, tissues, strict=True))
        images = images / max(np.abs(mixture).max(), 1e-12)
    images = _fitted(_reduced(images, reduction), shape)
    if key is None:
        return jnp.asarray(images, jnp.complex64)
    keys = jax.random.split(key, len(index))
    phases = jax.vmap(lambda k: random_field(k, shape, peak=phase))(keys)
    return jnp.asarray(images) * jax.lax.complex(jnp.cos(phases), jnp.sin(phases))


def _reduced(images: np.ndarray, k: int) -> np.ndarray:
    """Block averages; the rest that does not fill a block is cut off evenly."""
    count, rows, columns = images.shape
    top, left = rows % k // 2, columns % k // 2
    cut = images[:, top : top + rows // k * k, left : left + columns // k * k]
    return cut.reshape(count, rows // k, k, columns // k, k).mean(axis=(2, 4))


def _fitted(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Padded with zeros or cut around the middle."""
    for axis, n in zip((1, 2), shape, strict=True):
        have = images.shape[axis]
        if have > n:
            first = (have - n) // 2
            images = np.take(images, range(first, first + n), axis=axis)
        before = (n - images.shape[axis]) // 2
        pads = [(0, 0)] * 3
        pads[axis] = (before, n - images.shape[axis] - before)
        images = np.pad(images, pads)
    return images
