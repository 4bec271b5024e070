"""The header of a Siemens scan, from the protocol as twixtools has parsed it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jaxrecon.data.mri_header import COUNTERS, Encoding, MRIHeader
from jaxrecon.data.mri_raw import RawData

_TRAJECTORIES = {1: "cartesian", 2: "radial", 4: "spiral"}
_CALIBRATIONS = {2: "embedded", 4: "separate", 8: "separate", 16: "interleaved"}


def dwell_time(protocol: Any) -> float:
    """Time between samples in microseconds; 0 if the protocol has none."""
    times = _find(protocol, "sRXSPEC", {}).get("alDwellTime", [0])
    return float(times[0] or 0) / 1e3 if times else 0.0


def twix_header(
    protocol: Any, heads: np.ndarray, blocks: list[Any], what: str, name: str
) -> MRIHeader:
    """The header from the protocol, and from the counters of the acquisitions.

    Raises:
        ValueError: a protocol without matrix or field of view.
    """
    try:
        space = protocol["MeasYaps"]["sKSpace"]
        place = protocol["MeasYaps"]["sSliceArray"]["asSlice"][0]
        base, lines = int(space["lBaseResolution"]), int(space["lPhaseEncodingLines"])
        readout, phase = float(place["dReadoutFOV"]), float(place["dPhaseFOV"])
        thickness = float(place["dThickness"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(
            f"{what} expected the matrix and the field of view in the protocol of {name}, but "
            f"{error} is missing."
        ) from error
    volume = space.get("ucDimension") == 4
    partitions = int(space.get("lPartitions", 1)) if volume else 1
    oversampling = float(_find(protocol, "flReadoutOSFactor", 1) or 1)
    more_lines = 1 + float(space.get("dPhaseOversamplingForDialog", 0))
    more_slices = 1 + float(space.get("dSliceOversamplingForDialog", 0))
    kind = _TRAJECTORIES.get(int(space.get("ucTrajectory", 1)), "other")
    pat = _find(protocol, "sPat", {})
    limits: dict[str, tuple[int, int, int]] = {}
    imaging = RawData(MRIHeader(()), heads, [], []).lines("all")
    used = heads["idx"][imaging if imaging.any() else slice(None)]
    first = blocks[int(np.argmax(imaging))].mdh
    for step, centre in (("1", first.CenterLin), ("2", first.CenterPar)):
        steps = used[f"kspace_encode_step_{step}"]
        limits[f"kspace_encoding_step_{step}"] = (int(steps.min()), int(steps.max()), int(centre))
    for counter in COUNTERS:
        limits[counter] = (0, int(used[counter].max()), 0)
    encoding = Encoding(
        (partitions, lines, round(base * oversampling)),
        (thickness * (more_slices if volume else 1), phase * more_lines, readout * oversampling),
        (
            int(space.get("lImagesPerSlab", partitions)) if volume else 1,
            max(round(base * phase / readout), 1),
            base,
        ),
        (thickness, phase, readout),
        kind,
        limits,
        (float(pat.get("lAccelFactPE", 1)), float(pat.get("lAccelFact3D", 1))),
        _CALIBRATIONS.get(int(pat.get("ucRefScanMode", 0)), ""),
    )
    nucleus = _find(protocol, "sTXSPEC", {}).get("asNucleusInfo", [{}])[0]
    patient = protocol.get("Config", {}).get("tPatientName", "")
    field = _find(protocol, "sProtConsistencyInfo", {}).get("flNominalB0")
    return MRIHeader(
        (encoding,),
        int(first.UsedChannels),
        (),
        _times(protocol, "alTR"),
        _times(protocol, "alTE"),
        _times(protocol, "alTI"),
        tuple(math.radians(float(v)) for v in _listed(protocol, "adFlipAngleDegree")),
        float(nucleus.get("lFrequency", 0) or 0),
        None if field is None else float(field),
        None,
        str(patient),
        str(_find(protocol, "tProtocolName", "")),
    )


def _find(protocol: Any, key: str, default: Any) -> Any:
    """What the sections of the protocol have under a key."""
    for section in ("MeasYaps", "Dicom", "Meas", "Config"):
        found = protocol.get(section, {})
        if isinstance(found, dict) and found.get(key) not in (None, ""):
            return found[key]
    return default


def _listed(protocol: Any, key: str) -> list[Any]:
    found = protocol.get("MeasYaps", {}).get(key, [])
    found = found if isinstance(found, list) else [found]
    return [v for v in found if isinstance(v, int | float) and v > 0]


def _times(protocol: Any, key: str) -> tuple[float, ...]:
    """Times of the protocol, which are in microseconds, in s."""
    return tuple(v / 1e6 for v in _listed(protocol, key))
