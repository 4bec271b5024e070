"""NIfTI files written here byte by byte, read back, and written."""

import gzip
import struct
import sys

import numpy as np
import pytest

from jaxrecon.data.nifti import read_nifti, write_nifti

RANDOM = np.random.default_rng(0)
CODES = {"uint8": 2, "int16": 4, "float32": 16, "complex64": 32, "float64": 64}


def file_bytes(values, spacing, slope=1.0, inter=0.0, units=2 | 8, rows=None, code=None, size=None):
    """A file of version 1: the values with x, the fastest axis, last."""
    shape = values.shape[::-1]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    code = CODES[values.dtype.name] if code is None else code
    struct.pack_into("<2h", header, 70, code, 8 * (size or values.itemsize))
    struct.pack_into("<8f", header, 76, 1, *spacing, *[1] * (7 - len(spacing)))
    struct.pack_into("<3f", header, 108, 352, slope, inter)
    header[123] = units
    if rows is not None:
        struct.pack_into("<h", header, 254, 1)
        struct.pack_into("<12f", header, 280, *np.ravel(rows))
    header[344:348] = b"n+1\0"
    return bytes(header) + values.tobytes()


@pytest.fixture
def nibabel():
    return pytest.importorskip("nibabel")


def test_an_image_in_our_axes_with_its_scale(tmp_path, nibabel):
    stored = RANDOM.integers(-99, 99, (2, 3, 4)).astype(np.int16)
    rows = [[-1, 0, 0, 10], [0, -2, 0, 20], [0, 0, 3, 30]]
    content = file_bytes(stored, (1, 2, 3), slope=0.5, inter=7, rows=rows)
    (tmp_path / "a.nii").write_bytes(content)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content))
    for name in ("a.nii", "a.nii.gz"):
        read = read_nifti(tmp_path / name)
        np.testing.assert_allclose(read.image, 0.5 * stored + 7)
        assert read.image.dtype == np.float32
        assert read.voxel_size == (3, 2, 1)
        np.testing.assert_array_equal(read.affine, [*rows, [0, 0, 0, 1]])
        assert read.time_step is None
    assert read_nifti(tmp_path / "a.nii", dtype=np.float64).image.dtype == np.float64
    (tmp_path / "m.nii").write_bytes(file_bytes(stored, (1, 2, 3), units=3 | 8, rows=rows))
    micro = read_nifti(tmp_path / "m.nii")
    assert micro.voxel_size == pytest.approx((0.003, 0.002, 0.001))
    np.testing.assert_allclose(micro.affine[:3], 1e-3 * np.array(rows))


def test_complex_images_and_series(tmp_path, nibabel):
    values = RANDOM.standard_normal((5, 2, 3, 4)) + 1j * RANDOM.standard_normal((5, 2, 3, 4))
    values = values.astype(np.complex64)
    path = tmp_path / "a.nii"
    path.write_bytes(file_bytes(values, (1, 2, 3, 40), units=2 | 16))  # milliseconds
    read = read_nifti(path)
    np.testing.assert_array_equal(read.image, values)
    assert read.image.dtype == np.complex64
    assert read.time_step == pytest.approx(0.04)
    with pytest.raises(TypeError, match=r"a complex dtype for .* got float32"):
        read_nifti(path, dtype=np.float32)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "complex64", "int16", "bool"])
def test_round_trips(tmp_path, nibabel, version, dtype):
    image = (10 * RANDOM.standard_normal((2, 3, 4))).astype(dtype)
    path = tmp_path / "a.nii.gz"
    write_nifti(path, image, (5, 2, 1), version=version)
    read = read_nifti(path)
    np.testing.assert_array_equal(read.image, image)
    assert read.voxel_size == (5, 2, 1)
    middle = read.affine @ [1.5, 1, 0.5, 1]
    np.testing.assert_allclose(middle, [0, 0, 0, 1], atol=1e-6)
    np.testing.assert_array_equal(np.diag(read.affine), [-1, -2, 5, 1])
    size = struct.unpack("<i", gzip.decompress(path.read_bytes())[:4])[0]
    assert size == {1: 348, 2: 540}[version]


def test_the_bytes_of_a_series_and_an_affine(tmp_path, nibabel):
    image = RANDOM.standard_normal((5, 2, 3, 4)).astype(np.float32)
    turned = np.array([[0, 2, 0, 1], [1, 0, 0, 2], [0, 0, 5, 3], [0, 0, 0, 1]], float)
    write_nifti(tmp_path / "a.nii", image, (5, 2, 1), affine=turned, time_step=0.5)
    content = (tmp_path / "a.nii").read_bytes()
    assert struct.unpack("<5h", content[40:50]) == (4, 4, 3, 2, 5)
    np.testing.assert_array_equal(np.frombuffer(content[352:], "<f4"), image.ravel())
    read = read_nifti(tmp_path / "a.nii")
    assert read.time_step == 0.5
    np.testing.assert_array_equal(read.affine, turned)
    write_nifti(tmp_path / "b.nii", image[0, 0], (5, 2, 1))
    assert read_nifti(tmp_path / "b.nii").image.shape == (1, 3, 4)
    write_nifti(tmp_path / "w.nii", np.zeros((1, 1, 40000), np.uint8), (1, 1, 1))
    assert (tmp_path / "w.nii").read_bytes()[:4] == struct.pack("<i", 540)


def test_bad_files_are_named(tmp_path, nibabel):
    path = tmp_path / "a.nii"

    def raises(kind, match):
        with pytest.raises(kind, match=match):
            read_nifti(path)

    raises(FileNotFoundError, r"no file at .*a\.nii")
    values = RANDOM.standard_normal((8, 8, 8)).astype(np.float32)
    whole = file_bytes(values, (1, 1, 1))
    path.write_bytes(b"")
    raises(ValueError, r"could not read .*a\.nii as NIfTI")
    path.write_bytes(whole[:200])
    raises(ValueError, r"could not read .*a\.nii as NIfTI.*cut short")
    path.write_bytes(whole[:1000])
    raises(ValueError, r"could not read the \(8, 8, 8\) values of .*a\.nii; was it cut short")
    path.write_bytes(b"\x89PNG" + bytes(500))
    raises(ValueError, "as NIfTI; is it another format")
    path.write_bytes(file_bytes(values.view(np.uint8)[..., :8], (1, 1, 1), code=128, size=3))
    raises(TypeError, "colour image")
    path.write_bytes(file_bytes(values[:0], (1, 1, 1)))
    raises(ValueError, r"expected an image in .*a\.nii")
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(whole)[:1000])
    raises(ValueError, r"could not read the \(8, 8, 8\) values of .*cut short")


def test_bad_images_are_not_written(tmp_path, nibabel):
    image = np.zeros((2, 3, 4), np.float32)
    with pytest.raises(ValueError, match=r"ends in \.nii or \.nii\.gz"):
        write_nifti(tmp_path / "a.img", image, (1, 1, 1))
    with pytest.raises(TypeError, match="got int64: convert"):
        write_nifti(tmp_path / "a.nii", image.astype(np.int64), (1, 1, 1))
    with pytest.raises(ValueError, match="three lengths in mm"):
        write_nifti(tmp_path / "a.nii", image, (1, 0, 1))
    with pytest.raises(ValueError, match="2 to 7 axes"):
        write_nifti(tmp_path / "a.nii", image[0, 0], (1, 1, 1))
    with pytest.raises(ValueError, match=r"lengths of voxel_size \(1\.0, 2\.0, 3\.0\)"):
        write_nifti(tmp_path / "a.nii", image, (1, 2, 3), affine=np.diag([1.0, 2, 3, 1]))
    with pytest.raises(ValueError, match="sides up to 32767"):
        write_nifti(tmp_path / "a.nii", np.zeros((1, 1, 40000), "i2"), (1, 1, 1), version=1)


def test_a_missing_nibabel_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(
        ImportError, match=r"read_nifti needs nibabel: pip install 'jaxrecon\[files\]'"
    ):
        read_nifti(tmp_path / "a.nii")
