"""The geometry's fields, defaults and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct


def test_positions_in_mm():
    geometry = ct.ParallelGeometry((4, 4), jnp.zeros(1), 3, 1.0, 2.0, 0.5)
    np.testing.assert_allclose(geometry.positions, [-1.5, 0.5, 2.5])


def test_parallel_beam_covers_the_diagonal():
    geometry = ct.parallel_beam((30, 40), 6, arc=2 * np.pi, pixel_size=(2.0, 1.0))
    assert geometry.views == 6
    np.testing.assert_allclose(geometry.angles, np.arange(6) * np.pi / 3, rtol=1e-6)
    assert float(geometry.pitch) == 1.0
    assert float(geometry.positions[-1]) >= np.hypot(60, 40) / 2
    np.testing.assert_allclose(geometry.pixel_size, [2.0, 1.0])


def test_dtypes_follow_the_angles():
    with jax.enable_x64(True):
        geometry = ct.ParallelGeometry((3, 3), np.zeros(2), 4)
        assert geometry.positions.dtype == geometry.pixel_size.dtype == jnp.float64
        assert ct.parallel_beam((3, 3), 2).dtype == jnp.float32
    assert ct.ParallelGeometry((3, 3), [0, 1], 4).dtype == jnp.float32


def test_bad_input_is_explained():
    angles = jnp.zeros(2)
    with pytest.raises(ValueError, match="image_shape"):
        ct.ParallelGeometry((3, 3, 3), angles, 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bins"):
        ct.ParallelGeometry((3, 3), angles, 0)
    with pytest.raises(ValueError, match=r"\(views,\)"):
        ct.ParallelGeometry((3, 3), jnp.zeros((2, 2)), 4)
    with pytest.raises(ValueError, match=r"pair \(dy, dx\)"):
        ct.ParallelGeometry((3, 3), angles, 4, jnp.ones(3))
    with pytest.raises(ValueError, match="pitch > 0"):
        ct.ParallelGeometry((3, 3), angles, 4, 1.0, -1.0)
    with pytest.raises(ValueError, match="finite offset"):
        ct.ParallelGeometry((3, 3), angles, 4, 1.0, 1.0, float("nan"))
    with pytest.raises(TypeError, match="real angles"):
        ct.ParallelGeometry((3, 3), angles + 0j, 4)
    with pytest.warns(UserWarning, match="radians"):
        ct.ParallelGeometry((3, 3), jnp.array([0.0, 90.0]), 4)
    with pytest.raises(ValueError, match="pixel_size > 0"):
        ct.parallel_beam((3, 3), 2, pixel_size=0.0)
