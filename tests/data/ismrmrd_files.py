"""ISMRMRD files for tests, byte by byte as the documentation of the format says."""

import h5py
import numpy as np

RANDOM = np.random.default_rng(0)

# the table of fields in the documentation of the format: name, type, offset
IDX = np.dtype(
    [(name, "<u2") for name in (
        "kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase",
        "repetition", "set", "segment")] + [("user", "<u2", (8,))]
)  # fmt: skip
FIELDS = [
    ("version", "<u2", 0), ("flags", "<u8", 2), ("measurement_uid", "<u4", 10),
    ("scan_counter", "<u4", 14), ("acquisition_time_stamp", "<u4", 18),
    ("physiology_time_stamp", ("<u4", (3,)), 22), ("number_of_samples", "<u2", 34),
    ("available_channels", "<u2", 36), ("active_channels", "<u2", 38),
    ("channel_mask", ("<u8", (16,)), 40), ("discard_pre", "<u2", 168), ("discard_post", "<u2", 170),
    ("center_sample", "<u2", 172), ("encoding_space_ref", "<u2", 174),
    ("trajectory_dimensions", "<u2", 176), ("sample_time_us", "<f4", 178),
    ("position", ("<f4", (3,)), 182), ("read_dir", ("<f4", (3,)), 194),
    ("phase_dir", ("<f4", (3,)), 206), ("slice_dir", ("<f4", (3,)), 218),
    ("patient_table_position", ("<f4", (3,)), 230), ("idx", IDX, 242),
    ("user_int", ("<i4", (8,)), 276), ("user_float", ("<f4", (8,)), 308),
]  # fmt: skip
HEAD = np.dtype(
    {
        "names": [f[0] for f in FIELDS],
        "formats": [f[1] for f in FIELDS],
        "offsets": [f[2] for f in FIELDS],
        "itemsize": 340,
    }
)
FLOATS = h5py.vlen_dtype(np.float32)
TABLE = np.dtype([("head", HEAD), ("traj", FLOATS), ("data", FLOATS)])

XML = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <measurementInformation><patientPosition>HFS</patientPosition>
    <protocolName>gre</protocolName></measurementInformation>
  <acquisitionSystemInformation>
    <systemFieldStrength_T>2.89</systemFieldStrength_T>
    <relativeReceiverNoiseBandwidth>0.8</relativeReceiverNoiseBandwidth>
    <receiverChannels>2</receiverChannels>
    <coilLabel><coilNumber>0</coilNumber><coilName>H1</coilName></coilLabel>
    <coilLabel><coilNumber>1</coilNumber><coilName>H2</coilName></coilLabel>
  </acquisitionSystemInformation>
  <experimentalConditions><H1resonanceFrequency_Hz>123200000</H1resonanceFrequency_Hz></experimentalConditions>
  <encoding>
    <encodedSpace><matrixSize><x>8</x><y>6</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>400</x><y>180</y><z>5</z></fieldOfView_mm></encodedSpace>
    <reconSpace><matrixSize><x>4</x><y>6</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>200</x><y>180</y><z>5</z></fieldOfView_mm></reconSpace>
    <encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>4</maximum>
      <center>2</center></kspace_encoding_step_1></encodingLimits>
    <trajectory>cartesian</trajectory>
    <parallelImaging><accelerationFactor><kspace_encoding_step_1>2</kspace_encoding_step_1>
      <kspace_encoding_step_2>1</kspace_encoding_step_2></accelerationFactor>
      <calibrationMode>embedded</calibrationMode></parallelImaging>
  </encoding>
  <sequenceParameters><TR>500</TR><TE>10</TE><TE>20</TE><flipAngle_deg>30</flipAngle_deg></sequenceParameters>
</ismrmrdHeader>
"""


def normal(*shape):
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


def write(path, acquisitions, xml=XML, table=TABLE):
    """Acquisitions as (data, flags, fields of the head, counters, trajectory)."""
    rows = np.zeros(len(acquisitions), table)
    for row, (data, flags, fields, counters, traj) in zip(rows, acquisitions, strict=True):
        row["head"]["version"] = 1
        row["head"]["active_channels"], row["head"]["number_of_samples"] = data.shape
        row["head"]["center_sample"] = data.shape[1] // 2
        row["head"]["trajectory_dimensions"] = 0 if traj is None else traj.shape[1]
        row["head"]["flags"] = sum(1 << (flag - 1) for flag in flags)
        for name, value in fields.items():
            row["head"][name] = value
        for name, value in counters.items():
            row["head"]["idx"][name] = value
        row["data"] = np.stack([data.real, data.imag], -1).astype(np.float32).ravel()
        row["traj"] = np.zeros(0, np.float32) if traj is None else traj.astype(np.float32).ravel()
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        if xml is not None:
            group.create_dataset("xml", data=[xml.encode()], dtype=h5py.special_dtype(vlen=bytes))
        group.create_dataset("data", data=rows)


def line(data, y, flags=(), fields=None, **counters):
    return data, flags, fields or {}, {"kspace_encode_step_1": y, **counters}, None
