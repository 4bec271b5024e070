"""The geometry's fields, defaults and errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import ct


def test_positions_in_mm():
    geometry = ct.ParallelGeometry(jnp.zeros(1), (4, 4), 3, 1.0, 2.0, 0.5)
    np.testing.assert_allclose(geometry.positions, [-1.5, 0.5, 2.5])


def test_equispaced_covers_the_diagonal():
    geometry = ct.equispaced((30, 40), 6, arc=2 * np.pi, pixel_size=(2.0, 1.0))
    assert geometry.views == 6
    np.testing.assert_allclose(geometry.angles, np.arange(6) * np.pi / 3, rtol=1e-6)
    assert float(geometry.pitch) == 1.0
    assert float(geometry.positions[-1]) >= np.hypot(60, 40) / 2
    np.testing.assert_allclose(geometry.pixel_size, [2.0, 1.0])


def test_dtypes_follow_the_angles():
    with jax.enable_x64(True):
        geometry = ct.ParallelGeometry(np.zeros(2), (3, 3), 4)
        assert geometry.positions.dtype == geometry.pixel_size.dtype == jnp.float64
        assert ct.equispaced((3, 3), 2).dtype == jnp.float32
    assert ct.ParallelGeometry([0, 1], (3, 3), 4).dtype == jnp.float32


def test_bad_input_is_explained():
    angles = jnp.zeros(2)
    with pytest.raises(ValueError, match="image_shape"):
        ct.ParallelGeometry(angles, (3, 3, 3), 4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="bins"):
        ct.ParallelGeometry(angles, (3, 3), 0)
    with pytest.raises(ValueError, match=r"\(views,\)"):
        ct.ParallelGeometry(jnp.zeros((2, 2)), (3, 3), 4)
    with pytest.raises(ValueError, match=r"pair \(dy, dx\)"):
        ct.ParallelGeometry(angles, (3, 3), 4, jnp.ones(3))
    with pytest.raises(ValueError, match="pitch > 0"):
        ct.ParallelGeometry(angles, (3, 3), 4, 1.0, -1.0)
    with pytest.raises(ValueError, match="finite offset"):
        ct.ParallelGeometry(angles, (3, 3), 4, 1.0, 1.0, float("nan"))
    with pytest.raises(TypeError, match="real angles"):
        ct.ParallelGeometry(angles + 0j, (3, 3), 4)
    with pytest.warns(UserWarning, match="radians"):
        ct.ParallelGeometry(jnp.array([0.0, 90.0]), (3, 3), 4)
    with pytest.raises(ValueError, match="pixel_size > 0"):
        ct.equispaced((3, 3), 2, pixel_size=0.0)
