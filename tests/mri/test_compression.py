"""Coil compression: energy kept, orthonormal rows, smooth along the readout."""

import jax
import numpy as np
import pytest

from jaxrecon.mri.coils import compress_coils, geometric_compression, svd_compression
from tests.mri.coil_cases import kspace

SHAPE, COILS = (32, 40), 12


def kept(data, compressed):
    return np.linalg.norm(compressed) ** 2 / np.linalg.norm(data) ** 2


def adjoint(matrices):
    return np.conj(np.swapaxes(matrices, -1, -2))


def test_energy_is_that_of_the_singular_values():
    data = kspace(SHAPE, COILS)
    with jax.enable_x64(True):
        matrix = np.asarray(svd_compression(data, 6))
        compressed = np.asarray(compress_coils(data, matrix))
    assert matrix.dtype == compressed.dtype == np.complex128
    s = np.linalg.svd(data.reshape(COILS, -1), compute_uv=False)
    assert kept(data, compressed) == pytest.approx((s[:6] ** 2).sum() / (s**2).sum(), abs=1e-12)
    assert kept(data, compressed) > 0.998
    np.testing.assert_allclose(matrix @ adjoint(matrix), np.eye(6), atol=1e-12)


@pytest.mark.parametrize("coils", [2, 4])
def test_geometric_keeps_more_than_one_matrix(coils):
    data = kspace(SHAPE, COILS).astype(np.complex64)
    one = compress_coils(data, svd_compression(data, coils))
    matrices = geometric_compression(data, coils, SHAPE[1])
    assert matrices.dtype == np.complex64
    each = np.asarray(compress_coils(data, matrices))
    lost, lost_by_one = 1 - kept(data, each), 1 - kept(data, np.asarray(one))
    assert lost < 0.6 * lost_by_one
    centre = geometric_compression(data[:, 8:24], coils, SHAPE[1])  # 16 lines only
    assert 1 - kept(data, np.asarray(compress_coils(data, centre))) < 1.5 * lost


def test_virtual_coils_are_aligned_along_the_readout():
    data = kspace(SHAPE, COILS).astype(np.complex64)
    matrices = np.asarray(geometric_compression(data, 4, SHAPE[1]))
    np.testing.assert_allclose(
        matrices @ adjoint(matrices), np.broadcast_to(np.eye(4), (40, 4, 4)), atol=1e-5
    )
    inner = matrices[1:] @ adjoint(matrices[:-1])
    np.testing.assert_allclose(inner, adjoint(inner), atol=1e-5)  # a Hermitian one is the closest
    assert np.linalg.eigvalsh(inner).min() > -1e-5
    hybrid = np.fft.fftshift(
        np.fft.ifft(np.fft.ifftshift(data, 2), axis=2, norm="ortho"), 2
    ).transpose(2, 0, 1)
    u = np.linalg.svd(hybrid, full_matrices=False)[0][..., :4]
    best = u @ adjoint(u)
    np.testing.assert_allclose(adjoint(matrices) @ matrices, best, atol=2e-2)


def test_all_coils_lose_nothing_along_any_axis():
    data = kspace(SHAPE, 5).astype(np.complex64)
    turned = np.swapaxes(data, 1, 2)
    for axis, y in ((2, data), (-2, turned)):
        matrices = geometric_compression(y, 5, SHAPE[1], axis=axis, window=3)
        assert kept(data, np.asarray(compress_coils(y, matrices, axis=axis))) == pytest.approx(
            1, abs=1e-5
        )


def test_bad_input_is_explained():
    data = np.ones((3, 4, 6), np.complex64)
    with pytest.raises(ValueError, match="at most 3 virtual coils"):
        svd_compression(data, 4)
    with pytest.raises(TypeError, match="complex calibration"):
        svd_compression(data.real, 2)
    with pytest.raises(ValueError, match="readout axis after"):
        geometric_compression(data, 2, 6, axis=0)
    with pytest.raises(ValueError, match="at most 5 samples"):
        geometric_compression(data, 2, 5)
    with pytest.raises(ValueError, match="odd window"):
        geometric_compression(data, 2, 6, window=2)
    with pytest.raises(ValueError, match=r"\(virtual coil, 3\)"):
        compress_coils(data, np.ones((2, 4), np.complex64))
    with pytest.raises(ValueError, match="expected 6 samples"):
        compress_coils(data, np.ones((6, 2, 3), np.complex64), axis=1)
