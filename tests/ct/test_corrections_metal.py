"""Metal: its trace, what interpolation puts there, and the images of a body with two iron rods."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.core.normal_equations import solve_normal
from jaxrecon.data import Ellipses, line_integrals, rasterise

SHAPE, PIXEL, PHOTONS = (96, 96), 2.5, 1e5
fbp = jax.jit(lambda sinogram, geometry: ct.filtered_backprojection(sinogram, geometry, "hann"))


def ellipses(rows):
    """From rows of value, centre x and y, semi-axes along x and y."""
    table = np.array(rows, np.float32)
    return Ellipses(table[:, 0], table[:, 1:3], table[:, 3:5], jnp.zeros(len(table)))


BODY = (1.0, 0.0, 0.0, 105.0, 80.0)
BONES = [(-30.0, -35.0, 14.0, 14.0), (30.0, -35.0, 14.0, 14.0)]
RODS = [(-50.0, 5.0, 10.0, 10.0), (50.0, 5.0, 10.0, 10.0)]


@cache
def scan():
    """Noisy polychromatic data, corrected for water; the image without metal; where to compare."""
    geometry = ct.parallel_beam(SHAPE, 150, pixel_size=PIXEL)
    spectrum = ct.tube_spectrum(120).detected("integrating")
    energy = spectrum.mean_energy()
    water = ellipses([BODY, *((-1.0, *shape) for shape in BONES + RODS)])
    bone, metal = (ellipses([(1.0, *shape) for shape in shapes]) for shapes in (BONES, RODS))
    lengths = jnp.stack([line_integrals(part, *geometry.rays()) for part in (water, bone, metal)])
    table = ct.attenuation_table(["water", "cortical bone", "iron"], spectrum)
    coefficients = ct.water_polynomial(spectrum, energy, 250.0)

    def ideal(lengths):
        return -jnp.log(ct.polychromatic_transmission(lengths, spectrum, table))

    counts = ct.transmission_counts(jax.random.key(0), ideal(lengths), PHOTONS)
    sinogram = ct.apply_polynomial(ct.log_transform(counts, PHOTONS)[0], coefficients)
    filled = lengths.at[0].add(lengths[2]).at[2].set(0)  # water instead of the metal
    reference = fbp(ct.apply_polynomial(ideal(filled), coefficients), geometry)

    y, x = (np.asarray(position) for position in geometry.pixel_positions())
    compared = (x / 100) ** 2 + (y[:, None] / 75) ** 2 < 1
    for rod in RODS:
        compared &= np.hypot(x - rod[0], y[:, None] - rod[1]) > rod[2] + 3 * PIXEL
    mu = [float(ct.linear_attenuation(name, energy)) for name in ("water", "cortical bone")]
    mask = fbp(sinogram, geometry) > 2 * mu[1]
    return geometry, sinogram, mask, lengths[2], reference, compared, mu[0]


def error(image):
    """Root mean square, in units of water (0.001 is 1 HU)."""
    *_, reference, compared, water = scan()
    return float(np.sqrt(np.mean(np.asarray(image - reference)[compared] ** 2))) / water


@pytest.mark.slow
def test_normalised_beats_linear_beats_nothing():
    geometry, sinogram, mask, _, _, _, water = scan()
    trace = ct.metal_trace(mask, geometry)

    @jax.jit
    def normalised(first):
        prior = ct.tissue_prior(fbp(first, geometry), water, mask)
        return ct.normalised_interpolation(sinogram, trace, ct.project(prior, geometry))

    linear = ct.interpolate_trace(sinogram, trace)
    once = normalised(linear)
    np.testing.assert_array_equal(once[~trace], sinogram[~trace])
    errors = [error(fbp(s, geometry)) for s in (sinogram, linear, once, normalised(once))]
    assert errors[0] > 0.25  # 250 HU
    assert errors[1] < 0.5 * errors[0]
    assert errors[2] < 0.65 * errors[1]
    assert errors[3] < 0.75 * errors[2]


@pytest.mark.slow
def test_rays_without_weight_do_no_harm():
    geometry, sinogram, mask, *_ = scan()
    operator = ct.XRayTransform(geometry)

    @jax.jit
    def least_squares(weights):
        rhs = operator.adjoint(weights * sinogram)
        return solve_normal(operator, rhs, weights=weights, iterations=8)

    all_rays = error(least_squares(jnp.ones_like(sinogram)))
    trace = ct.metal_trace(mask, geometry)
    outside = error(least_squares(ct.trace_weights(trace)))
    little = error(least_squares(ct.trace_weights(trace, inside=0.01)))
    assert outside < 0.35 * all_rays
    assert outside < 0.6 * error(fbp(sinogram, geometry))
    assert little < 0.6 * all_rays


@pytest.mark.parametrize("kind", ["parallel", pytest.param("fan", marks=pytest.mark.slow)])
def test_the_trace_covers_the_metal_and_little_more(kind):
    metal = ellipses([(1.0, *rod) for rod in RODS])
    mask = rasterise(metal, SHAPE, PIXEL, 4) > 0
    if kind == "parallel":
        geometry = scan()[0]
    else:
        geometry = ct.fan_beam(SHAPE, 60, 500.0, 300.0, pixel_size=PIXEL)
    hit = line_integrals(metal, *geometry.rays()) > 0
    trace = ct.metal_trace(mask, geometry)
    assert trace.dtype == bool
    assert not bool(jnp.any(hit & ~trace))
    # rods are 8 pixels wide; whole pixels and their interpolation add up to 2 at either side
    assert float(trace.sum()) < 12 / 8 * float(hit.sum())
    wider = ct.metal_trace(mask, geometry, margin=2)
    index = jnp.arange(trace.shape[1])
    near = jnp.abs(index[:, None] - index) <= 2
    np.testing.assert_array_equal(wider, (trace.astype(int) @ near.astype(int)) > 0)
    assert float(ct.metal_trace(mask, geometry, 12.0).sum()) < float(trace.sum())


def test_interpolation_is_that_of_numpy():
    rng = np.random.default_rng(0)
    sinogram = rng.normal(size=(3, 7, 40)).astype(np.float32)
    trace = rng.uniform(size=sinogram.shape) < 0.6
    trace[0, 0, :5] = trace[0, 1, -6:] = True
    trace[0, 2] = True
    result = np.asarray(jax.jit(ct.interpolate_trace)(sinogram, trace))
    index = np.arange(40)
    for row, covered, got in zip(
        sinogram.reshape(-1, 40), trace.reshape(-1, 40), result.reshape(-1, 40), strict=True
    ):
        free = index[~covered]
        expected = np.interp(index, free, row[free]) if free.size else row
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    # linear: its derivative is itself; and the adjoint of the derivative fits
    v, w = rng.normal(size=(2, *sinogram.shape)).astype(np.float32)
    _, along = jax.jvp(lambda s: ct.interpolate_trace(s, trace), (sinogram,), (v,))
    np.testing.assert_allclose(along, ct.interpolate_trace(v, trace), rtol=1e-6)
    (back,) = jax.vjp(lambda s: ct.interpolate_trace(s, trace), sinogram)[1](w)
    assert float(jnp.vdot(w, along)) == pytest.approx(float(jnp.vdot(back, v)), rel=1e-4)


def test_a_right_prior_gives_right_data():
    geometry, _, mask, *_ = scan()
    body = ellipses([BODY, *((1.5, *bone) for bone in BONES)])
    truth = line_integrals(body, *geometry.rays())
    trace = ct.metal_trace(mask, geometry)
    spoilt = jnp.where(trace, 17.0, truth)
    linear = ct.interpolate_trace(spoilt, trace)
    assert float(jnp.abs(linear - truth).max()) > 0.05 * float(truth.max())
    for scale in (1.0, 0.3):  # also of a prior in other units
        result = ct.normalised_interpolation(spoilt, trace, scale * truth, 1e-3)
        assert float(jnp.abs(result - truth).max()) < 1e-4 * float(truth.max())
    nothing = ct.normalised_interpolation(spoilt, trace, jnp.zeros_like(truth))
    np.testing.assert_array_equal(nothing, linear)


def test_prior_of_three_tissues():
    image = jnp.array([[-0.001, 0.009, 0.011], [0.02, 0.025, 0.04]])
    mask = jnp.array([[False, False, False], [False, False, True]])
    prior = ct.tissue_prior(image, 0.02, mask, (0.5, 1.2))
    np.testing.assert_allclose(prior, [[0, 0, 0.02], [0.02, 0.025, 0.02]])


def test_weights():
    trace = jnp.array([[True, False], [False, True]])
    weights = jnp.array([2.0, 3.0])
    np.testing.assert_array_equal(ct.trace_weights(trace), [[0, 1], [1, 0]])
    np.testing.assert_array_equal(ct.trace_weights(trace, weights, 0.5), [[1, 3], [2, 1.5]])
    assert ct.trace_weights(trace, 1).dtype == jnp.float32
    with jax.enable_x64(True):
        assert ct.trace_weights(trace, jnp.ones(2, jnp.float64)).dtype == jnp.float64


def test_bad_input_is_explained():
    geometry, sinogram, mask, *_ = scan()
    trace = jnp.zeros(sinogram.shape, bool)
    with pytest.raises(ValueError, match="image"):
        ct.metal_trace(mask[1:], geometry)
    with pytest.raises(ValueError, match="threshold >= 0"):
        ct.metal_trace(mask, geometry, -1.0)
    with pytest.raises(ValueError, match="margin"):
        ct.metal_trace(mask, geometry, margin=-1)
    with pytest.raises(TypeError, match="boolean trace"):
        ct.interpolate_trace(sinogram, sinogram)
    with pytest.raises(ValueError, match="same shape"):
        ct.interpolate_trace(sinogram, trace[1:])
    with pytest.raises(TypeError, match="floating-point sinogram"):
        ct.interpolate_trace(trace.astype(int), trace)
    with pytest.raises(ValueError, match="prior_sinogram and trace of the same shape"):
        ct.normalised_interpolation(sinogram, trace, sinogram[1:])
    with pytest.raises(ValueError, match="floor"):
        ct.normalised_interpolation(sinogram, trace, sinogram, 1.0)
    with pytest.raises(ValueError, match="air < bone"):
        ct.tissue_prior(mask * 0.02, 0.02, mask, (1.3, 0.5))
    with pytest.raises(ValueError, match="weights to broadcast"):
        ct.trace_weights(trace, jnp.ones(3))
    with pytest.raises(ValueError, match="inside >= 0"):
        ct.trace_weights(trace, 1.0, -0.5)
