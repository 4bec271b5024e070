"""Cartesian acquisitions sorted into k-space."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.mri_header import Encoding
from jaxrecon.data.mri_raw import RawData, choose

_AXES = ("slice", "contrast", "phase", "repetition", "set")


class CartesianKSpace(NamedTuple):
    """What :func:`cartesian_kspace` returns."""

    kspace: np.ndarray
    """complex64 (*axes, coil, kz, ky, kx), 0 where nothing was measured; the origin of k-space is
    entry n // 2 along kz, ky and kx"""
    mask: np.ndarray
    """booleans (*axes, kz, ky, kx): what was measured"""
    counts: np.ndarray
    """integers (*axes, kz, ky): how many acquisitions each line comes from"""
    axes: tuple[str, ...]
    """the counters that the leading axes are"""
    size: tuple[float, float, float]
    """(z, y, x) field of view in mm of the image that k-space is of"""


def cartesian_kspace(
    raw: RawData,
    *,
    lines: str | np.ndarray = "imaging",
    axes: tuple[str, ...] = _AXES,
    average: str = "mean",
    remove_oversampling: bool = True,
    encoding: int = 0,
) -> CartesianKSpace:
    r"""Cartesian acquisitions in the places of k-space where they belong.

    The step s of a phase encoding goes to entry s - c + n // 2 of its axis, with the centre c of
    the encoding limits (n // 2 where the header has none) and the size n of the encoded matrix.
    Sample j of a readout goes to kx entry j - center_sample + n // 2, so that partial echoes lie
    where they were measured; discard_pre samples at its beginning and discard_post at its end are
    left out. Readouts flagged "reverse" are turned round first, and center_sample counts in the
    turned readout. Echo-planar readouts are placed as they are: regridding of ramp samples and the
    correction of odd and even lines are up to the user.

    Args:
        raw: from :func:`read_ismrmrd`, :func:`read_twix` or :func:`cartesian_raw`.
        lines: "imaging", "calibration" or "all" (see :meth:`RawData.lines`), or booleans
            (acquisition,).
        axes: counters that get an axis, from the outermost; any of slice, contrast, phase,
            repetition, set, segment. The others but the segment must have one value.
        average: what becomes of lines measured several times: "mean" or "sum" over them, or "keep",
            which adds an axis "average" after `axes`.
        remove_oversampling: keep the middle of the field of view along x that the header gives for
            the image. Both transforms are orthonormal, so that the image and the noise in a sample
            keep their size. Samples missing in a partial echo count as zeros here.
        encoding: number of the encoding space; acquisitions of others are left out.

    Returns:
        k-space with its mask, e.g. `result.kspace[0, 0, 0, 0, 0, :, 0]` (coil, ky, kx) for slice 0.

    Raises:
        ValueError: no such acquisitions; another trajectory; another number of coils in some; a
            line or sample outside the matrix of the header; a counter without an axis that varies;
            with "keep", several acquisitions in one place.
    """
    what = "cartesian_kspace"
    check_choice(average, ("mean", "sum", "keep"), what=what, argument="average")
    for name in axes:
        check_choice(name, (*_AXES, "segment"), what=what, argument="axes")
    space = raw.encoding(encoding)
    if space.trajectory in ("radial", "goldenangle", "spiral"):
        raise ValueError(
            f"{what} expected Cartesian data, but the header says '{space.trajectory}': use "
            "noncartesian_kspace."
        )
    raw = choose(raw, lines, encoding, what)
    leading = (*axes, "average") if average == "keep" else tuple(axes)
    _check_counters(raw, leading, what)

    idx = raw.heads["idx"]
    places = [idx[name].astype(int) for name in leading]
    shape = space.encoded_shape
    places += [_entries(idx, space, 2, shape[0], what), _entries(idx, space, 1, shape[1], what)]
    sizes = (*(int(p.max()) + 1 for p in places[:-2]), *shape[:2])
    coils = {block.shape[0] for block in raw.data}
    if len(coils) > 1:
        raise ValueError(f"{what} expected one number of coils, got {sorted(coils)}.")

    sums = np.zeros((*sizes, coils.pop(), shape[2]), np.complex64)
    hits = np.zeros((*sizes, shape[2]), np.int32)
    reverse = raw.flag("reverse")
    for place, head, block, turned in zip(
        zip(*places, strict=True), raw.heads, raw.data, reverse, strict=True
    ):
        columns, samples = _readout(head, block, bool(turned), shape[2], what)
        sums[place][:, columns] += samples
        hits[(*place, columns)] += 1
    mask, counts = hits > 0, hits.max(axis=-1)
    if average == "keep" and counts.max() > 1:
        place = np.unravel_index(int(np.argmax(counts)), sizes)
        names = (*leading, "kz", "ky")
        spot = ", ".join(f"{n} {int(p)}" for n, p in zip(names, place, strict=True))
        raise ValueError(
            f"{what} found {counts.max()} acquisitions at {spot}: give them an axis (segment?), or "
            "combine them with average='mean'."
        )
    if average == "mean":
        sums /= np.maximum(hits, 1)[..., None, :]
    kspace = np.moveaxis(sums, -2, -4)
    size = space.encoded_size
    if remove_oversampling:
        count = round(shape[2] * space.image_size[2] / size[2])
        if 0 < count < shape[2]:
            kspace, mask = _crop_readout(kspace, count), _crop_mask(mask, count)
            size = (size[0], size[1], size[2] * count / shape[2])
    return CartesianKSpace(np.ascontiguousarray(kspace), mask, counts, leading, size)


def _check_counters(raw: RawData, leading: tuple[str, ...], what: str) -> None:
    for name in _AXES:
        found = np.unique(raw.heads["idx"][name])
        if name not in leading and len(found) > 1:
            raise ValueError(
                f"{what} expected one value of the counter {name}, as it is not in axes, got "
                f"{len(found)}, {found[:5].tolist()}: add it, or choose by RawData.select."
            )


def _entries(idx: Any, space: Encoding, step: int, n: int, what: str) -> np.ndarray:
    """Entries along an axis of k-space of the phase encoding steps."""
    steps = idx[f"kspace_encode_step_{step}"].astype(int)
    _, _, centre = space.limits.get(f"kspace_encoding_step_{step}", (0, n - 1, n // 2))
    entries = steps - centre + n // 2
    if entries.min() < 0 or entries.max() >= n:
        raise ValueError(
            f"{what} expected steps of phase encoding {step} between {centre - n // 2} and "
            f"{centre - n // 2 + n - 1} for an encoded matrix of {n} with its centre at step "
            f"{centre}, got {steps.min()} to {steps.max()}. Is the centre in the encoding limits "
            "of the header wrong?"
        )
    return entries


def _readout(
    head: Any, block: np.ndarray, turned: bool, n: int, what: str
) -> tuple[slice, np.ndarray]:
    """Columns of k-space that a readout fills, and its samples."""
    count = block.shape[1]
    first, last = int(head["discard_pre"]), count - int(head["discard_post"])
    if turned:
        block, first, last = block[:, ::-1], count - last, count - first
    start = n // 2 - int(head["center_sample"])
    if not first < last or start + first < 0 or start + last > n:
        raise ValueError(
            f"{what} expected the samples of a readout within {n} columns of k-space, got {count} "
            f"samples with the centre at {head['center_sample']} and {head['discard_pre']} and "
            f"{head['discard_post']} to discard (scan counter {head['scan_counter']}). Is "
            "center_sample missing in the file? Set raw.heads['center_sample'], or "
            "the encoded matrix of the header."
        )
    return slice(start + first, start + last), block[:, first:last]


def _crop_readout(kspace: np.ndarray, count: int) -> np.ndarray:
    """K-space of the middle `count` columns of the image."""
    n = kspace.shape[-1]
    image = np.fft.ifft(np.fft.ifftshift(kspace, -1), norm="ortho")
    first = n // 2 - count // 2
    image = np.fft.fftshift(image, -1)[..., first : first + count]
    cropped = np.fft.fft(np.fft.ifftshift(image, -1), norm="ortho")
    return np.fft.fftshift(cropped, -1).astype(np.complex64)


def _crop_mask(mask: np.ndarray, count: int) -> np.ndarray:
    """Samples of the coarser grid along kx whose neighbours on the finer one were measured."""
    n = mask.shape[-1]
    position = n // 2 + (np.arange(count) - count // 2) * (n / count)
    near = np.clip([np.floor(position), np.ceil(position)], 0, n - 1).astype(int)
    return mask[..., near[0]] & mask[..., near[1]]
