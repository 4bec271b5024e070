"""Siemens files: a small one written here byte by byte, and a stand-in for the library."""

import struct
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from jaxrecon.data.mri_cartesian import cartesian_kspace
from jaxrecon.data.mri_noise import noise_samples
from jaxrecon.data.twix import read_twix

RANDOM = np.random.default_rng(0)
BITS = {"ACQEND": 0, "PHASCOR": 21, "PATREFSCAN": 22, "PATREFANDIMASCAN": 23, "REFLECT": 24,
        "NOISEADJSCAN": 25}  # fmt: skip
PROTOCOL = """### ASCCONV BEGIN ###
tProtocolName = "gre"
alTR[0] = 500000
alTE[0] = 10000
alTE[1] = 20000
adFlipAngleDegree[0] = 30.0
sKSpace.lBaseResolution = 4
sKSpace.lPhaseEncodingLines = 6
sKSpace.ucDimension = 2
sKSpace.ucTrajectory = 1
sKSpace.dPhaseOversamplingForDialog = 0.5
sSliceArray.asSlice[0].dReadoutFOV = 200.0
sSliceArray.asSlice[0].dPhaseFOV = 100.0
sSliceArray.asSlice[0].dThickness = 5.0
sRXSPEC.alDwellTime[0] = 5000
sPat.lAccelFactPE = 2
sPat.ucRefScanMode = 2
sTXSPEC.asNucleusInfo[0].lFrequency = 123200000
sProtConsistencyInfo.flNominalB0 = 2.89
### ASCCONV END ###
"""
DICOM = '<XProtocol> { <ParamDouble."flReadoutOSFactor"> { <Precision> 16 2.0 } }\n'
PARSED = {
    "MeasYaps": {
        "tProtocolName": "gre",
        "alTR": [500000],
        "alTE": [10000, 20000],
        "adFlipAngleDegree": [30.0],
        "sKSpace": {
            "lBaseResolution": 4,
            "lPhaseEncodingLines": 6,
            "ucDimension": 2,
            "ucTrajectory": 1,
            "dPhaseOversamplingForDialog": 0.5,
        },
        "sSliceArray": {"asSlice": [{"dReadoutFOV": 200.0, "dPhaseFOV": 100.0, "dThickness": 5.0}]},
        "sRXSPEC": {"alDwellTime": [5000]},
        "sPat": {"lAccelFactPE": 2, "ucRefScanMode": 2},
        "sTXSPEC": {"asNucleusInfo": [{"lFrequency": 123200000}]},
        "sProtConsistencyInfo": {"flNominalB0": 2.89},
    },
    "Dicom": {"flReadoutOSFactor": 2.0},
}


def normal(*shape):
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


K = normal(6, 3, 8)
NOISE = normal(3, 16)
LINES = [  # data, flags, line, slice
    (NOISE, ["NOISEADJSCAN"], 0, 0),
    (K[1], [], 0, 0),  # the centre is line 2, row 3 of 6
    (K[2, :, ::-1], ["REFLECT"], 1, 0),
    (K[3], ["PATREFSCAN", "PATREFANDIMASCAN"], 2, 0),
    (K[4], ["PATREFSCAN"], 3, 0),
    (normal(3, 8), ["PHASCOR"], 2, 0),
]


def scan_header(data, flags, line, slice_):
    """The 192 bytes before an acquisition, of software VD and later."""
    head = bytearray(192)
    coils, samples = data.shape
    struct.pack_into("<I", head, 0, 192 + coils * (32 + 8 * samples))
    struct.pack_into("<Q", head, 40, sum(1 << BITS[flag] for flag in flags))
    struct.pack_into("<2H", head, 48, samples, coils)
    struct.pack_into("<3H", head, 52, line, 0, slice_)
    struct.pack_into("<H", head, 84, samples // 2)
    struct.pack_into("<H", head, 96, 2)
    struct.pack_into("<3f", head, 100, 1, 2, 3)
    return bytes(head)


def write(path, lines=LINES, protocol=PROTOCOL, end=True):
    sections = b"".join(
        name + b"\0" + struct.pack("<I", len(text)) + text.encode()
        for name, text in ((b"Dicom", DICOM), (b"MeasYaps", protocol))
    )
    length = 8 + len(sections)
    scan = struct.pack("<2I", length, 2) + sections
    for line in lines:
        scan += scan_header(*line)
        scan += b"".join(bytes(32) + channel.tobytes() for channel in line[0])
    if end:
        scan += struct.pack("<I", 352) + bytes(36) + struct.pack("<Q", 1) + bytes(144 + 160)
    table = struct.pack("<2I", 0, 1) + struct.pack("<2I2Q", 1, 1, 10240, len(scan))
    path.write_bytes(table.ljust(10240, b"\0") + scan)


def stand_in(monkeypatch, blocks, protocol=PARSED):
    """A module like twixtools that finds these blocks in any file."""
    module = ModuleType("twixtools")
    module.calls = []

    def read(path, **options):
        module.calls.append(options)
        return [{"mdb": blocks, "hdr": protocol}]

    module.read_twix = read
    monkeypatch.setitem(sys.modules, "twixtools", module)
    return module


def block(data, flags, line, slice_):
    counter = dict.fromkeys(["Ave", "Par", "Eco", "Phs", "Rep", "Set", "Seg"], 0)
    counter |= dict.fromkeys([f"Id{c}" for c in "abcde"], 0)
    mdh = SimpleNamespace(
        MeasUID=-1, ScanCounter=1, TimeStamp=0, PMUTimeStamp=0, CenterLin=2, CenterPar=0,
        CenterCol=data.shape[1] // 2, CutOff=SimpleNamespace(Pre=0, Post=0),
        UsedChannels=data.shape[0], Counter=SimpleNamespace(Lin=line, Sli=slice_, **counter),
        SliceData=SimpleNamespace(SlicePos=SimpleNamespace(Sag=1, Cor=2, Tra=3)),
    )  # fmt: skip
    return SimpleNamespace(mdh=mdh, data=data, is_flag_set=lambda flag: flag in flags)


END = block(np.zeros((0, 0), np.complex64), ["ACQEND"], 0, 0)


@pytest.mark.parametrize("library", ["stand-in", "twixtools"])
def test_acquisitions_become_those_of_ismrmrd(tmp_path, monkeypatch, library):
    path = tmp_path / "meas.dat"
    write(path)
    if library == "stand-in":
        stand_in(monkeypatch, [*(block(*line) for line in LINES), END])
    else:
        pytest.importorskip("twixtools")
    raw = read_twix(path)
    header, space = raw.header, raw.header.encodings[0]
    assert (space.encoded_shape, space.encoded_size) == ((1, 6, 8), (5, 150, 400))
    assert (space.image_shape, space.image_size) == ((1, 2, 4), (5, 100, 200))
    assert (space.trajectory, space.acceleration) == ("cartesian", (2, 1))
    assert (space.calibration, header.coils, header.protocol) == ("embedded", 3, "gre")
    assert space.limits["kspace_encoding_step_1"] == (0, 3, 2)
    assert (header.repetition_time, header.echo_time) == ((0.5,), (0.01, 0.02))
    assert header.flip_angle == pytest.approx((np.pi / 6,))
    assert (header.frequency, header.field_strength) == (123.2e6, 2.89)
    assert raw.heads["sample_time_us"].tolist() == [5] * 6
    assert raw.heads["position"][0].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(noise_samples(raw), NOISE)
    assert raw.flag("phase_correction").tolist() == [False] * 5 + [True]
    for kind, rows in (("imaging", [1, 2, 3]), ("calibration", [3, 4]), ("all", [1, 2, 3, 4])):
        found = cartesian_kspace(raw, lines=kind, remove_oversampling=False)
        assert np.flatnonzero(found.counts).tolist() == rows
        kspace = np.moveaxis(found.kspace[0, 0, 0, 0, 0, :, 0], 0, 1)
        np.testing.assert_array_equal(kspace[rows], K[rows])


def test_bad_files_are_named(tmp_path, monkeypatch):
    path = tmp_path / "meas.dat"
    module = stand_in(monkeypatch, [])
    with pytest.raises(FileNotFoundError, match=r"no file at .*meas\.dat"):
        read_twix(path)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"a protocol of Siemens in .*meas\.dat, found none"):
        read_twix(path)
    path.write_bytes(RANDOM.bytes(20000))
    with pytest.raises(ValueError, match=r"another format|cut short"):
        read_twix(path)
    write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-500])
    with pytest.raises(ValueError, match=rf"expected {len(whole)} bytes .* was it cut short"):
        read_twix(path)
    assert not module.calls
    write(path)
    with pytest.raises(ValueError, match=r"a scan below 1, .* got 1"):
        read_twix(path, scan=1)
    with pytest.raises(ValueError, match=r"ends with its last acquisition .* after 0"):
        read_twix(path)
    stand_in(monkeypatch, [END])
    with pytest.raises(ValueError, match=r"expected acquisitions in scan -1 .* got none"):
        read_twix(path)
    stand_in(monkeypatch, [block(*LINES[1]), END], {"MeasYaps": {"sKSpace": {}}})
    with pytest.raises(ValueError, match=r"the matrix and the field of view .* is missing"):
        read_twix(path)
    monkeypatch.setitem(sys.modules, "twixtools", None)
    with pytest.raises(ImportError, match=r"needs twixtools: pip install 'jaxrecon\[twix\]'"):
        read_twix(path)


def test_a_measurement_without_its_end_is_named(tmp_path):
    pytest.importorskip("twixtools")
    write(tmp_path / "meas.dat", end=False)
    with pytest.raises(ValueError, match="cut short"):
        read_twix(tmp_path / "meas.dat")
