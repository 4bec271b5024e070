"""What the XML header of an ISMRMRD data set says, in mm, s, Hz and radians."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from xml.etree import ElementTree

from jaxrecon.core.checks import check_choice

TRAJECTORIES = ("cartesian", "epi", "radial", "goldenangle", "spiral", "other")
COUNTERS = ("slice", "contrast", "phase", "repetition", "set", "average", "segment")
"""Loop counters of an acquisition, besides the two steps of the phase encoding."""

Three = tuple[float, float, float]
Sizes = tuple[int, int, int]


class Encoding(NamedTuple):
    """One encoding space. Sizes are (z, y, x): partitions or slice, phase, readout."""

    encoded_shape: Sizes
    """of k-space, with oversampling"""
    encoded_size: Three
    """field of view in mm"""
    image_shape: Sizes
    """of the reconstruction"""
    image_size: Three
    """field of view in mm"""
    trajectory: str = "cartesian"
    """one of cartesian, epi, radial, goldenangle, spiral, other"""
    limits: Mapping[str, tuple[int, int, int]] = MappingProxyType({})
    """(smallest, largest, centre) of the counters, by name, as kspace_encoding_step_1 or slice"""
    acceleration: tuple[float, float] = (1, 1)
    """of parallel imaging, along (y, z); a file has whole numbers"""
    calibration: str = ""
    """of parallel imaging: embedded, interleaved, separate, external, other, or nothing"""


class MRIHeader(NamedTuple):
    """What holds for a whole measurement."""

    encodings: tuple[Encoding, ...]
    """encoding spaces; an acquisition names its own by number, 0 in most files"""
    coils: int | None = None
    """receiver channels"""
    coil_names: tuple[str, ...] = ()
    repetition_time: tuple[float, ...] = ()
    """TR in s"""
    echo_time: tuple[float, ...] = ()
    """TE in s, one of each contrast"""
    inversion_time: tuple[float, ...] = ()
    """TI in s"""
    flip_angle: tuple[float, ...] = ()
    """radians"""
    frequency: float = 0
    """resonance frequency of protons in Hz; 0 if unknown"""
    field_strength: float | None = None
    """tesla"""
    noise_bandwidth: float | None = None
    """relativeReceiverNoiseBandwidth: of noise scans, relative to 1 / dwell time"""
    patient: str = ""
    protocol: str = ""


def mri_header(
    shape: Sizes,
    size: Three,
    *,
    image_shape: Sizes | None = None,
    image_size: Three | None = None,
    trajectory: str = "cartesian",
    acceleration: tuple[float, float] = (1, 1),
    calibration: str = "",
    **rest: Any,
) -> MRIHeader:
    """A header for data of one's own, with one encoding space, as small as the format allows.

    Args:
        shape: (z, y, x) of k-space; z is 1 for slices.
        size: (z, y, x) field of view in mm that belongs to `shape`: with oversampling.
        image_shape, image_size: of the reconstruction; without oversampling. As `shape` and `size`
            by default.
        trajectory, acceleration, calibration: see :class:`Encoding`.
        rest: further fields of :class:`MRIHeader`.

    Raises:
        ValueError: not three sizes, sizes that are not above 0 or that the format cannot hold, an
            unknown trajectory.
    """
    what = "mri_header"
    check_choice(trajectory, TRAJECTORIES, what=what, argument="trajectory")
    space = _three(shape, int, "shape"), _three(size, float, "size")
    image = _three(image_shape or shape, int, "image_shape")
    image_field = _three(image_size or size, float, "image_size")
    steps = [f"kspace_encoding_step_{k}" for k in range(3)]
    limits = {name: (0, n - 1, n // 2) for name, n in zip(steps, space[0][::-1], strict=True)}
    encoding = Encoding(*space, image, image_field, trajectory, limits, acceleration, calibration)
    return MRIHeader((encoding,), **rest)


def _three(given: Any, kind: Any, name: str) -> Any:
    values = tuple(kind(v) for v in given)
    if len(values) != 3 or not min(values) > 0 or (kind is int and max(values) > 65535):
        unit = "numbers from 1 to 65535" if kind is int else "lengths in mm > 0"
        raise ValueError(f"mri_header expected {name} as three {unit}, got {given}.")
    return values


def parse_header(text: str | bytes, *, what: str, name: str) -> MRIHeader:
    """The header from its XML.

    Raises:
        ValueError: no XML, or without the matrix sizes and fields of view of its encoding.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(
            f"{what} could not read the XML header of {name} ({error}); is it empty or cut short?"
        ) from error
    try:
        encodings = tuple(_encoding(found) for found in root.findall("{*}encoding"))
        if not encodings:
            raise ValueError(f"no encoding in <{root.tag.split('}')[-1]}>")
        system, sequence = "acquisitionSystemInformation", "sequenceParameters"
        return MRIHeader(
            encodings,
            _number(root, f"{system}/receiverChannels", int),
            tuple(n.text or "" for n in _all(root, f"{system}/coilLabel/coilName")),
            tuple(v / 1e3 for v in _numbers(root, f"{sequence}/TR")),
            tuple(v / 1e3 for v in _numbers(root, f"{sequence}/TE")),
            tuple(v / 1e3 for v in _numbers(root, f"{sequence}/TI")),
            tuple(math.radians(v) for v in _numbers(root, f"{sequence}/flipAngle_deg")),
            _number(root, "experimentalConditions/H1resonanceFrequency_Hz", float) or 0,
            _number(root, f"{system}/systemFieldStrength_T", float),
            _number(root, f"{system}/relativeReceiverNoiseBandwidth", float),
            _text(root, "subjectInformation/patientID"),
            _text(root, "measurementInformation/protocolName"),
        )
    except ValueError as error:
        raise ValueError(
            f"{what} expected an ISMRMRD header with the sizes of its encoding in {name}, but: "
            f"{error}."
        ) from error


def _encoding(node: Any) -> Encoding:
    def three(place: str, kind: Any) -> Any:
        found = tuple(_number(node, f"{place}/{axis}", kind) for axis in "zyx")
        if None in found:
            raise ValueError(f"no {place} in encoding")
        return found

    limits = {}
    for limit in _all(node, "encodingLimits/*"):
        bounds = [_number(limit, key, int) for key in ("minimum", "maximum", "center")]
        limits[limit.tag.split("}")[-1]] = tuple(b or 0 for b in bounds)
    factor = "parallelImaging/accelerationFactor/kspace_encoding_step_"
    return Encoding(
        three("encodedSpace/matrixSize", int),
        three("encodedSpace/fieldOfView_mm", float),
        three("reconSpace/matrixSize", int),
        three("reconSpace/fieldOfView_mm", float),
        _text(node, "trajectory") or "other",
        limits,
        (_number(node, factor + "1", float) or 1, _number(node, factor + "2", float) or 1),
        _text(node, "parallelImaging/calibrationMode"),
    )


def _all(node: Any, place: str) -> list[Any]:
    """Nodes at a place, whatever the namespace."""
    return node.findall("/".join("{*}" + part for part in place.split("/")))


def _text(node: Any, place: str) -> str:
    found = _all(node, place)
    return (found[0].text or "").strip() if found else ""


def _numbers(node: Any, place: str, kind: Any = float) -> tuple:
    try:
        return tuple(kind((found.text or "").strip()) for found in _all(node, place))
    except ValueError as error:
        raise ValueError(f"{place} holds no number ({error})") from error


def _number(node: Any, place: str, kind: Any) -> Any:
    found = _numbers(node, place, kind)
    return found[0] if found else None
