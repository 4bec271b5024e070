"""The packaged CT slices, their units, and that no network is touched."""

import socket
import sys

import numpy as np
import pytest

from jaxrecon.data.ct_slice import (
    WATER,
    attenuation_from_hounsfield,
    ct_slice,
    hounsfield_from_attenuation,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a CT slice must not be downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize(("name", "spacing"), [("head", 0.478516), ("abdomen", 0.859375)])
def test_the_slices_are_real_ones_in_physical_units(name, spacing):
    attenuation, pixel_size = ct_slice(name)
    assert attenuation.shape == (512, 512)
    assert attenuation.dtype == np.float32
    assert pixel_size == pytest.approx((spacing, spacing))
    assert attenuation.min() == 0
    soft_tissue = np.mean((attenuation > 0.97 * WATER) & (attenuation < 1.1 * WATER))
    assert soft_tissue > 0.1
    assert 1.8 * WATER < attenuation.max() < 3.5 * WATER  # bone
    assert np.median(attenuation[:40, :40]) < 0.05 * WATER  # air


def test_hounsfield_units():
    np.testing.assert_allclose(
        attenuation_from_hounsfield(np.array([-3024.0, -1000.0, 0.0, 1000.0])),
        [0, 0, WATER, 2 * WATER],
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        hounsfield_from_attenuation(attenuation_from_hounsfield(np.array([40.0, -120.0]))),
        [40, -120],
        rtol=1e-4,
    )


def test_bad_input_is_explained(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="head"):
        ct_slice("foot")
    with pytest.raises(FileNotFoundError, match="no file at"):
        ct_slice(path=tmp_path / "none.dcm")
    text = tmp_path / "text.dcm"
    text.write_text("no image")
    with pytest.raises(ValueError, match="expected a DICOM file"):
        ct_slice(path=text)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImportError, match=r"jaxrecon\[examples\]"):
        ct_slice()


def test_a_magnetic_resonance_image_is_no_ct_slice():
    from data_store import DataStore

    with pytest.raises(ValueError, match="modality MR"):
        ct_slice(path=DataStore().get_path("MR2_UNCR.dcm"))
