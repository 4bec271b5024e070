"""SPIRiT against loops in NumPy, and on a phantom in closed form with random sampling."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri.coils import calibration_region
from jaxrecon.mri.direct import (
    SpiritConsistency,
    spirit,
    spirit_consistency,
    spirit_kernel,
    zero_filled,
)
from tests.laws.cases import quick_jit
from tests.mri.scans import phantom_scan, relative_error


def numbers(*shape):
    rng = np.random.default_rng(5)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def test_kernel_is_the_damped_least_squares_fit():
    cal, kernel = numbers(2, 7, 6), (3, 3)
    with jax.enable_x64(True):
        got = np.asarray(spirit_kernel(cal, kernel=kernel, damping=0.02))
    places = product(range(5), range(4))
    x = np.array([cal[:, a : a + 3, b : b + 3].ravel() for a, b in places]).T
    level = 0.02 * (np.abs(x) ** 2).sum(1).mean()
    for coil, middle in enumerate((4, 13)):
        others = np.delete(x, middle, axis=0)
        gram = others @ others.conj().T + level * np.eye(17)
        fitted = x[middle] @ others.conj().T @ np.linalg.inv(gram)
        np.testing.assert_allclose(got[coil].ravel(), np.insert(fitted, middle, 0), atol=1e-12)


def test_consistency_is_the_convolution_of_periodic_k_space():
    kernel, kspace = numbers(2, 2, 3, 3), numbers(2, 5, 6)
    expected = -kspace.astype(complex)
    for a, b in product(range(3), repeat=2):
        near = np.roll(kspace, (1 - a, 1 - b), (1, 2))  # k + d at k
        expected += np.einsum("ij,jyx->iyx", kernel[:, :, a, b], near)
    with jax.enable_x64(True):
        operator = spirit_consistency(kernel, (5, 6))
        got = fft_centred(operator(ifft_centred(kspace, (1, 2))), (1, 2))
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.fixture(scope="module")
def scan():
    kspace, _ = phantom_scan(24, 6)
    mask = np.random.default_rng(0).random((24, 24)) < 0.4
    mask[6:18, 6:18] = True
    return kspace, mask, calibration_region(kspace, 12)


def test_missing_samples_are_found_and_data_kept(scan):
    kspace, mask, cal = scan
    data = jnp.where(mask, kspace, 0)
    filled = quick_jit(spirit)(kspace, mask, cal)
    np.testing.assert_array_equal(filled[:, mask], kspace[:, mask])
    reference = zero_filled(kspace)
    error = relative_error(zero_filled(data), reference)
    assert error > 0.15
    assert relative_error(zero_filled(filled), reference) < 0.3 * error
    assert defect(filled, cal) < 1.001 * defect(kspace, cal)  # the least of all with these data


@quick_jit
def defect(kspace, cal):
    consistency = spirit_consistency(spirit_kernel(cal), (24, 24))
    return jnp.linalg.norm(consistency(ifft_centred(kspace, (1, 2))))


def test_a_weight_of_the_data_leads_from_consistency_to_the_data(scan):
    kspace, mask, cal = scan
    noisy = (kspace + 0.03 * numbers(*kspace.shape) * jnp.abs(kspace).max() / 24).astype(cal.dtype)
    solve = quick_jit(lambda weight: spirit(noisy, mask, cal, data_weight=weight))
    kept = quick_jit(spirit)(noisy, mask, cal)
    results = [solve(weight) for weight in (0.1, 1.0, 1e3)]
    assert relative_error(results[-1], kept) < 0.01
    misfits = [relative_error(y[:, mask], noisy[:, mask]) for y in results]
    assert misfits == sorted(misfits, reverse=True)
    assert misfits[0] > 0.02
    defects = [defect(y, cal) for y in (*results, kept)]
    assert defects == sorted(defects)
    assert defects[0] < 0.7 * defects[-1]


def test_derivatives_of_the_data(scan):
    kspace, mask, cal = (np.asarray(a) for a in scan)
    step = np.where(mask, numbers(*kspace.shape), 0).astype(np.complex64)

    def filled(y):
        return spirit(y, mask, cal, kernel=3, tolerance=1e-6)

    _, slope = quick_jit(lambda y, d: jax.jvp(filled, (y,), (d,)))(kspace, step)
    assert relative_error(quick_jit(filled)(step), slope) < 1e-4  # it is linear


def test_wrong_arguments(scan):
    kspace, mask, cal = scan
    with pytest.raises(ValueError, match="odd"):
        spirit_kernel(cal, kernel=4)
    with pytest.raises(ValueError, match="at least"):
        spirit_kernel(cal, kernel=15)
    with pytest.raises(ValueError, match="6 coils"):
        spirit(kspace, mask, cal[:4])
    with pytest.raises(TypeError, match="boolean"):
        spirit(kspace, mask * 1.0, cal)
    with pytest.raises(ValueError, match=r"coil, coil"):
        SpiritConsistency(jnp.ones((2, 3, 4, 4), jnp.complex64))
    with pytest.raises(ValueError, match="shape"):
        spirit_consistency(spirit_kernel(cal, kernel=3), (4, 4, 4))
