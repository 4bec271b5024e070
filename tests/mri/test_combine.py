"""Combination of coil images against the textbook formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops.fourier import fft_centred
from jaxrecon.mri import simulate
from jaxrecon.mri.direct import roemer, root_sum_of_squares, zero_filled

RNG = np.random.default_rng(0)
SHAPE = (5, 4)


def numbers(*shape):
    return (RNG.normal(size=shape) + 1j * RNG.normal(size=shape)).astype(np.complex64)


MAPS, IMAGES = numbers(3, *SHAPE), numbers(3, *SHAPE)
PSI = np.asarray(simulate.ring_covariance(3, 2.0, 0.4 + 0.2j)) * np.array([1, 0.5, 2])
PSI = (PSI + PSI.conj().T) / 2


def test_root_sum_of_squares_and_its_derivative_at_0():
    got = root_sum_of_squares(IMAGES)
    np.testing.assert_allclose(got, np.sqrt((np.abs(IMAGES) ** 2).sum(0)), rtol=1e-6)
    np.testing.assert_allclose(
        root_sum_of_squares(IMAGES.real.T, axis=-1), root_sum_of_squares(IMAGES.real).T
    )
    slope = jax.grad(lambda x: root_sum_of_squares(x).sum())(jnp.zeros((3, 2)))
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("normalise", ["signal", "noise"])
def test_roemer_is_the_formula(normalise):
    inverse = np.linalg.inv(PSI)
    numerator = np.einsum("cyx,cd,dyx->yx", MAPS.conj(), inverse, IMAGES)
    power = np.einsum("cyx,cd,dyx->yx", MAPS.conj(), inverse, MAPS).real
    expected = numerator / (power if normalise == "signal" else np.sqrt(power))
    got = jax.jit(lambda x, s, psi: roemer(x, s, psi, normalise=normalise))(IMAGES, MAPS, PSI)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_roemer_returns_the_image_and_the_best_ratio_of_signal_to_noise():
    image = numbers(*SHAPE)
    np.testing.assert_allclose(roemer(MAPS * image, MAPS, PSI), image, rtol=1e-4, atol=1e-5)
    noise = simulate.coil_noise(jax.random.key(1), jnp.zeros((3, 200, 100), jnp.complex64), PSI)
    one = jnp.broadcast_to(MAPS[:, :1, :1], noise.shape)
    variance = float(jnp.mean(jnp.abs(roemer(noise, one, PSI, normalise="noise")) ** 2))
    assert variance == pytest.approx(1, abs=0.03)  # 4 standard deviations of 20,000 samples
    with_psi = float(jnp.mean(jnp.abs(roemer(noise, one, PSI)) ** 2))
    without = float(jnp.mean(jnp.abs(roemer(noise, one)) ** 2))
    assert with_psi < 0.9 * without


def test_roemer_is_0_where_no_coil_sees_anything():
    dark = MAPS.copy()
    dark[:, 2] = 0
    got, slope = jax.value_and_grad(lambda s: jnp.abs(roemer(IMAGES, s)).sum())(jnp.asarray(dark))
    assert np.isfinite(got)
    assert np.isfinite(np.asarray(slope)).all()
    np.testing.assert_array_equal(roemer(IMAGES, dark)[2], 0)


def test_zero_filled():
    image = numbers(*SHAPE)
    kspace = fft_centred(MAPS * image, (1, 2))
    np.testing.assert_allclose(zero_filled(kspace, MAPS), image, atol=2e-6)
    expected = np.sqrt((np.abs(MAPS * image) ** 2).sum(0))
    np.testing.assert_allclose(zero_filled(kspace), expected, atol=2e-6)


def test_wrong_arguments():
    with pytest.raises(ValueError, match="one shape"):
        roemer(IMAGES, MAPS[:2])
    with pytest.raises(ValueError, match="normalise"):
        roemer(IMAGES, MAPS, normalise="uniform")
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        roemer(IMAGES, MAPS, np.eye(2))
    with pytest.raises(TypeError, match="complex"):
        zero_filled(IMAGES.real)
    with pytest.raises(ValueError, match="maps"):
        zero_filled(IMAGES, noise_covariance=PSI)
