"""ISMRMRD files written here byte by byte as the format says, read back, sorted, and written."""

import h5py
import numpy as np
import pytest

from jaxrecon.data.ismrmrd import read_ismrmrd, write_ismrmrd
from jaxrecon.data.mri_cartesian import cartesian_kspace
from jaxrecon.data.mri_cartesian_raw import cartesian_raw
from jaxrecon.data.mri_header import mri_header, parse_header
from jaxrecon.data.mri_header_xml import header_xml
from jaxrecon.data.mri_noise import noise_samples
from jaxrecon.data.mri_noncartesian import noncartesian_kspace
from jaxrecon.data.mri_noncartesian_raw import noncartesian_raw
from tests.data.ismrmrd_files import FIELDS, FLOATS, HEAD, RANDOM, XML, line, normal, write


def test_the_header_in_our_units(tmp_path):
    write(tmp_path / "a.h5", [line(normal(2, 8), 0)])
    header = read_ismrmrd(tmp_path / "a.h5").header
    space = header.encodings[0]
    assert (space.encoded_shape, space.encoded_size) == ((1, 6, 8), (5, 180, 400))
    assert (space.image_shape, space.image_size) == ((1, 6, 4), (5, 180, 200))
    assert space.limits == {"kspace_encoding_step_1": (0, 4, 2)}
    assert (space.trajectory, space.acceleration) == ("cartesian", (2, 1))
    assert (space.calibration, header.coils, header.coil_names) == ("embedded", 2, ("H1", "H2"))
    assert (header.repetition_time, header.echo_time) == ((0.5,), (0.01, 0.02))
    assert header.flip_angle == pytest.approx((np.pi / 6,))
    assert (header.frequency, header.noise_bandwidth) == (123.2e6, 0.8)
    assert (header.field_strength, header.protocol) == (2.89, "gre")
    assert parse_header(header_xml(header), what="", name="") == header
    fraction = mri_header((1, 6, 8), (5, 180, 400), acceleration=(2.3, 1))
    assert "2.3" not in header_xml(fraction)  # whole numbers in the schema


def test_lines_go_where_the_centre_says_and_flags_tell_them_apart(tmp_path):
    k = normal(6, 2, 8)
    noise = normal(2, 16)
    lines = [
        line(noise, 0, [19], {"sample_time_us": 10}),
        line(k[1], 0, fields={"sample_time_us": 5}),  # step 0 with centre 2 is row 1 of 6
        line(k[3], 2, [21]),
        line(k[4], 3, [20]),
        line(k[5], 4, [25]),
        line(normal(2, 8), 3, [24]),  # phase correction
        line(normal(2, 8), 3, [23, 28]),  # navigator
    ]
    write(tmp_path / "a.h5", lines)
    raw = read_ismrmrd(tmp_path / "a.h5")
    assert raw.flag("noise").tolist() == [True] + [False] * 6
    assert raw.flag("phase_correction").tolist() == [False] * 5 + [True, False]
    expected = {"imaging": [1, 3, 5], "calibration": [3, 4], "all": [1, 3, 4, 5]}
    for kind, rows in expected.items():
        found = cartesian_kspace(raw, lines=kind, remove_oversampling=False)
        assert found.kspace.shape == (1, 1, 1, 1, 1, 2, 1, 6, 8)
        assert np.flatnonzero(found.counts[0, 0, 0, 0, 0, 0]).tolist() == rows
        for y in range(6):
            there = y in rows
            np.testing.assert_array_equal(found.mask[..., y, :], there)
            np.testing.assert_array_equal(found.kspace[0, 0, 0, 0, 0, :, 0, y], k[y] * there)
    np.testing.assert_array_equal(noise_samples(raw, match=False), noise)
    scale = np.sqrt(10 / (5 * 0.8))
    np.testing.assert_allclose(noise_samples(raw), scale * noise, rtol=1e-6)
    with pytest.raises(ValueError, match="no calibration acquisitions"):
        cartesian_kspace(raw.select(raw.flag("noise")), lines="calibration")
    with pytest.raises(ValueError, match=r"lines as \(7,\) booleans, .* got \(3,\)"):
        cartesian_kspace(raw, lines=np.ones(3, bool))
    with pytest.raises(ValueError, match="flagged as noise, got none"):
        noise_samples(raw.select(raw.lines()))


def test_partial_echoes_reversed_lines_and_samples_to_discard(tmp_path):
    full = normal(2, 8)
    junk = normal(2, 3)
    lines = [
        line(full[:, 3:], 0, fields={"center_sample": 1}),  # k = 0 is column 4 of 8
        line(full[:, ::-1], 1, [22]),
        line(
            np.concatenate([junk, full[:, 2:7], junk[:, :1]], 1),
            2,
            fields={"center_sample": 5, "discard_pre": 3, "discard_post": 1},
        ),
        line(  # reversed: 3 junk samples first in time, so last in k-space
            np.concatenate([junk, full[:, 5:0:-1]], 1),
            3,
            [22],
            {"center_sample": 3, "discard_pre": 3},
        ),
    ]
    write(tmp_path / "a.h5", lines)
    found = cartesian_kspace(read_ismrmrd(tmp_path / "a.h5"), remove_oversampling=False)
    kspace, mask = found.kspace[0, 0, 0, 0, 0, :, 0], found.mask[0, 0, 0, 0, 0, 0]
    for row, columns in ((1, slice(3, 8)), (2, slice(0, 8)), (3, slice(2, 7)), (4, slice(1, 6))):
        there = np.zeros(8, bool)
        there[columns] = True
        np.testing.assert_array_equal(mask[row], there)
        np.testing.assert_array_equal(kspace[:, row], full * there)


def test_averages_and_counters(tmp_path):
    k = normal(2, 3, 2, 8)  # average, repetition
    pairs = [(a, r) for a in range(2) for r in range(3) if (a, r) != (1, 2)]
    lines = [line(k[a, r], 2, average=a, repetition=r) for a, r in pairs]
    write(tmp_path / "a.h5", lines)
    raw = read_ismrmrd(tmp_path / "a.h5")

    def row(**options):
        found = cartesian_kspace(raw, axes=("repetition",), remove_oversampling=False, **options)
        return found.kspace[..., 0, 3, :], found

    mean, found = row()
    np.testing.assert_allclose(mean[:2], k[:, :2].mean(0), rtol=1e-6)
    np.testing.assert_array_equal(mean[2], k[0, 2])
    assert found.counts[:, 0, 3].tolist() == [2, 2, 1]
    total, _ = row(average="sum")
    np.testing.assert_allclose(total[:2], k[:, :2].sum(0), rtol=1e-6)
    kept, found = row(average="keep")
    assert found.axes == ("repetition", "average")
    np.testing.assert_array_equal(kept[:2], np.moveaxis(k[:, :2], 0, 1))
    assert not found.mask[2, 1].any()
    with pytest.raises(ValueError, match=r"one value of the counter repetition, .* got 3"):
        cartesian_kspace(raw, axes=("slice",))
    twice = raw._replace(heads=raw.heads.copy())
    twice.heads["idx"]["average"] = 0
    with pytest.raises(ValueError, match=r"2 acquisitions at repetition 0, average 0, kz 0, ky 3"):
        cartesian_kspace(twice, axes=("repetition",), average="keep")


def test_removing_oversampling_keeps_the_middle_of_the_image(tmp_path):
    def transform(x, inverse=False):
        f = np.fft.ifft if inverse else np.fft.fft
        return np.fft.fftshift(f(np.fft.ifftshift(x, -1), norm="ortho"), -1)

    image = normal(2, 8)
    partial = line(normal(2, 6), 3, fields={"center_sample": 2})
    write(tmp_path / "a.h5", [line(transform(image), 2), partial])
    found = cartesian_kspace(read_ismrmrd(tmp_path / "a.h5"))
    assert found.kspace.shape[-3:] == (1, 6, 4)
    assert found.size == (5, 180, 200)
    restored = transform(found.kspace[0, 0, 0, 0, 0, :, 0, 3], inverse=True)
    np.testing.assert_allclose(restored, image[:, 2:6], atol=1e-6)
    # columns 2 to 7 of 8 were measured; the 4 new ones lie at old columns 0, 2, 4, 6
    assert found.mask[0, 0, 0, 0, 0, 0, 4].tolist() == [False, True, True, True]


def test_a_cartesian_round_trip(tmp_path):
    k, noise = normal(2, 3, 4, 6, 8), normal(3, 16)
    mask = RANDOM.random((4, 6)) < 0.6
    mask[2, 3] = True
    fitted = np.zeros((4, 6), bool)
    fitted[2, 3] = True
    header = mri_header(
        (4, 6, 8),
        (20, 180, 400),
        image_size=(20, 180, 200),
        image_shape=(4, 6, 4),
        acceleration=(2, 2),
        calibration="embedded",
        repetition_time=(0.5,),
        echo_time=(0.01, 0.02),
        flip_angle=(0.5,),
        frequency=63e6,
    )
    raw = cartesian_raw(
        k, header, axes=("contrast",), mask=mask, calibration=fitted, noise=noise, dwell_time=5e-6
    )
    write_ismrmrd(tmp_path / "a.h5", raw)
    back = read_ismrmrd(tmp_path / "a.h5")
    assert back.header.flip_angle == pytest.approx((0.5,))
    assert back.header._replace(flip_angle=(0.5,)) == raw.header
    assert back.header.encodings[0].limits["contrast"] == (0, 1, 0)
    np.testing.assert_array_equal(back.heads, raw.heads)
    assert back.heads["sample_time_us"][1] == pytest.approx(5)
    found = cartesian_kspace(back, axes=("contrast",), remove_oversampling=False)
    np.testing.assert_array_equal(found.kspace, k * mask[..., None])
    np.testing.assert_array_equal(found.counts > 0, np.broadcast_to(mask, (2, 4, 6)))
    calibration = cartesian_kspace(back, lines="calibration", axes=("contrast",))
    assert calibration.counts.sum() == 2
    np.testing.assert_array_equal(noise_samples(back), noise)
    long = normal(3, 70000)  # longer than a readout can be
    split = cartesian_raw(k, header, axes=("contrast",), mask=mask, noise=long)
    assert split.flag("noise").sum() == 2
    np.testing.assert_array_equal(noise_samples(split), long)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["dataset/data"].dtype["head"] == HEAD
        assert file["dataset/data"].maxshape == (None,)
    for name in ("first_in_slice", "last_in_slice"):
        assert back.flag(name).sum() == 2
    assert np.flatnonzero(back.flag("last_in_measurement")).tolist() == [len(back.data) - 1]


@pytest.mark.parametrize("d", [2, 3])
def test_a_non_cartesian_round_trip(tmp_path, d):
    k = normal(2, 5, 7)
    positions = RANDOM.uniform(-0.5, 0.5, (5, 7, d)).astype(np.float32)
    shape = (6, 6, 8) if d == 3 else (1, 6, 8)
    header = mri_header(shape, (30, 180, 400), trajectory="radial")
    raw = noncartesian_raw(k, positions, header, counters={"repetition": [0, 0, 0, 1, 1]})
    write_ismrmrd(tmp_path / "a.h5", raw)
    back = read_ismrmrd(tmp_path / "a.h5")
    np.testing.assert_array_equal(back.trajectories[1], positions[1, :, ::-1])  # x first
    found = noncartesian_kspace(back)
    np.testing.assert_array_equal(found.kspace, k)
    np.testing.assert_array_equal(found.positions, positions)
    assert found.extra is None
    second = noncartesian_kspace(back.select(back.heads["idx"]["repetition"] == 1))
    np.testing.assert_array_equal(second.kspace, k[:, 3:])
    with pytest.raises(ValueError, match="use noncartesian_kspace"):
        cartesian_kspace(back)


def test_units_of_a_trajectory_and_a_column_of_weights(tmp_path):
    positions = RANDOM.uniform(-0.5, 0.5, (7, 2))  # x, y in cycles per pixel
    positions[0] = 0.5
    weights = RANDOM.random((7, 1)) + 1
    n, pixel = np.array([8, 6]), np.array([50, 30])  # mm
    data = normal(2, 7)
    for units, scale in (
        ("pixel", 1),
        ("fov", n),
        ("radian", 2 * np.pi),
        ("mm", 1 / pixel),
        ("m", 1000 / pixel),
    ):
        track = np.concatenate([positions * scale, weights], 1)
        write(tmp_path / "a.h5", [(data, (), {}, {}, track)])
        raw = read_ismrmrd(tmp_path / "a.h5")
        found = noncartesian_kspace(raw, units=units)
        np.testing.assert_allclose(found.positions[0], positions[:, ::-1], atol=1e-6)
        np.testing.assert_allclose(found.extra[0], weights[:, 0], rtol=1e-6)
        if units == "fov":
            with pytest.raises(ValueError, match=r"got 4 with units='pixel' .*'fov'"):
                noncartesian_kspace(raw)
    cut = [(data, (), {"discard_pre": 2, "discard_post": 1}, {}, positions)]
    write(tmp_path / "a.h5", cut)
    found = noncartesian_kspace(read_ismrmrd(tmp_path / "a.h5"))
    np.testing.assert_array_equal(found.kspace[:, 0], data[:, 2:6])
    np.testing.assert_allclose(found.positions[0], positions[2:6, ::-1], rtol=1e-6)
    write(tmp_path / "b.h5", [line(data, 0)])
    with pytest.raises(ValueError, match=r"positions of 2 or 3 columns .* got 0"):
        noncartesian_kspace(read_ismrmrd(tmp_path / "b.h5"))
    write(tmp_path / "b.h5", [*cut, (data[:, :5], (), {}, {}, positions[:5])])
    with pytest.raises(ValueError, match="the same coils and samples"):
        noncartesian_kspace(read_ismrmrd(tmp_path / "b.h5"))


def test_wrong_centres_are_named(tmp_path):
    write(tmp_path / "a.h5", [line(normal(2, 8), 0, fields={"center_sample": 0})])
    with pytest.raises(ValueError, match=r"within 8 columns .* Is center_sample missing"):
        cartesian_kspace(read_ismrmrd(tmp_path / "a.h5"))
    write(tmp_path / "a.h5", [line(normal(2, 8), 5)])
    with pytest.raises(ValueError, match=r"between -1 and 4 .* got 5 to 5.*centre in the encoding"):
        cartesian_kspace(read_ismrmrd(tmp_path / "a.h5"))
    write(tmp_path / "a.h5", [line(normal(2, 8), 0), line(normal(3, 8), 1)])
    with pytest.raises(ValueError, match=r"one number of coils, got \[2, 3\]"):
        cartesian_kspace(read_ismrmrd(tmp_path / "a.h5"))


def test_bad_files_are_named(tmp_path):
    path = tmp_path / "a.h5"
    good = [line(normal(2, 8), 0)]

    def raises(kind, match, **options):
        with pytest.raises(kind, match=match):
            read_ismrmrd(path, **options)

    raises(FileNotFoundError, r"no file at .*a\.h5")
    path.write_bytes(b"")
    raises(ValueError, r"could not open .*a\.h5 as HDF5")
    write(path, [line(normal(2, 64), y) for y in range(5)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    raises(ValueError, r"could not open .*a\.h5 .*cut short")
    with h5py.File(path, "w") as file:
        file["kspace"] = np.zeros(3)
    raises(ValueError, r"expected the group 'dataset' .* it has \['kspace'\]")
    write(path, good)
    raises(ValueError, r"the group 'scan' .* it has \['dataset'\]", group="scan")
    write(path, good, xml=None)
    raises(ValueError, r"'dataset/xml' in .* it has \['data'\]")
    write(path, good, xml="")
    raises(ValueError, r"could not read the XML header of .*a\.h5")
    write(path, good, xml=XML.replace("<x>8</x>", ""))
    raises(ValueError, r"no encodedSpace/matrixSize in encoding")
    write(path, good, xml=XML.replace("<x>8</x>", "<x>many</x>"))
    raises(ValueError, r"encodedSpace/matrixSize/x holds no number")
    write(path, [])
    raises(ValueError, r"expected acquisitions in 'dataset/data' .* got none")
    write(path, [line(normal(2, 8), 0, fields={"number_of_samples": 9})])
    raises(ValueError, r"expected 36 numbers \(2 coils, 9 samples\) .* acquisition 0 .* got 32")
    doubles = h5py.vlen_dtype(np.float64)
    write(path, good, table=np.dtype([("head", HEAD), ("traj", FLOATS), ("data", doubles)]))
    raises(TypeError, r"lists of float32 in the field 'data' .* got float64")
    with h5py.File(path, "w") as file:
        file["dataset/xml"] = [XML.encode()]
        file["dataset/data"] = np.zeros((3, 4), np.complex64)
    raises(TypeError, r"a table of acquisitions .* got complex64")
    older = np.dtype([f[:2] for f in FIELDS if f[0] != "channel_mask"])
    with h5py.File(path, "w") as file:
        file["dataset/xml"] = [XML.encode()]
        table = np.dtype([("head", older), ("traj", FLOATS), ("data", FLOATS)])
        file.create_dataset("dataset/data", (1,), table)
    raises(TypeError, r"but channel_mask is missing")


def test_bad_data_are_not_written(tmp_path):
    header = mri_header((1, 6, 8), (5, 180, 400))
    with pytest.raises(TypeError, match="complex k-space, got float64"):
        cartesian_raw(np.zeros((2, 1, 6, 8)), header)
    with pytest.raises(ValueError, match=r"the last three of \(1, 6, 8\) .* got \(2, 6, 8\)"):
        cartesian_raw(normal(2, 6, 8), header)
    with pytest.raises(ValueError, match=r"mask that broadcasts to \(1, 6\), got \(5,\)"):
        cartesian_raw(normal(2, 1, 6, 8), header, mask=np.ones(5))
    with pytest.raises(ValueError, match=r"noise of \(2, samples\)"):
        cartesian_raw(normal(2, 1, 6, 8), header, noise=normal(3, 4))
    with pytest.raises(ValueError, match="positions"):
        noncartesian_raw(normal(2, 5, 7), np.zeros((5, 6, 2)), header)
    with pytest.raises(ValueError, match="size as three lengths in mm"):
        mri_header((1, 6, 8), (5, 0, 400))
    with pytest.raises(ValueError, match="shape as three numbers from 1 to 65535"):
        mri_header((1, 6, 70000), (5, 180, 400))
    points = np.zeros((5, 7, 2))
    for frames in ([0] * 4, [-1] * 5, [70000] * 5):
        with pytest.raises(ValueError, match=r"repetition as \(5,\) integers from 0 to 65535"):
            noncartesian_raw(normal(2, 5, 7), points, header, counters={"repetition": frames})
    raw = cartesian_raw(normal(2, 1, 6, 8), header)
    with pytest.raises(ValueError, match=r"shapes .* in acquisition 0, as its head says"):
        write_ismrmrd(tmp_path / "a.h5", raw._replace(data=[d[:1] for d in raw.data]))
