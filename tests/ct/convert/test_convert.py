"""What all conversions share: they keep every ray, in round trips and by formulas of each toolbox.

The formulas are written down apart from the converters, from the documentation and the source of
each toolbox.
"""

import jax
import numpy as np
import pytest

from jaxrecon import ct
from jaxrecon.ct import convert
from tests.ct.convert.cases import ANGLES, assert_round_trip, geometries


def test_detectors_of_one_row_and_one_column():
    with jax.enable_x64(True):
        fan = ct.FanGeometry((9, 8), ANGLES, 1, 120.0, 60.0, 0.8, 1.1)
        cone = ct.ConeGeometry((7, 9, 8), ANGLES, (1, 1), 120.0, 60.0, (0.9, 0.8, 0.8), (0.5, 0.7))
        for geometry in (fan, cone):
            for back, tolerance in (
                (convert.from_tigre(*convert.to_tigre(geometry), np.float64), 1e-9),
                (convert.from_astra(*convert.to_astra(geometry, True), np.float64), 1e-9),
                (convert.from_leap(convert.to_leap(geometry), np.float64), 1e-3),
            ):
                assert_round_trip(back, geometry, tolerance, same_class=False)
                if not isinstance(back, ct.VectorGeometry):
                    np.testing.assert_allclose(back.pitch, geometry.pitch, rtol=1e-6)


def test_dtype_of_what_comes_back():
    geometry = ct.parallel_beam((8, 8), 4)
    assert convert.from_astra(*convert.to_astra(geometry)).dtype == np.float32
    assert convert.from_tigre(*convert.to_tigre(geometry)).dtype == np.float32


def test_what_a_toolbox_does_not_have_is_refused():
    with jax.enable_x64(True):
        all_ = geometries()
    with pytest.raises(ValueError, match="no curved detector in the plane"):
        convert.to_astra(all_["fan, curved"])
    with pytest.raises(ValueError, match="cubic voxels"):
        convert.to_astra(all_["cone, curved"])
    with pytest.raises(ValueError, match="does not know"):
        convert.from_astra({"GridRowCount": 9, "GridColCount": 8}, {"type": "spiral"})
    with pytest.raises(ValueError, match="increase"):
        convert.to_odl(ct.ParallelGeometry((8, 8), ANGLES[::-1].copy(), 9))
    with pytest.raises(ValueError, match="irregular"):
        convert.to_odl(all_["vectors"])
    with pytest.raises(ValueError, match="flat detector"):
        convert.to_tigre(all_["cone, curved"])
    geo, angles = convert.to_tigre(all_["parallel"])
    with pytest.raises(ValueError, match="use COR"):
        convert.from_tigre(geo | {"offDetector": np.ones(2)}, angles)
    with pytest.raises(ValueError, match="square pixels"):
        convert.to_leap(ct.parallel_beam((8, 8), 4, pixel_size=(1.0, 2.0)))
    with pytest.raises(ValueError, match="no tilt"):
        convert.to_leap(all_["laminography"])
    with pytest.raises(ValueError, match="slices at the rows"):
        convert.to_leap(ct.ParallelGeometry3D((4, 8, 8), ANGLES, (5, 9)))
