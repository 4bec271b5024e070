"""Cone-beam filtered backprojection: a ball keeps its attenuation on a circle and on a helix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.data import ball, line_integrals

SHAPE, MU, RADIUS, CENTRE = (32, 40, 40), 0.0192, 11.0, (4.0, -3.0, 2.0)
fdk = jax.jit(ct.filtered_backprojection, static_argnames="scan")


def circle(**options):
    return ct.cone_beam(SHAPE, 90, 200.0, 120.0, **options)


def helix(rows, detector):
    return ct.cone_beam(
        SHAPE,
        360,
        200.0,
        120.0,
        arc=8 * np.pi,
        helix_pitch=13.0,
        detector_shape=(rows, 96),
        detector=detector,
    )


CASES = {
    "flat": (circle(), "full"),
    "curved": (circle(detector="curved"), "full"),
    "short": (ct.cone_beam(SHAPE, 80, 200.0, 120.0, arc=np.pi + 0.4), "short"),
    "shifted": (circle(offset=(2.0, 1.5)).replace(axis_shift=1.5), "full"),
    "helix": (helix(18, "flat"), "helix"),
    "helix of low pitch": (helix(30, "curved"), "helix"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_ball_comes_back_with_its_attenuation(name):
    geometry, scan = CASES[name]
    data = line_integrals(ball(RADIUS, MU, CENTRE), *geometry.rays())
    image = np.asarray(fdk(data, geometry, scan=scan))
    z, y, x = np.meshgrid(*geometry.pixel_positions(), indexing="ij")
    distance = np.sqrt((x - CENTRE[0]) ** 2 + (y - CENTRE[1]) ** 2 + (z - CENTRE[2]) ** 2)
    values = image[distance < 0.8 * RADIUS]
    assert values.mean() == pytest.approx(MU, rel=0.01)
    assert values.std() < 0.03 * MU


@pytest.mark.slow
def test_a_helix_of_very_low_pitch_needs_its_number_of_turns():
    """Known values: as many half turns as see a voxel. Traced ones: NaN, not a wrong image."""
    geometry = ct.cone_beam(
        (4, 24, 24),
        288,
        200.0,
        120.0,
        arc=16 * np.pi,
        helix_pitch=1.5,
        detector_shape=(20, 60),
    )
    data = line_integrals(ball(7.0, MU), *geometry.rays())
    image = ct.filtered_backprojection(data, geometry, scan="helix")
    assert float(image[1:3, 9:15, 9:15].mean()) == pytest.approx(MU, rel=0.02)
    assert np.all(np.isnan(fdk(data, geometry, scan="helix")))


def test_bad_input_is_explained():
    geometry = helix(18, "flat")
    data = jnp.zeros(geometry.sinogram_space.shape)
    with pytest.raises(ValueError, match=r"moves along z.*scan='helix'"):
        ct.filtered_backprojection(data, geometry)
    with pytest.raises(ValueError, match="does not move"):
        ct.filtered_backprojection(jnp.zeros(circle().sinogram_space.shape), circle(), scan="helix")
    wrapped = geometry.replace(angles=geometry.angles % (2 * np.pi))
    with pytest.raises(ValueError, match="unwrap"):
        ct.filtered_backprojection(data, wrapped, scan="helix")
    tilted = circle().replace(tilt=jnp.array([0.1, 0.0, 0.0]))
    with pytest.raises(ValueError, match="untilted"):
        ct.filtered_backprojection(jnp.zeros(tilted.sinogram_space.shape), tilted)
