"""BART files written here byte by byte, read in both orders of axes, and written."""

import numpy as np
import pytest

from jaxrecon.data.bart import (
    BART_DIMS,
    read_bart,
    read_bart_multi,
    write_bart,
)
from jaxrecon.data.bart_positions import positions_from_bart, positions_to_bart

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


def write(path, dims, values, header=None):
    """The numbers in the order of the file: the first dimension varies fastest."""
    text = "# Dimensions\n" + " ".join(map(str, dims)) + " \n# Command\nphantom -k\n"
    path.with_suffix(".hdr").write_text(text if header is None else header)
    path.with_suffix(".cfl").write_bytes(np.asarray(values, "<c8").tobytes())


def test_axes_come_in_our_order(tmp_path):
    values = normal(4 * 3 * 2 * 5)
    write(tmp_path / "a", [4, 3, 1, 2, *[1] * 6, 5, *[1] * 5], values)
    time_coil_y_x = values.reshape(5, 2, 3, 4)  # the fastest dimension last
    read = read_bart(tmp_path / "a")
    np.testing.assert_array_equal(read, time_coil_y_x)
    assert read.dtype == np.complex64
    assert read.flags.c_contiguous
    named = read_bart(tmp_path / "a.cfl", axes=("coil", "time", "phase2", "phase1", "read"))
    np.testing.assert_array_equal(named, time_coil_y_x.swapaxes(0, 1)[:, :, None])
    raw = read_bart(tmp_path / "a.hdr", raw=True)
    assert raw.shape == (4, 3, 1, 2, *[1] * 6, 5, *[1] * 5)
    assert raw[3, 1, 0, 1].ravel()[2] == time_coil_y_x[2, 1, 1, 3]
    mapped = read_bart(tmp_path / "a", mmap=True)
    assert isinstance(mapped.base, np.memmap)
    assert not mapped.flags.writeable
    np.testing.assert_array_equal(mapped, time_coil_y_x)
    with pytest.raises(ValueError, match=r"of size 1 .* got \{'time': 5\}: name them too"):
        read_bart(tmp_path / "a", axes=("coil", "phase1", "read"))
    with pytest.raises(ValueError, match="expected different axes"):
        read_bart(tmp_path / "a", axes=("coil", "y", "x"))


def test_what_is_written_is_what_bart_reads(tmp_path):
    k = normal(2, 3, 4)
    write_bart(tmp_path / "k.cfl", k, axes=("coil", "phase1", "read"))
    lines = (tmp_path / "k.hdr").read_text().splitlines()
    assert lines[0] == "# Dimensions"
    assert [int(n) for n in lines[1].split()] == [4, 3, 1, 2, *[1] * 12]
    numbers = np.frombuffer((tmp_path / "k.cfl").read_bytes(), "<c8")
    np.testing.assert_array_equal(numbers.reshape(4, 3, 2, order="F"), k.T)
    np.testing.assert_array_equal(read_bart(tmp_path / "k"), k)
    other = np.moveaxis(k, 0, -1)
    write_bart(tmp_path / "k", other, axes=("phase1", "read", "coil"))
    np.testing.assert_array_equal(read_bart(tmp_path / "k"), k)
    write_bart(tmp_path / "r", np.arange(6.0).reshape(2, 3), axes=("phase1", "read"))
    np.testing.assert_array_equal(read_bart(tmp_path / "r"), np.arange(6).reshape(2, 3))
    assert len(BART_DIMS) == 16
    with pytest.raises(ValueError, match="one name for each of the 3 axes"):
        write_bart(tmp_path / "k", k, axes=("phase1", "read"))


def test_a_trajectory_in_cycles_per_field_of_view(tmp_path):
    positions = RANDOM.uniform(-0.5, 0.5, (5, 7, 2)).astype(np.float32)
    shape = (6, 8)
    track = positions_to_bart(positions, shape)
    np.testing.assert_allclose(track[..., 0].real, positions[..., 1] * 8, rtol=1e-6)  # x first
    np.testing.assert_array_equal(track[..., 2], 0)
    write_bart(tmp_path / "t", track, axes=("phase2", "phase1", "read"))
    read = read_bart(tmp_path / "t", axes=("phase2", "phase1", "read"))
    np.testing.assert_allclose(positions_from_bart(read, shape), positions, rtol=1e-6)
    volume = RANDOM.uniform(-0.5, 0.5, (5, 7, 3)).astype(np.float32)
    back = positions_from_bart(positions_to_bart(volume, (4, 6, 8)), (4, 6, 8))
    np.testing.assert_allclose(back, volume, rtol=1e-6)
    with pytest.raises(ValueError, match=r"\(\.\.\., sample, 3\), got \(5, 7, 2\)"):
        positions_from_bart(positions, shape)
    with pytest.raises(ValueError, match=r"\(\.\.\., sample, 3\), got \(5, 7, 2\)"):
        positions_to_bart(positions, (4, 6, 8))


def test_several_arrays_in_one_file(tmp_path):
    values = normal(2 * 3 + 4)
    header = (
        "# Dimensions\n10 \n# SizesDimensions\n2 1 \n# MultiDimensions\n2 3 \n4 \n# Creator\nBART\n"
    )
    write(tmp_path / "m", [], values, header)
    first, second = read_bart_multi(tmp_path / "m")
    np.testing.assert_array_equal(first, values[:6].reshape(3, 2))
    np.testing.assert_array_equal(second, values[6:])
    with pytest.raises(ValueError, match=r"several arrays .* use read_bart_multi"):
        read_bart(tmp_path / "m")
    write(tmp_path / "m", [], values[:-1], header)
    with pytest.raises(ValueError, match=r"expected 80 bytes .* got 72.*cut short"):
        read_bart_multi(tmp_path / "m")
    write(tmp_path / "o", [10], values)
    with pytest.raises(ValueError, match="got one: use read_bart"):
        read_bart_multi(tmp_path / "o")


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file at .*a\.hdr; an array of BART is a pair"):
        read_bart(tmp_path / "a")
    write(tmp_path / "a", [2, 3], normal(5))
    with pytest.raises(ValueError, match=r"48 bytes .* in .*a\.cfl, got 40\. Was it cut short"):
        read_bart(tmp_path / "a")
    write(tmp_path / "a", [2, 3], np.zeros(12))
    with pytest.raises(ValueError, match=r"got 96\. Does the \.hdr belong to it"):
        read_bart(tmp_path / "a", mmap=True)
    write(tmp_path / "a", [2, 0], [])
    with pytest.raises(ValueError, match=r"sizes of 1 or more in .*a\.hdr, got '2 0 '"):
        read_bart(tmp_path / "a")
    write(tmp_path / "a", ["two", 3], normal(6))
    with pytest.raises(ValueError, match=r"sizes of 1 or more .* got 'two 3 '"):
        read_bart(tmp_path / "a")
    write(tmp_path / "a", [], normal(6), header="")
    with pytest.raises(ValueError, match=r"'# Dimensions' .* in .*a\.hdr, got an empty file"):
        read_bart(tmp_path / "a")
    write(tmp_path / "a", [], normal(6), header="ENVI\nsamples = 3\n")
    with pytest.raises(ValueError, match="header of another format"):
        read_bart(tmp_path / "a")
    (tmp_path / "a.cfl").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file at .*a\.cfl"):
        read_bart(tmp_path / "a")
