"""Readers of CT files, on small files in the true formats that the tests write themselves."""

import sys

import h5py
import numpy as np
import pytest
import tifffile
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from jaxrecon import ct, data
from jaxrecon.data.ct_slice import WATER

SERIES = generate_uid()
FILES = [
    (data.ct_series, "pydicom"),
    (data.tiff_stack, "tifffile"),
    (data.data_exchange, "h5py"),
]


def write_slice(path, z, *, x=0.0, hounsfield=0, shape=(6, 4), series=SERIES, **tags):
    """One CT slice with the given number in all pixels but the first, which is air."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    d = Dataset()
    d.file_meta = meta
    d.SOPClassUID, d.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    d.Modality, d.SeriesInstanceUID = "CT", series
    d.Rows, d.Columns = shape
    d.PixelSpacing = [0.5, 0.25]
    d.ImagePositionPatient = [x, -20.0, z]
    d.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    d.SliceThickness = 3.0
    d.SamplesPerPixel, d.PhotometricInterpretation = 1, "MONOCHROME2"
    d.BitsAllocated = d.BitsStored = 16
    d.HighBit, d.PixelRepresentation = 15, 0
    d.RescaleSlope, d.RescaleIntercept = 2, -1024
    for name, value in tags.items():
        setattr(d, name, value)
    pixels = np.full(shape, (hounsfield + 1024) // 2, np.uint16)
    pixels[0, 0] = 0
    d.PixelData = pixels.tobytes()
    d.save_as(path, enforce_file_format=True)


@pytest.fixture
def series(tmp_path):
    """Four slices 2 mm apart; the order of names is not that of positions."""
    for name, z in (("a", 4.0), ("b", -2.0), ("c", 2.0), ("d", 0.0)):
        write_slice(tmp_path / f"{name}.dcm", z, hounsfield=100 * int(z))
    (tmp_path / "README.txt").write_text("not a slice")
    return tmp_path


def test_a_series_becomes_a_volume_in_order(series):
    volume = data.ct_series(series)
    assert volume.attenuation.shape == (4, 6, 4)
    assert volume.attenuation.dtype == np.float32
    assert volume.voxel_size == pytest.approx((2.0, 0.5, 0.25))
    assert volume.origin == pytest.approx((0.0, -20.0, -2.0))
    expected = WATER * (1 + 0.1 * np.array([-2.0, 0.0, 2.0, 4.0]))
    np.testing.assert_allclose(volume.attenuation[:, 3, 2], expected, rtol=1e-6)
    assert (volume.attenuation[:, 0, 0] == 0).all()
    doubled = data.ct_series(sorted(series.glob("*.dcm")), water=2 * WATER)
    np.testing.assert_allclose(doubled.attenuation, 2 * volume.attenuation, rtol=1e-6)


def test_a_sagittal_series_is_ordered_along_its_own_normal(tmp_path):
    for name, x in (("a", 3.0), ("b", 0.0), ("c", 1.5)):
        write_slice(
            tmp_path / f"{name}.dcm", 7.0, x=x, hounsfield=int(100 * x),
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
        )  # fmt: skip
    volume = data.ct_series(tmp_path)
    assert volume.voxel_size[0] == pytest.approx(1.5)
    # the normal, y times -z, points along -x
    np.testing.assert_allclose(volume.attenuation[:, 1, 1] / WATER, [1.3, 1.15, 1.0], rtol=1e-3)


def test_one_slice_takes_its_thickness(tmp_path):
    write_slice(tmp_path / "a.dcm", 0.0)
    assert data.ct_series(tmp_path).voxel_size[0] == pytest.approx(3.0)


BROKEN_SERIES = {
    "missing between": {"z": 8.0},
    "two at the same place": {"z": 4.0},
    "gantry tilted": {"z": 6.0, "x": 1.0},
    "differs from .* in PixelSpacing": {"z": 6.0, "PixelSpacing": [0.5, 0.5]},
    "differs from .* in ImageOrientationPatient": {
        "z": 6.0, "ImageOrientationPatient": [0, 1, 0, 1, 0, 0],
    },
    r"has \(5, 4\) pixels|has \(6, 4\)": {"z": 6.0, "shape": (5, 4)},
    "expected one series": {"z": 6.0, "series": "1.2.3"},
    "modality MR": {"z": 6.0, "Modality": "MR"},
    "could not decode": {"z": 6.0, "Rows": 60},
}  # fmt: skip


@pytest.mark.parametrize("message", BROKEN_SERIES)
def test_a_broken_series_is_explained(series, message):
    write_slice(series / "e.dcm", **BROKEN_SERIES[message])
    with pytest.raises(ValueError, match=message):
        data.ct_series(series)


def test_one_of_several_series_is_chosen(series):
    write_slice(series / "e.dcm", 0.0, series="1.2.3", hounsfield=900)
    assert data.ct_series(series, series="1.2.3").attenuation.shape == (1, 6, 4)
    assert data.ct_series(series, series=SERIES).attenuation.shape == (4, 6, 4)
    with pytest.raises(ValueError, match=r"no slice of the series 9"):
        data.ct_series(series, series="9.9")


def test_missing_and_cut_dicom_files_are_explained(series, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        data.ct_series(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no file in"):
        data.ct_series(tmp_path / "empty")
    whole = (series / "a.dcm").read_bytes()
    (series / "a.dcm").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match="cut short"):
        data.ct_series(series)
    (series / "a.dcm").write_bytes(b"text")
    with pytest.raises(ValueError, match="expected a DICOM file"):
        data.ct_series(series)


def write_exchange(path, *, units="deg", **changes):
    counts = np.random.default_rng(0).integers(100, 4000, (5, 3, 4)).astype(np.uint16)
    arrays = {
        "data": counts,
        "data_white": np.full((2, 3, 4), 5000, np.uint16),
        "data_dark": np.full((3, 3, 4), 50, np.uint16),
        "theta": np.linspace(0, 180, 5, endpoint=False),
        **changes,
    }
    with h5py.File(path, "w") as file:
        file["implements"] = "exchange"
        for key, array in arrays.items():
            if array is not None:
                file[f"exchange/{key}"] = array
        if units and arrays["theta"] is not None:
            file["exchange/theta"].attrs["units"] = units
    return counts


def test_a_data_exchange_file(tmp_path):
    counts = write_exchange(tmp_path / "scan.h5")
    scan = data.data_exchange(tmp_path / "scan.h5")
    np.testing.assert_array_equal(scan.projections, counts)
    assert scan.projections.dtype == np.float32
    assert (scan.flat.shape, scan.dark.shape) == ((2, 3, 4), (3, 3, 4))
    np.testing.assert_allclose(scan.angles, np.arange(5) * np.pi / 5)
    part = data.data_exchange(
        tmp_path / "scan.h5", views=slice(0, 5, 2), rows=slice(1, 2), columns=slice(0, 3)
    )
    np.testing.assert_array_equal(part.projections, counts[::2, 1:2, :3])
    assert part.flat.shape == (2, 1, 3)
    np.testing.assert_allclose(part.angles, scan.angles[::2])
    dark = scan.dark.mean(0)
    line_integrals, _ = ct.log_transform(scan.projections, scan.flat.mean(0) - dark, dark=dark)
    np.testing.assert_allclose(line_integrals, -np.log((counts - 50.0) / 4950), rtol=1e-4)


def test_angles_may_be_radians_or_without_units(tmp_path):
    write_exchange(tmp_path / "scan.h5", units="radians")
    assert data.data_exchange(tmp_path / "scan.h5").angles[1] == pytest.approx(36.0)
    write_exchange(tmp_path / "scan.h5", units=None)
    assert data.data_exchange(tmp_path / "scan.h5").angles[1] == pytest.approx(np.pi / 5)


BROKEN_EXCHANGE = {
    "'exchange/theta' .* is missing": (ValueError, {"theta": None}),
    "'exchange/data_white' .* is missing": (ValueError, {"data_white": None}),
    "one angle per view": (ValueError, {"theta": np.zeros(4)}),
    r"frames of \(3, 4\)": (ValueError, {"data_dark": np.zeros((1, 4, 3))}),
    "3 axes": (ValueError, {"data": np.zeros((5, 12))}),
    "real numbers": (TypeError, {"data": np.zeros((5, 3, 4), complex)}),
    "units 'turns'": (ValueError, {"units": "turns"}),
}


@pytest.mark.parametrize("message", BROKEN_EXCHANGE)
def test_a_broken_data_exchange_file_is_explained(tmp_path, message):
    error, changes = BROKEN_EXCHANGE[message]
    write_exchange(tmp_path / "scan.h5", **changes)
    with pytest.raises(error, match=message):
        data.data_exchange(tmp_path / "scan.h5")


def test_missing_and_cut_hdf5_files_are_explained(tmp_path):
    path = tmp_path / "scan.h5"
    with pytest.raises(FileNotFoundError, match="found no file"):
        data.data_exchange(path)
    write_exchange(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(ValueError, match="cut short"):
        data.data_exchange(path)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match="another format"):
        data.data_exchange(path)


def test_a_stack_of_tiff_files_and_one_of_pages(tmp_path):
    images = np.random.default_rng(0).integers(0, 60_000, (12, 5, 3)).astype(np.uint16)
    for i, image in enumerate(images):
        tifffile.imwrite(tmp_path / f"view{i}.tif", image)  # view10 follows view9, not view1
    stack = data.tiff_stack(tmp_path)
    np.testing.assert_array_equal(stack, images)
    assert stack.dtype == np.float32
    tifffile.imwrite(tmp_path / "all.tiff", images.astype(np.float32), photometric="minisblack")
    np.testing.assert_array_equal(data.tiff_stack(tmp_path / "all.tiff"), images)
    chosen = data.tiff_stack([tmp_path / "view3.tif", tmp_path / "view1.tif"])
    np.testing.assert_array_equal(chosen, images[[3, 1]])


def test_broken_tiff_files_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="no TIFF file"):
        data.tiff_stack(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file at"):
        data.tiff_stack(tmp_path / "none.tif")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((40, 30), np.uint16))
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((40, 31), np.uint16))
    with pytest.raises(ValueError, match=r"images of \(40, 30\) pixels, got \(40, 31\)"):
        data.tiff_stack(tmp_path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match="cut short"):
        data.tiff_stack(path)
    path.write_bytes(b"text")
    with pytest.raises(ValueError, match="no TIFF"):
        data.tiff_stack(path)
    tifffile.imwrite(path, np.zeros((4, 3, 3), np.uint8), photometric="rgb")
    with pytest.raises(TypeError, match="grey images"):
        data.tiff_stack(path)


@pytest.mark.parametrize(("reader", "package"), FILES)
def test_a_missing_package_names_the_extra(reader, package, series, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=r"jaxrecon\[files\]"):
        reader(series)
