"""The fastMRI reader on files written here in the true format, and the writer."""

import h5py
import jax
import numpy as np
import pytest

from jaxrecon import data
from jaxrecon.data.fastmri_write import fastmri_from_kspace, write_fastmri

RANDOM = np.random.default_rng(0)
HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
  <encoding>
    <encodedSpace>
      <matrixSize><x>12</x><y>10</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>280</x><y>162.818</y><z>4.5</z></fieldOfView_mm>
    </encodedSpace>
    <reconSpace>
      <matrixSize><x>6</x><y>8</y><z>1</z></matrixSize>
      <fieldOfView_mm><x>140</x><y>140</y><z>4.5</z></fieldOfView_mm>
    </reconSpace>
    <encodingLimits>
      <kspace_encoding_step_1><minimum>0</minimum><maximum>7</maximum><center>4</center></kspace_encoding_step_1>
    </encodingLimits>
  </encoding>
</ismrmrdHeader>
"""


def centred_inverse(k):
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(k, axes), norm="ortho", axes=axes), axes)


def middle(x):
    return x[..., 3:9, 1:9]


def write(path, slices=3, coils=2, target="reconstruction_rss", header=HEADER):
    shape = (slices, coils, 12, 10) if coils else (slices, 12, 10)
    k = (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)
    k[..., [0, 9]] = 0
    image = np.abs(middle(centred_inverse(k)))
    image = np.sqrt(np.sum(image**2, axis=1)) if coils else image
    with h5py.File(path, "w") as file:
        file["kspace"] = k
        file["ismrmrd_header"] = header.encode()
        file.attrs["acquisition"] = "CORPD_FBK"
        file.attrs["patient_id"] = "a1"
        if target:
            file[target] = image.astype(np.float32)
            file.attrs["max"], file.attrs["norm"] = float(image.max()), float(np.linalg.norm(image))
        else:
            file["mask"] = (np.arange(10) % 2).astype(np.float32)
    return k, image


def test_a_volume_with_coils(tmp_path):
    k, image = write(tmp_path / "a.h5")
    volume = data.fastmri_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(volume.kspace, k)
    assert volume.kspace.dtype == np.complex64
    np.testing.assert_allclose(volume.target, image, rtol=1e-6)
    assert volume.mask is None
    header = volume.header
    assert header.encoded_shape == (1, 10, 12)
    assert header.encoded_size == (4.5, 162.818, 280.0)
    assert header.image_shape == (1, 8, 6)
    assert header.image_size == (4.5, 140.0, 140.0)
    assert header.padding == (1, 9)  # the lines that the file has, the others are zeros
    assert (header.acquisition, header.patient) == ("CORPD_FBK", "a1")
    assert header.maximum == pytest.approx(image.max())
    assert header.norm == pytest.approx(np.linalg.norm(image))
    rows, columns = header.image_shape[2], header.image_shape[1]
    assert volume.target.shape[1:] == (rows, columns)
    part = data.fastmri_volume(tmp_path / "a.h5", slices=slice(1, None))
    np.testing.assert_array_equal(part.kspace, k[1:])
    last = data.fastmri_volume(tmp_path / "a.h5", slices=-1)
    np.testing.assert_array_equal(last.kspace, k[-1:])


def test_a_volume_without_coils_and_a_test_file(tmp_path):
    k, image = write(tmp_path / "a.h5", coils=None, target="reconstruction_esc")
    volume = data.fastmri_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(volume.kspace, k[:, None])
    np.testing.assert_allclose(volume.target, image, rtol=1e-6)
    write(tmp_path / "t.h5", target=None)
    volume = data.fastmri_volume(tmp_path / "t.h5")
    assert volume.target is None
    assert volume.header.maximum is None
    np.testing.assert_array_equal(volume.mask, np.arange(10) % 2 == 1)


def test_slices_of_all_volumes_as_a_stream(tmp_path):
    (ka, xa), (kb, xb) = write(tmp_path / "a.h5"), write(tmp_path / "b.h5", slices=2)
    write(tmp_path / "c.h5", coils=4)
    with pytest.raises(ValueError, match=r"one shape, but a\.h5 has \(2, 12, 10\) .*c\.h5"):
        data.fastmri_stream(tmp_path, 2)
    stream = data.fastmri_stream(tmp_path, 4, shape=(2, 12, 10), shuffle=False)
    k, x = stream.batch(0, jax.random.key(0))
    np.testing.assert_array_equal(k, np.concatenate([ka, kb])[:4])
    np.testing.assert_allclose(x, np.concatenate([xa, xb])[:4], rtol=1e-6)
    with pytest.raises(FileNotFoundError, match=r"of the shape \(9, 9, 9\)"):
        data.fastmri_stream(tmp_path, 4, shape=(9, 9, 9))


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        data.fastmri_volume(tmp_path / "none.h5")
    write(tmp_path / "a.h5")
    with pytest.raises(ValueError, match="expected 'reconstruction_esc'"):
        data.fastmri_volume(tmp_path / "a.h5", target="reconstruction_esc")
    write(tmp_path / "h.h5", header=HEADER.replace("<center>4</center>", ""))
    with pytest.raises(ValueError, match=r"h\.h5 .*no encoding/encodingLimits/.*/center"):
        data.fastmri_volume(tmp_path / "h.h5")
    with h5py.File(tmp_path / "o.h5", "w") as file:
        file["image"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"'kspace' .*o\.h5; it has \['image'\]"):
        data.fastmri_volume(tmp_path / "o.h5")
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file["kspace"] = np.zeros((1, 2, 3))
    with pytest.raises(TypeError, match="complex k-space"):
        data.fastmri_volume(tmp_path / "r.h5")
    (tmp_path / "c.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"could not open .*c\.h5"):
        data.fastmri_volume(tmp_path / "c.h5")
    write(tmp_path / "e.h5", slices=0, target=None)
    with pytest.raises(ValueError, match=r"expected slices in 'kspace' .*e\.h5"):
        data.fastmri_volume(tmp_path / "e.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["kspace"] = np.zeros((1, 2, 3), np.complex64)
    with pytest.raises(ValueError, match=r"'ismrmrd_header' of .*x\.h5"):
        data.fastmri_volume(tmp_path / "x.h5")


def normal(*shape):
    return (RANDOM.standard_normal(shape) + 1j * RANDOM.standard_normal(shape)).astype(np.complex64)


def test_a_volume_of_ones_own(tmp_path):
    k = normal(3, 2, 12, 10)
    k[..., [0, 9]] = 0
    volume = fastmri_from_kspace(
        k,
        (4.5, 200, 240),
        image_shape=(1, 8, 6),
        phase_lines=(1, 9),
        acquisition="AXT2",
        patient="a1",
    )
    expected = np.sqrt(np.sum(np.abs(middle(centred_inverse(k))) ** 2, axis=1))
    np.testing.assert_allclose(volume.target, expected, rtol=1e-5)
    write_fastmri(tmp_path / "a.h5", volume)
    back = data.fastmri_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(back.kspace, k)
    np.testing.assert_array_equal(back.target, volume.target)
    assert back.header == volume.header
    assert back.header.padding == (1, 9)
    assert back.header.image_size == (4.5, 160, 120)
    assert back.header.maximum == pytest.approx(expected.max())
    assert back.mask is None
    with h5py.File(tmp_path / "a.h5") as file:
        assert sorted(file) == ["ismrmrd_header", "kspace", "reconstruction_rss"]
        assert sorted(file.attrs) == ["acquisition", "max", "norm", "patient_id"]
        assert (file["kspace"].shape, file["kspace"].dtype) == ((3, 2, 12, 10), np.complex64)
        assert isinstance(file["ismrmrd_header"][()], bytes)
        assert file["reconstruction_rss"].dtype == np.float32
    stream = data.fastmri_stream(tmp_path, 2, shuffle=False)
    np.testing.assert_array_equal(stream.batch(0, jax.random.key(0))[0], k[:2])


def test_one_coil_and_a_test_file_of_ones_own(tmp_path):
    k = normal(3, 1, 12, 10)
    write_fastmri(
        tmp_path / "s.h5",
        fastmri_from_kspace(k, (5, 200, 240)),
        target="reconstruction_esc",
    )
    with h5py.File(tmp_path / "s.h5") as file:
        assert file["kspace"].shape == (3, 12, 10)
        np.testing.assert_allclose(
            file["reconstruction_esc"], np.abs(centred_inverse(k[:, 0])), rtol=1e-5
        )
    np.testing.assert_array_equal(data.fastmri_volume(tmp_path / "s.h5").kspace, k)
    mask = np.arange(10) % 2 == 0
    hidden = fastmri_from_kspace(normal(3, 2, 12, 10), (5, 200, 240), mask=mask, target=False)
    write_fastmri(tmp_path / "t.h5", hidden)
    back = data.fastmri_volume(tmp_path / "t.h5")
    assert back.target is None
    assert back.header.maximum is None
    np.testing.assert_array_equal(back.mask, mask)


def test_bad_volumes_are_not_written(tmp_path):
    k = normal(3, 2, 12, 10)
    with pytest.raises(TypeError, match="complex k-space, got float32"):
        fastmri_from_kspace(k.real, (5, 200, 240))
    with pytest.raises(ValueError, match=r"\(slice, coil, readout, phase\), got \(2, 12, 10\)"):
        fastmri_from_kspace(k[0], (5, 200, 240))
    with pytest.raises(ValueError, match=r"up to \(1, 10, 12\), .* got \(1, 12, 10\)"):
        fastmri_from_kspace(k, (5, 200, 240), image_shape=(1, 12, 10))
    with pytest.raises(ValueError, match=r"around the centre 5, got \(6, 9\)"):
        fastmri_from_kspace(k, (5, 200, 240), phase_lines=(6, 9))
    with pytest.raises(ValueError, match=r"mask of \(10,\), got \(12,\)"):
        fastmri_from_kspace(k, (5, 200, 240), mask=np.ones(12))
    volume = fastmri_from_kspace(k, (5, 200, 240))
    with pytest.raises(ValueError, match="one coil for 'reconstruction_esc', got 2"):
        write_fastmri(tmp_path / "a.h5", volume, target="reconstruction_esc")
    with pytest.raises(ValueError, match="one image a slice"):
        write_fastmri(tmp_path / "a.h5", volume._replace(target=volume.target[:2]))
