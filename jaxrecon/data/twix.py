"""Siemens raw data (twix, .dat), read by the library twixtools into the acquisitions of ISMRMRD."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from jaxrecon.data.mri_raw import FLAGS, HEAD, RawData
from jaxrecon.data.twix_header import dwell_time, twix_header

_FLAGS = {
    "NOISEADJSCAN": ("noise",),
    "FIRSTSCANINSLICE": ("first_in_slice",),
    "LASTSCANINSLICE": ("last_in_slice",),
    "REFLECT": ("reverse",),
    "LASTSCANINMEAS": ("last_in_repetition", "last_in_measurement"),
    "PHASCOR": ("phase_correction",),
    "RTFEEDBACK": ("navigation", "feedback_real_time"),
    "HPFEEDBACK": ("feedback_high_performance",),
    "RETRO_DUMMYSCAN": ("dummy",),
    "RAWDATACORRECTION": ("surface_coil_correction",),
    "REFPHASESTABSCAN": ("phase_stabilisation_reference",),
    "PHASESTABSCAN": ("phase_stabilisation",),
}
"""Flags of ISMRMRD for those of Siemens, as siemens_to_ismrmrd sets them."""

_IDX = {
    "kspace_encode_step_1": "Lin",
    "kspace_encode_step_2": "Par",
    "average": "Ave",
    "slice": "Sli",
    "contrast": "Eco",
    "phase": "Phs",
    "repetition": "Rep",
    "set": "Set",
    "segment": "Seg",
}


def read_twix(path: str | os.PathLike, *, scan: int = -1) -> RawData:
    """The acquisitions of one scan in a Siemens file, as :func:`read_ismrmrd` returns them.

    A file of software VD and later holds several scans: adjustments, among them that of the noise,
    and the measurement, which is the last. Slices keep the counter of the scanner, which is the
    order of measuring; raw.heads["position"] says where they lie. The directions of the readout are
    not filled in. Positions of non-Cartesian samples are not in such files: they are computed from
    the sequence.

    Args:
        path: the .dat file.
        scan: its number in the file; -1 is the last.

    Raises:
        ImportError: twixtools is missing (extra "twix").
        FileNotFoundError: there is no file at the path.
        ValueError: another format; cut short; no such scan; no acquisitions in it; a protocol
            without matrix or field of view.
    """
    what, name = "read_twix", os.fspath(path)
    try:
        import twixtools  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(f"{what} needs twixtools: pip install 'jaxrecon[twix]'") from error
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{what} found no file at {name}.")
    count = _check_file(path, what, name)
    if not -count <= scan < count:
        raise ValueError(f"{what} expected a scan below {count}, the scans in {name}, got {scan}.")
    try:
        found = twixtools.read_twix(
            name,
            include_scans=[scan],
            parse_pmu=False,
            parse_geometry=False,
            verbose=False,
            keep_syncdata=False,
            keep_acqend=True,
        )[0]
        blocks = found["mdb"]
        ended = bool(blocks) and blocks[-1].is_flag_set("ACQEND")
        blocks = [b for b in blocks if not b.is_flag_set("ACQEND")]
        heads = np.zeros(len(blocks), HEAD)
        data = [np.asarray(block.data, np.complex64) for block in blocks] if ended else []
    except Exception as error:  # twixtools raises what its parts raise
        raise ValueError(
            f"{what} could not read {name}; is it another format, or was it cut short? ({error})"
        ) from error
    if not ended:
        raise ValueError(
            f"{what} expected a scan that ends with its last acquisition in {name}, got none after "
            f"{len(blocks)}: was the file cut short, or the measurement stopped?"
        )
    if not blocks:
        raise ValueError(f"{what} expected acquisitions in scan {scan} of {name}, got none.")
    for head, block, samples in zip(heads, blocks, data, strict=True):
        _fill(head, block, samples)
    heads["sample_time_us"] = dwell_time(found["hdr"])
    header = twix_header(found["hdr"], heads, blocks, what, name)
    tracks = [np.zeros((samples.shape[1], 0), np.float32) for samples in data]
    return RawData(header, heads, data, tracks)


def _check_file(path: str | os.PathLike, what: str, name: str) -> int:
    """How many scans the file holds; an error unless it holds them to their end.

    VD and later begin with a table of up to 64 scans: (id, count) as uint32, then 152 bytes each,
    with the offset and the length as uint64 at byte 8. VB begins with the length of the protocol.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        start = file.read(8 + 64 * 152)
        first, second = np.frombuffer(start[:8].ljust(8, b"\0"), "<u4").tolist()
        table = first < 10000 and 0 < second <= 64 and len(start) == 8 + 64 * 152
        places = [(0, size)]
        if table:
            entries = (start[8 + 152 * k : 8 + 152 * (k + 1)] for k in range(second))
            places = [tuple(np.frombuffer(e[8:24], "<u8").tolist()) for e in entries]
        for offset, length in places:
            if offset + length > size:
                raise ValueError(
                    f"{what} expected {offset + length} bytes in {name}, got {size}: was it cut "
                    "short?"
                )
            file.seek(offset)
            protocol = int.from_bytes(file.read(4), "little")
            text = file.read(min(protocol, 1 << 24))
            if protocol > size - offset or b"ASCCONV BEGIN" not in text:
                raise ValueError(
                    f"{what} expected a protocol of Siemens in {name}, found none: is it another "
                    "format, or was it cut short?"
                )
    return len(places)


def _fill(head: Any, block: Any, samples: np.ndarray) -> None:
    mdh = block.mdh
    head["version"] = 1
    head["measurement_uid"] = mdh.MeasUID & 0xFFFFFFFF
    head["scan_counter"] = mdh.ScanCounter
    head["acquisition_time_stamp"] = mdh.TimeStamp
    head["physiology_time_stamp"][0] = mdh.PMUTimeStamp
    head["active_channels"], head["number_of_samples"] = samples.shape
    head["available_channels"] = samples.shape[0]
    head["discard_pre"], head["discard_post"] = mdh.CutOff.Pre, mdh.CutOff.Post
    head["center_sample"] = mdh.CenterCol
    position = mdh.SliceData.SlicePos
    head["position"] = position.Sag, position.Cor, position.Tra
    for key, counter in _IDX.items():
        head["idx"][key] = getattr(mdh.Counter, counter)
    head["idx"]["user"][:5] = [getattr(mdh.Counter, f"Id{c}") for c in "abcde"]
    names = [n for key, names in _FLAGS.items() if block.is_flag_set(key) for n in names]
    if block.is_flag_set("PATREFANDIMASCAN"):
        names.append("calibration_and_imaging")
    elif block.is_flag_set("PATREFSCAN"):
        names.append("calibration")
    head["flags"] = sum(1 << (FLAGS[n] - 1) for n in set(names))
