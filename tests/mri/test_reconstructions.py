"""What a reconstruction gains by what it knows: coils, sparsity, consistency of k-space."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import mri, solve, stack
from jaxrecon.functionals import LeastSquares, WaveletL1, Zero
from jaxrecon.functionals import TotalVariation as TV
from jaxrecon.linops import Diagonal, Frames, NonuniformFourier
from jaxrecon.mri import density, sampling, simulate, trajectories
from jaxrecon.solvers import conjugate_gradient, fista, operator_norm, pd3o
from tests.laws.cases import quick_jit
from tests.mri import coil_cases
from tests.mri.scans import coil_array, drawn, measured, relative_error, thorax

N, COILS, SPOKES, SAMPLES = 40, 4, 16, 80
SHAPE = (N, N)


@cache
def radial_scan(spokes=SPOKES, noise=0.03):
    """Positions, noisy data, weights and maps; Nyquist asks for 63 spokes."""
    angles = trajectories.golden_angles(spokes)
    positions = trajectories.radial(angles, SAMPLES)
    data = measured(thorax(), positions, N, COILS)
    data = simulate.coil_noise(jax.random.key(0), data, noise**2)
    weights = density.radial_density(angles, SAMPLES, SHAPE)
    return positions, data, weights, coil_array(N, COILS)[1]


def transform(positions):
    return NonuniformFourier(positions, SHAPE, accuracy=1e-3, planned=False)


def test_radial_total_variation_after_cg_sense_after_gridding():
    positions, data, weights, maps = radial_scan()
    truth = drawn(thorax(), N)
    start = jnp.zeros(SHAPE, jnp.complex64)

    @quick_jit
    def reconstruct(maps, positions, data):
        A = mri.NonuniformSense(maps, transform(positions))
        norm = operator_norm(A)
        A, data = (1 / norm) * A, data / norm
        penalty, D = TV(SHAPE).split(start.dtype)
        f = LeastSquares(A, data)
        method = pd3o(Zero(), 0.003 * penalty, D, f, primal_step=1.5, dual_step=0.08)
        return solve(conjugate_gradient(A, data), start, 12)[0], solve(method, start, 100)[0]

    gridded = mri.roemer(mri.gridding(data, positions, weights, SHAPE), maps)
    cg, variation = reconstruct(maps, positions, data)
    errors = [relative_error(x, truth) for x in (gridded, cg, variation)]
    assert errors[1] < 0.8 * errors[0]
    assert errors[2] < 0.6 * errors[1]


def test_espirit_maps_and_wavelets_after_cg_sense_after_zero_filling():
    shape, coils = (48, 48), 4
    mask = sampling.poisson_disc(shape, 3, calibration=16, seed=2)
    full = jnp.asarray(coil_cases.kspace(shape, coils), jnp.complex64)
    y = jnp.where(mask, simulate.coil_noise(jax.random.key(1), full, 0.05**2), 0)
    truth = np.linalg.norm(coil_cases.ifft(coil_cases.kspace(shape, coils)), axis=0)
    start = jnp.zeros(shape, y.dtype)

    @quick_jit
    def reconstruct(y):
        calibration = mri.coils.calibration_region(y, 16)
        maps = mri.espirit(calibration, shape, kernel=5, crop=0).maps
        A = mri.Sense(maps, mask)
        cg = solve(conjugate_gradient(A, y), start, 10, trace=lambda state: state.x)[1]
        sparse = fista(LeastSquares(A, y), 0.03 * WaveletL1(shape, "db2", 3), 1.0)
        return A.H(y), cg, solve(sparse, start, 60)[0]

    zero_filled, cg, sparse = map(jnp.abs, reconstruct(y))
    steps = [relative_error(x, truth) for x in cg]  # noise comes in: stopped where it is best
    errors = relative_error(zero_filled, truth), min(steps), relative_error(sparse, truth)
    assert errors[1] < 0.9 * errors[0]
    assert errors[2] < 0.85 * errors[1]


def received():
    """The phantom times the root of the sum of squares of the coils."""
    return drawn(thorax(), N) * jnp.linalg.norm(coil_array(N, COILS)[1], axis=0)


def test_spirit_of_samples_off_the_grid():
    """Its consistency stacked with a transform of each coil, as its docstring says."""
    positions, data, weights, _ = radial_scan()
    full = measured(thorax(), simulate.cartesian_positions(SHAPE), N, COILS)
    kernel = mri.direct.spirit_kernel(mri.coils.calibration_region(full, 14))
    shown = mri.direct.spirit_consistency(kernel, SHAPE)
    each = jnp.broadcast_to(positions, (COILS, *positions.shape))

    @quick_jit
    def reconstruct(shown, each, data, weight):
        coils = Frames(transform(each[0]), {"positions": each})
        A = stack(coils, weight * shown)
        zero = jnp.zeros(shown.domain.shape, data.dtype)
        x, _ = solve(conjugate_gradient(A, (data, zero)), zero, 25)
        return mri.root_sum_of_squares(x)

    gridded = mri.root_sum_of_squares(mri.gridding(data, positions, weights, SHAPE))
    alone, together = (reconstruct(shown, each, data, w) for w in (0.0, 10.0))
    errors = [relative_error(x, received()) for x in (gridded, alone, together)]
    assert errors[2] < 0.7 * min(errors[:2])


@pytest.mark.parametrize("method", ["nlinv", "jsense"])
def test_image_and_coils_at_once_off_the_grid(method):
    positions, data, weights, maps = radial_scan(24, 0.01)

    @quick_jit
    def reconstruct(positions, data, root):
        operator = Diagonal(root, root.shape, data.dtype) @ transform(positions)
        if method == "nlinv":
            return mri.nlinv(root * data, operator=operator, iterations=12)
        return mri.jsense(root * data, operator=operator, degree=4)

    gridded = mri.root_sum_of_squares(mri.gridding(data, positions, weights, SHAPE))
    image, found = reconstruct(positions, data, jnp.sqrt(weights))
    errors = [relative_error(jnp.abs(x), received()) for x in (gridded, image)]
    inside = np.asarray(drawn(thorax(), N)) > 0.2
    angle = np.median(coil_cases.angles(np.asarray(found), np.asarray(maps))[inside])
    assert errors[1] < 0.7 * errors[0]
    assert angle < 4
