"""The transmission likelihood against SciPy, its curvatures, and the Huber penalties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from jaxrecon.functionals import (
    L1,
    GroupL21,
    Huber,
    HuberTotalVariation,
    TotalVariation,
    TransmissionPoisson,
)
from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import operator_norm
from tests.solvers.problems import draw

COUNTS = np.array([0.0, 0.0, 1.0, 4.0, 30.0, 200.0])
PHOTONS = np.array([5.0, 100.0, 20.0, 50.0, 40.0, 100.0])


def _function(background, dtype=np.float64):
    return TransmissionPoisson(None, jnp.asarray(COUNTS, dtype), PHOTONS, background)


def _each(f, p):
    """h(p) of each datum alone."""

    def one(counts, photons, background, p):
        return TransmissionPoisson(None, counts[None], photons[None], background)(p[None])

    background = jnp.broadcast_to(f.background, p.shape)
    return jax.vmap(one)(f.counts, f.photons, background, p)


@pytest.mark.parametrize("background", [0.0, 3.0])
def test_transmission_is_the_likelihood_ratio(background) -> None:
    p = np.linspace(0.0, 3.0, 6)
    mean = PHOTONS * np.exp(-p) + background
    log = scipy.stats.poisson.logpmf
    expected = np.sum(log(COUNTS, COUNTS) - log(COUNTS, mean))
    with jax.enable_x64(True):
        f = _function(background)
        np.testing.assert_allclose(f(jnp.asarray(p)), expected, rtol=1e-12)
        matched = jnp.log(PHOTONS[2:4] / (COUNTS[2:4] - background / 4))
        exact = TransmissionPoisson(None, f.counts[2:4], PHOTONS[2:4], background / 4)
        assert 0 <= exact(matched) < 1e-14


@pytest.mark.slow
@pytest.mark.parametrize("background", [0.0, 3.0])
def test_curvatures_majorise_and_are_the_least_that_do(background) -> None:
    with jax.enable_x64(True):
        f = _function(background)
        grid = jnp.concatenate([jnp.zeros(1), jnp.geomspace(1e-4, 12.0, 400)])
        second = jax.jit(jax.vmap(jax.grad(lambda p: jnp.sum(f.grad(p)))))
        most = jnp.max(second(jnp.broadcast_to(grid[:, None], (401, 6))), 0)
        np.testing.assert_allclose(f.curvature(), jnp.maximum(most, 0), rtol=1e-12, atol=1e-12)

        values = jax.jit(jax.vmap(lambda q: _each(f, jnp.full(6, q))))(grid)
        for p in (1e-5, 0.02, 0.5, 2.0, 6.0):
            at = jnp.full(6, p)
            curvature, value, slope = f.curvature(at), _each(f, at), f.grad(at)
            assert np.all(curvature <= f.curvature() * (1 + 1e-14))

            def least_gap(c, value=value, slope=slope, p=p):
                change = grid[:, None] - p
                return np.min(value + slope * change + c / 2 * change**2 - values, 0)

            rounding = 1e-12 * (1 + np.max(np.abs(values), 0))
            assert np.all(least_gap(curvature) >= -rounding)
            if p >= 0.5:  # smaller ones do not: the parabola goes below h(0)
                smaller = least_gap(0.98 * curvature)
                assert np.all((smaller < -rounding) | (curvature == 0))


def test_curvature_is_accurate_in_single_precision() -> None:
    """Where p is too small for single precision it takes the largest curvature, off by about p."""
    points = np.repeat([1e-3, 0.018, 0.02, 0.1, 1.0, 5.0], 6).reshape(6, 6)
    single = jax.vmap(_function(2.0, np.float32).curvature)(jnp.asarray(points, jnp.float32))
    with jax.enable_x64(True):
        double = jax.vmap(_function(2.0).curvature)(jnp.asarray(points))
    assert single.dtype == jnp.float32
    error = np.abs(single - np.asarray(double)) / PHOTONS
    assert np.all(error[:2] <= points[:2])
    assert np.all(error[2:] <= 1e-4)


def test_transmission_bounds_its_gradient() -> None:
    matrix = np.abs(draw(8, (6, 4), np.float32))
    f = TransmissionPoisson(
        Matrix(jnp.asarray(matrix)), jnp.asarray(COUNTS, jnp.float32), 50.0, 1.0
    )
    top = np.max(f.curvature()) * np.linalg.norm(matrix, 2) ** 2
    np.testing.assert_allclose(f.lipschitz(), top, rtol=1e-4)
    g, a = f.split()
    x = jnp.linspace(0, 1, 4)
    np.testing.assert_allclose((g @ a).grad(x), f.grad(x), rtol=1e-5)
    np.testing.assert_allclose(f.curvature(x), g.curvature(a(x)), rtol=1e-6)


@pytest.mark.parametrize("background", [0.0, 2.0])
def test_transmission_where_no_photon_is_expected(background) -> None:
    """float32 where exp(-p) and M / N round to 0, against the formulas in terms of log M."""
    counts, p = np.array([3.0, 3.0, 3.0, 0.0]), np.array([18.0, 50.0, 120.0, 120.0])
    f = TransmissionPoisson(None, jnp.asarray(counts, jnp.float32), 1e4, background)
    at = jnp.asarray(p, jnp.float32)
    y = 1e4 * np.exp(-p)
    log_mean = np.logaddexp(np.log(1e4) - p, np.log(background) if background else -np.inf)
    slope = counts * np.exp(np.log(1e4) - p - log_mean) - y
    value = y + background + counts * (np.log(np.maximum(counts, 1)) - 1 - log_mean)
    np.testing.assert_allclose(f(at), value.sum(), rtol=1e-5)
    np.testing.assert_allclose(f.grad(at), slope, rtol=1e-4, atol=1e-35)
    np.testing.assert_allclose(jax.grad(f)(at), slope, rtol=1e-4, atol=1e-35)
    step = jax.jvp(f.grad, (at,), (jnp.ones(4),))[1]
    ratio = counts * background * np.exp(-2 * log_mean)
    np.testing.assert_allclose(step, y * (1 - ratio), rtol=1e-4, atol=1e-6)
    most = 1e4 - np.exp(np.log(1e4) - p) + counts * (log_mean - np.log(1e4 + background))
    least = np.maximum(2 * (most + p * slope) / p**2, 0)
    np.testing.assert_allclose(f.curvature(at), least, rtol=1e-4)


def test_transmission_is_differentiable_in_a_background_of_zero() -> None:
    """f grows by 1 - N / M."""

    def value(background):
        counts = jnp.asarray([3.0, 5.0, 0.0])
        return TransmissionPoisson(None, counts, 1e2, background)(jnp.asarray([1.0, 4.0, 2.0]))

    mean = 1e2 * np.exp([-1.0, -4.0, -2.0])
    np.testing.assert_allclose(jax.grad(value)(0.0), np.sum(1 - [3, 5, 0] / mean), rtol=1e-5)


def test_huber_lies_below_the_norm_it_rounds() -> None:
    x = jnp.asarray(draw(1, (2, 5), np.float32))
    f = Huber(0.3)
    size = np.abs(np.asarray(x))
    expected = np.where(size <= 0.3, size**2 / 0.6, size - 0.15).sum()
    np.testing.assert_allclose(f(x), expected, rtol=1e-6)
    assert L1()(x) - 10 * 0.15 <= f(x) <= L1()(x)
    group = Huber(1e-6, axis=0)
    np.testing.assert_allclose(group(x), GroupL21(axis=0)(x), atol=1e-5)
    np.testing.assert_allclose(group.prox(x, 0.5), GroupL21(axis=0).prox(x, 0.5), atol=1e-5)
    np.testing.assert_allclose(f.lipschitz(), 1 / 0.3, rtol=1e-6)


@pytest.mark.parametrize("isotropic", [True, False])
def test_huber_total_variation_approaches_total_variation(isotropic) -> None:
    x = jnp.asarray(draw(1, (5, 6), np.float32))
    options = {"isotropic": isotropic, "spacing": (1.0, 0.5)}
    exact = TotalVariation((5, 6), **options)(x)
    for delta in (0.1, 0.01):
        value = HuberTotalVariation((5, 6), delta, **options)(x)
        assert exact - delta / 2 * 30 * (1 if isotropic else 2) <= value < exact


def test_huber_total_variation_bounds_its_gradient() -> None:
    f = HuberTotalVariation((16, 16), 0.2, spacing=(1.0, 0.5))
    tight = operator_norm(f.difference()) ** 2 / 0.2
    assert tight <= f.lipschitz() <= 1.1 * tight
    g, difference = f.split()
    x = jnp.asarray(draw(1, (16, 16), np.float32))
    np.testing.assert_allclose((g @ difference).grad(x), f.grad(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Huber(0.0), ValueError, "delta > 0"),
        (lambda: Huber(1j), TypeError, "real delta"),
        (lambda: HuberTotalVariation((4, 4), -1.0), ValueError, "delta > 0"),
        (lambda: HuberTotalVariation((4, 4), 1.0)(jnp.ones((4, 5))), ValueError, "x of float32"),
        (lambda: HuberTotalVariation((4, 4), 1.0, boundary="odd"), ValueError, "boundary"),
        (
            lambda: TransmissionPoisson(None, -jnp.ones(3), 10.0),
            ValueError,
            r"TransmissionPoisson.*counts >= 0",
        ),
        (lambda: TransmissionPoisson(None, jnp.ones(3), 0.0), ValueError, "photons > 0"),
        (lambda: TransmissionPoisson(None, jnp.ones(3), jnp.ones(4)), ValueError, "photons that"),
        (lambda: TransmissionPoisson(None, jnp.ones(3), 1.0, -1.0), ValueError, "background >= 0"),
        (
            lambda: TransmissionPoisson(None, jnp.ones(3, int), 1.0),
            TypeError,
            "floating-point counts",
        ),
        (lambda: _function(0.0, np.float32).prox(jnp.ones(6), 1.0), NotImplementedError, "no prox"),
    ],
)
def test_bad_input(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()
