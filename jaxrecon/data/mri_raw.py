"""Raw MRI data as acquisitions: readouts of all coils, each with a head that says where it belongs.

The heads are those of ISMRMRD, which other formats are translated to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxrecon.core.checks import check_choice
from jaxrecon.data.mri_header import Encoding, MRIHeader

IDX = np.dtype(
    [
        ("kspace_encode_step_1", "<u2"),
        ("kspace_encode_step_2", "<u2"),
        ("average", "<u2"),
        ("slice", "<u2"),
        ("contrast", "<u2"),
        ("phase", "<u2"),
        ("repetition", "<u2"),
        ("set", "<u2"),
        ("segment", "<u2"),
        ("user", "<u2", (8,)),
    ]
)
"""Counters of an acquisition."""

HEAD = np.dtype(
    [
        ("version", "<u2"),
        ("flags", "<u8"),
        ("measurement_uid", "<u4"),
        ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"),
        ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"),
        ("available_channels", "<u2"),
        ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)),
        ("discard_pre", "<u2"),
        ("discard_post", "<u2"),
        ("center_sample", "<u2"),
        ("encoding_space_ref", "<u2"),
        ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"),
        ("position", "<f4", (3,)),
        ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)),
        ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)),
        ("idx", IDX),
        ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)
"""Head of an acquisition, 340 bytes."""

FLAGS = {
    "first_in_encode_step_1": 1,
    "last_in_encode_step_1": 2,
    "first_in_encode_step_2": 3,
    "last_in_encode_step_2": 4,
    "first_in_average": 5,
    "last_in_average": 6,
    "first_in_slice": 7,
    "last_in_slice": 8,
    "first_in_contrast": 9,
    "last_in_contrast": 10,
    "first_in_phase": 11,
    "last_in_phase": 12,
    "first_in_repetition": 13,
    "last_in_repetition": 14,
    "first_in_set": 15,
    "last_in_set": 16,
    "first_in_segment": 17,
    "last_in_segment": 18,
    "noise": 19,
    "calibration": 20,
    "calibration_and_imaging": 21,
    "reverse": 22,
    "navigation": 23,
    "phase_correction": 24,
    "last_in_measurement": 25,
    "feedback_high_performance": 26,
    "dummy": 27,
    "feedback_real_time": 28,
    "surface_coil_correction": 29,
    "phase_stabilisation_reference": 30,
    "phase_stabilisation": 31,
}
"""Numbers of the flags: flag n is bit n - 1 of `flags` in a head."""

_NOT_IMAGING = (
    "noise", "navigation", "phase_correction", "feedback_high_performance", "dummy",
    "feedback_real_time", "surface_coil_correction", "phase_stabilisation_reference",
    "phase_stabilisation",
)  # fmt: skip


class RawData(NamedTuple):
    """The acquisitions of a measurement, in the order in which they were made."""

    header: MRIHeader
    heads: np.ndarray
    """structured (acquisition,), the fields of ISMRMRD's AcquisitionHeader; the counters are in
    heads["idx"], e.g. heads["idx"]["slice"]"""
    data: list[np.ndarray]
    """complex64 (coil, sample), one of each acquisition"""
    trajectories: list[np.ndarray]
    """float32 (sample, dimensions), order and unit of the file; no columns where Cartesian"""
    xml: str = ""
    """the header as it stands in the file; a writer makes it from `header` where it is empty"""

    def flag(self, name: str) -> np.ndarray:
        """Booleans (acquisition,): which acquisitions carry a flag, one of the names in FLAGS.

        Raises:
            ValueError: no such flag.
        """
        check_choice(name, tuple(FLAGS), what="RawData.flag", argument="name")
        return (self.heads["flags"] >> np.uint64(FLAGS[name] - 1)) & np.uint64(1) == 1

    def lines(self, kind: str = "imaging") -> np.ndarray:
        """Booleans (acquisition,): which acquisitions are of a kind.

        Args:
            kind: "imaging": for the image, which leaves out noise, navigators, phase correction,
                feedback, dummies and lines that serve the calibration of parallel imaging alone.
                "calibration": for parallel imaging, whether or not they are imaging lines too.
                "all": both.

        Raises:
            ValueError: another kind.
        """
        check_choice(kind, ("imaging", "calibration", "all"), what="RawData.lines", argument="kind")
        usable = ~np.any([self.flag(name) for name in _NOT_IMAGING], axis=0)
        both = self.flag("calibration_and_imaging")
        reference = self.flag("calibration")
        if kind == "imaging":
            return usable & (both | ~reference)
        return usable & (both | reference) if kind == "calibration" else usable

    def select(self, which: Any) -> RawData:
        """The acquisitions that booleans (acquisition,) or indices choose."""
        numbers = np.arange(len(self.heads))[which]
        return self._replace(
            heads=self.heads[numbers],
            data=[self.data[i] for i in numbers],
            trajectories=[self.trajectories[i] for i in numbers],
        )

    def encoding(self, number: int = 0) -> Encoding:
        """One of the encoding spaces.

        Raises:
            ValueError: the header has fewer.
        """
        found = self.header.encodings
        if not 0 <= number < len(found):
            raise ValueError(
                f"RawData.encoding expected a number below {len(found)}, the encodings of the "
                f"header, got {number}."
            )
        return found[number]


def choose(raw: RawData, lines: str | np.ndarray, encoding: int, what: str) -> RawData:
    """The acquisitions of a kind, or that booleans choose, in one encoding space.

    Raises:
        ValueError: another number of booleans; no such acquisitions.
    """
    if isinstance(lines, str):
        chosen = raw.lines(lines)
    else:
        chosen = np.asarray(lines, bool)
        if chosen.shape != raw.heads.shape:
            raise ValueError(
                f"{what} expected lines as {raw.heads.shape} booleans, one an acquisition, got "
                f"{chosen.shape}."
            )
    raw = raw.select(chosen & (raw.heads["encoding_space_ref"] == encoding))
    if not len(raw.data):
        kind = lines if isinstance(lines, str) else "chosen"
        raise ValueError(f"{what} found no {kind} acquisitions in encoding space {encoding}.")
    return raw
