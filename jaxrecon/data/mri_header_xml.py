"""The XML header of an ISMRMRD data set, written from an :class:`MRIHeader`."""

from __future__ import annotations

import math
from typing import Any
from xml.etree import ElementTree

from jaxrecon.data.mri_header import COUNTERS, Encoding, MRIHeader

_SPACE = "http://www.ismrm.org/ISMRMRD"
_LIMITS = tuple(f"kspace_encoding_step_{k}" for k in range(3)) + COUNTERS


def header_xml(header: MRIHeader) -> str:
    """XML that is valid for the schema of ISMRMRD, with the elements in its order."""
    root = ElementTree.Element("ismrmrdHeader", {"xmlns": _SPACE})
    if header.patient:
        _add(root, "subjectInformation", patientID=header.patient)
    if header.protocol:
        place = {"patientPosition": "HFS", "protocolName": header.protocol}
        _add(root, "measurementInformation", **place)
    system = _add(
        root,
        "acquisitionSystemInformation",
        systemFieldStrength_T=header.field_strength,
        relativeReceiverNoiseBandwidth=header.noise_bandwidth,
        receiverChannels=header.coils,
    )
    for number, name in enumerate(header.coil_names):
        _add(system, "coilLabel", coilNumber=number, coilName=name)
    _add(root, "experimentalConditions", H1resonanceFrequency_Hz=round(header.frequency))
    for encoding in header.encodings:
        _encoding(root, encoding)
    sequence = ElementTree.SubElement(root, "sequenceParameters")
    for name, values, unit in (
        ("TR", header.repetition_time, 1e3),
        ("TE", header.echo_time, 1e3),
        ("TI", header.inversion_time, 1e3),
        ("flipAngle_deg", header.flip_angle, math.degrees(1)),
    ):
        for value in values:
            ElementTree.SubElement(sequence, name).text = _digits(value * unit)
    if not len(sequence):
        root.remove(sequence)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode")


def _encoding(root: Any, encoding: Encoding) -> None:
    node = ElementTree.SubElement(root, "encoding")
    for name, shape, size in (
        ("encodedSpace", encoding.encoded_shape, encoding.encoded_size),
        ("reconSpace", encoding.image_shape, encoding.image_size),
    ):
        space = ElementTree.SubElement(node, name)
        _add(space, "matrixSize", **dict(zip("xyz", reversed(shape), strict=True)))
        _add(space, "fieldOfView_mm", **dict(zip("xyz", reversed(size), strict=True)))
    limits = ElementTree.SubElement(node, "encodingLimits")
    for name in _LIMITS:
        if name in encoding.limits:
            first, last, centre = encoding.limits[name]
            _add(limits, name, minimum=first, maximum=last, center=centre)
    ElementTree.SubElement(node, "trajectory").text = encoding.trajectory
    if encoding.acceleration != (1, 1) or encoding.calibration:
        parallel = ElementTree.SubElement(node, "parallelImaging")
        y, z = encoding.acceleration
        factors = {"kspace_encoding_step_1": round(y), "kspace_encoding_step_2": round(z)}
        _add(parallel, "accelerationFactor", **factors)
        if encoding.calibration:
            ElementTree.SubElement(parallel, "calibrationMode").text = encoding.calibration


def _add(parent: Any, tag: str, **values: Any) -> Any:
    """A child with children of one text each; those that are None are left out."""
    node = ElementTree.SubElement(parent, tag)
    for name, value in values.items():
        if value is not None:
            ElementTree.SubElement(node, name).text = _digits(value)
    return node


def _digits(value: Any) -> str:
    """A number with as many digits as it needs; text as it is."""
    if isinstance(value, str):
        return value
    return str(int(value)) if value == int(value) else repr(float(value))
