"""g-factors: exact noise of small linear reconstructions, pseudo-replicas, and what theory says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.linops.fourier import ifft_centred
from jaxrecon.mri import simulate
from jaxrecon.mri.coils import calibration_region, prewhiten, whitening_matrix
from jaxrecon.mri.direct import (
    grappa_fill,
    grappa_g_factor,
    grappa_weights,
    pseudo_replica_g_factor,
    pseudo_replica_noise,
    roemer,
    root_sum_of_squares,
    sense_g_factor,
)
from jaxrecon.mri.direct.lattice import Lattice, as_lattice
from jaxrecon.mri.operators import Sense
from tests.laws.cases import quick_jit
from tests.mri.scans import phantom_scan


def numbers(*shape):
    rng = np.random.default_rng(7)
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def covariance(coils):
    return simulate.ring_covariance(coils, 1.0, 0.3 + 0.1j) * jnp.asarray(1.5, jnp.complex64)


def exact_noise(function, shape, psi):
    """Of a linear function of k-space, from its matrix."""
    basis = jnp.eye(int(np.prod(shape)), dtype=jnp.complex64).reshape(-1, *shape)
    columns = np.asarray(quick_jit(jax.vmap(function))(basis))  # samples, *image
    columns = columns.reshape(shape[0], -1, *columns.shape[1:])
    return np.sqrt(np.einsum("cn...,cd,dn...->...", columns, psi, columns.conj()).real)


@pytest.mark.parametrize(
    ("acceleration", "shift", "shape"),
    [(2, 0, (6, 3)), ((2, 2), 1, (4, 4)), ((2, 1, 1), 0, (4, 2, 2))],
)
def test_sense_is_the_noise_of_least_squares(acceleration, shift, shape):
    maps, psi = numbers(5, *shape), np.asarray(covariance(5))
    lattice = as_lattice(acceleration, shift, len(shape), what="test")
    operator = Sense(maps, lattice.mask(shape, tuple(0 for _ in shape)))
    whiten = np.linalg.inv(np.linalg.cholesky(psi))
    basis = jnp.eye(maps[0].size, dtype=jnp.complex64).reshape(-1, *shape)
    columns = quick_jit(jax.vmap(operator))(basis)
    matrix = np.einsum("cd,nd...->nc...", whiten, np.asarray(columns, np.complex128))
    matrix = matrix.reshape(maps[0].size, -1).T
    noise = np.sqrt(np.diag(np.linalg.inv(matrix.conj().T @ matrix)).real).reshape(shape)
    full = 1 / np.sqrt((np.abs(np.einsum("cd,d...->c...", whiten, maps)) ** 2).sum(0))
    got = sense_g_factor(maps, acceleration, shift=shift, noise_covariance=psi)
    np.testing.assert_allclose(got, noise / (full * np.sqrt(lattice.total)), rtol=2e-4)
    assert float(got.max()) > 1.1


def test_what_cannot_be_unfolded_has_no_finite_noise():
    maps = numbers(1, 4, 3)  # one coil, two pixels
    got = sense_g_factor(maps, 2)
    assert not np.any(np.asarray(got) < 100)
    assert not np.any(np.isnan(got))


def test_pixels_without_signal_take_no_part():
    maps = numbers(3, 4, 2)
    maps[:, 2:] = 0
    got = sense_g_factor(maps, 2)
    np.testing.assert_allclose(got, [[1, 1], [1, 1], [0, 0], [0, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("acceleration", "shift", "shape"), [(2, 0, (6, 5)), ((2, 2, 1), 1, (4, 4, 3))]
)
def test_grappa_is_the_noise_of_what_is_filled_in(acceleration, shift, shape):
    weights = grappa_weights(
        numbers(2, *(7 for _ in shape)),
        acceleration,
        shift=shift,
        kernel=(*(2 for _ in shape[1:]), 3),
    )
    p, psi = numbers(2, *shape), np.asarray(covariance(2))
    axes = tuple(range(1, 1 + len(shape)))
    kept = weights.lattice.mask(shape, tuple(0 for _ in shape))

    def reconstruct(y):
        return jnp.sum(p * ifft_centred(grappa_fill(jnp.where(kept, y, 0), weights), axes), axis=0)

    def full(y):
        return jnp.sum(p * ifft_centred(y, axes), axis=0)

    noise, reference = (exact_noise(f, (2, *shape), psi) for f in (reconstruct, full))
    got = grappa_g_factor(weights, p, noise_covariance=psi)
    np.testing.assert_allclose(got, noise / (reference * np.sqrt(weights.lattice.total)), rtol=2e-4)


def agrees(measured, expected, replicas):
    """Within the error of the Monte-Carlo estimate: pixel by pixel, and much closer on average."""
    deviations = (np.asarray(measured) / np.asarray(expected) - 1) * np.sqrt(2 * replicas)
    assert np.abs(deviations).max() < 5.5
    assert 0.85 < deviations.std() < 1.15
    assert abs(deviations.mean()) < 4 / np.sqrt(deviations.size / 4)


def sense_image(operator, whitening, y):
    white = prewhiten(y, whitening)
    return solve_normal(operator, operator.adjoint(white), iterations=100, tolerance=1e-4)


def roemer_image(maps, whitening, y):
    return roemer(ifft_centred(prewhiten(y, whitening), (1, 2)), maps)


def filled_image(p, weights, kept, y):
    return jnp.sum(
        p * ifft_centred(grappa_fill(jnp.where(kept, y, 0), weights, offset=1), (1, 2)), axis=0
    )


def combined_image(p, y):
    return jnp.sum(p * ifft_centred(y, (1, 2)), axis=0)


SIZES = [
    pytest.param(18, 4, 3, 100, id="small"),
    pytest.param(24, 6, 3, 100, id="middle", marks=pytest.mark.slow),
    pytest.param(96, 8, 3, 1000, id="large", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("n", "coils", "acceleration", "replicas"), SIZES)
def test_cg_sense_and_grappa_reach_their_g_factors(n, coils, acceleration, replicas):
    kspace, maps = phantom_scan(n, coils)
    psi = covariance(coils)
    whitening = whitening_matrix(psi)
    white = prewhiten(maps, whitening)
    kept = Lattice((acceleration, 1)).mask((n, n), (1, 0))

    @quick_jit
    def replicas_of(reconstruct, full, key):
        options = {"noise_covariance": psi, "replicas": replicas, "batch": 50}
        return pseudo_replica_g_factor(
            reconstruct, full, kspace, key, acceleration=acceleration, **options
        )

    expected = sense_g_factor(maps, acceleration, noise_covariance=psi)
    assert float(expected.max()) > 1.2
    sense = Partial(sense_image, Sense(white, kept), whitening)
    full = Partial(roemer_image, white, whitening)
    agrees(replicas_of(sense, full, jax.random.key(0)), expected, replicas)

    weights = grappa_weights(calibration_region(kspace, (12, n)), acceleration)
    p = maps.conj() / jnp.sum(jnp.abs(maps) ** 2, axis=0)
    expected = grappa_g_factor(weights, p, noise_covariance=psi)
    filled = Partial(filled_image, p, weights, kept)
    full = Partial(combined_image, p)
    agrees(replicas_of(filled, full, jax.random.key(1)), expected, replicas)


def test_noise_of_a_magnitude_image():
    """About a strong signal the noise of a magnitude is that of one real part."""
    kspace = jnp.zeros((2, 9, 9), jnp.complex64).at[:, 4, 4].set(900.0)
    noise = quick_jit(
        lambda key: pseudo_replica_noise(
            lambda y: root_sum_of_squares(ifft_centred(y, (1, 2))),
            kspace,
            key,
            noise_covariance=2.0,
            replicas=200,
            batch=100,
        )
    )(jax.random.key(2))
    deviations = (np.asarray(noise) - 1) * np.sqrt(2 * 200)
    assert np.abs(deviations).max() < 5
    assert abs(deviations.mean()) < 4 / 9


def test_wrong_arguments():
    maps = numbers(2, 6, 4)
    with pytest.raises(ValueError, match="whole number of times"):
        sense_g_factor(maps, 4)
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        sense_g_factor(maps, 2, noise_covariance=np.eye(3))
    weights = grappa_weights(numbers(2, 8, 8), 2)
    with pytest.raises(ValueError, match="whole number of times"):
        grappa_g_factor(weights, maps[:, :5])
    with pytest.raises(ValueError, match="2 coils"):
        grappa_g_factor(weights, maps[:1])
    with pytest.raises(ValueError, match="multiple of batch"):
        pseudo_replica_noise(jnp.sum, maps, jax.random.key(0), replicas=10, batch=4)
