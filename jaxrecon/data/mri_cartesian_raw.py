"""Cartesian k-space cut into acquisitions."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.mri_acquire import finished, set_flag
from jaxrecon.data.mri_header import COUNTERS, MRIHeader
from jaxrecon.data.mri_raw import HEAD, RawData


def cartesian_raw(
    kspace: Any,
    header: MRIHeader,
    *,
    axes: tuple[str, ...] = (),
    mask: Any = None,
    calibration: Any = None,
    noise: Any = None,
    dwell_time: float = 0,
) -> RawData:
    """The acquisitions of a Cartesian k-space, one readout each, for :func:`write_ismrmrd`.

    Args:
        kspace: complex (*axes, coil, kz, ky, kx), of the encoded matrix of the header, with the
            origin at entry n // 2; kz has size 1 for slices.
        header: from :func:`mri_header`.
        axes: counters that the leading axes are: any of slice, contrast, phase, repetition, set,
            average, segment.
        mask: booleans that broadcast to (*axes, kz, ky): the lines to write. All by default.
        calibration: booleans that broadcast likewise: lines to flag as calibration and imaging.
        noise: complex (coil, sample), written first and flagged as noise.
        dwell_time: time between samples in s.

    Raises:
        ValueError: shapes that do not fit the header or each other.
        TypeError: k-space that is not complex.
    """
    what = "cartesian_raw"
    kspace = np.asarray(kspace)
    if kspace.dtype.kind != "c":
        raise TypeError(f"{what} expected complex k-space, got {kspace.dtype}.")
    for name in axes:
        check_choice(name, COUNTERS, what=what, argument="axes")
    space = header.encodings[0]
    if kspace.ndim != len(axes) + 4 or kspace.shape[-3:] != space.encoded_shape:
        raise ValueError(
            f"{what} expected k-space with the axes ({', '.join((*axes, 'coil'))}, kz, ky, kx), "
            f"the last three of {space.encoded_shape} as the header says, got {kspace.shape}."
        )
    coils, nx = kspace.shape[-4], kspace.shape[-1]
    sizes = (*kspace.shape[: len(axes)], *kspace.shape[-3:-1])

    def lines(given: Any, name: str) -> np.ndarray:
        try:
            return np.broadcast_to(np.asarray(given, bool), sizes)
        except ValueError as error:
            raise ValueError(
                f"{what} expected {name} that broadcasts to {sizes}, got {np.shape(given)}."
            ) from error

    places = np.argwhere(lines(True if mask is None else mask, "mask"))
    if not len(places):
        raise ValueError(f"{what} expected at least one line in mask, got none.")
    fitted = lines(False if calibration is None else calibration, "calibration")
    heads = np.zeros(len(places), HEAD)
    heads["center_sample"] = nx // 2
    for k, name in enumerate(axes):
        heads["idx"][name] = places[:, k]
    for step, (column, n) in enumerate(((-1, sizes[-1]), (-2, sizes[-2])), start=1):
        _, _, centre = space.limits.get(f"kspace_encoding_step_{step}", (0, n - 1, n // 2))
        steps = places[:, column] - n // 2 + centre
        if steps.min() < 0:
            raise ValueError(
                f"{what} expected the centre of phase encoding {step} at step {n // 2} or later "
                f"for lines before it, got {centre} in the limits of the header."
            )
        heads["idx"][f"kspace_encode_step_{step}"] = steps
    set_flag(heads, fitted[tuple(places.T)], "calibration_and_imaging")
    groups = places[:, : len(axes)]
    change = np.any(groups[1:] != groups[:-1], axis=1)
    for name in ("encode_step_1", "slice"):
        set_flag(heads, np.r_[True, change], f"first_in_{name}")
        set_flag(heads, np.r_[change, True], f"last_in_{name}")
    data = [kspace[(*p[:-2], slice(None), *p[-2:])].astype(np.complex64) for p in places]
    header = _with_limits(header, dict(zip(axes, sizes[: len(axes)], strict=True)))
    return finished(header, heads, data, None, coils, noise, dwell_time, what)


def _with_limits(header: MRIHeader, sizes: dict[str, int]) -> MRIHeader:
    """A header whose first encoding has the limits of counters too."""
    first = header.encodings[0]
    limits = {**first.limits, **{name: (0, n - 1, 0) for name, n in sizes.items()}}
    return header._replace(encodings=(first._replace(limits=limits), *header.encodings[1:]))
