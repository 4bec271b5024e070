"""ODL: docstrings of its geometries; compared with it, too."""

import jax
import numpy as np

from jaxrecon import ct
from jaxrecon.ct import convert
from tests.ct.convert.cases import ANGLES, assert_round_trip, geometries


def test_odl():
    with jax.enable_x64(True):
        for name, geometry in geometries().items():
            if name == "vectors":
                continue
            description = convert.to_odl(geometry)
            image, detector = description["image"], description["detector"]
            assert image["shape"] == geometry.image_shape[::-1]
            low, high = image["min_pt"], image["max_pt"]
            np.testing.assert_allclose((low + high) / 2, geometry.centre, atol=1e-12)
            sides = (high - low) / image["shape"]
            np.testing.assert_allclose(sides[::-1], geometry.pixel_size)
            cells = (detector["max_pt"] - detector["min_pt"]) / detector["shape"]
            reach = 180.0 if "curved" in name else 1.0
            pitch = np.broadcast_to(geometry.pitch, (len(cells),))  # type: ignore[attr-defined]
            np.testing.assert_allclose(cells[0] * reach, pitch[-1])
            back = convert.from_odl(description, np.float64)
            tilted = name in ("fan, tilted", "cone, tilted", "cone, rolled")
            assert_round_trip(back, geometry, 1e-9, not tilted)


def test_odl_shifts_and_pitch_have_its_signs():
    """At the angle 0 the source lies at (shift, -radius); ODL's tangent at the detector is -x."""
    with jax.enable_x64(True):
        shifted = convert.to_odl(geometries()["cone, shifted"])["arguments"]
        helix = convert.to_odl(geometries()["helix"])["arguments"]
    np.testing.assert_allclose(shifted["src_shift_func"](np.zeros(2)), [[0, 1.5, 0]] * 2)
    np.testing.assert_allclose(shifted["det_shift_func"](np.zeros(2)), [[0, -1.5, 0]] * 2)
    np.testing.assert_allclose(helix["pitch"], 2 * np.pi * 0.4)
    np.testing.assert_allclose(helix["offset_along_axis"], 0.7)


def test_odl_flying_focal_spot_comes_back_as_vectors():
    with jax.enable_x64(True):
        description = convert.to_odl(geometries()["fan"])
        spots = np.tile([[0.0, 0.1], [0.2, -0.1]], (3, 1))[: len(ANGLES)]
        description["arguments"]["src_shift_func"] = lambda angles: spots[: len(angles)]
        back = convert.from_odl(description, np.float64)
    assert isinstance(back, ct.VectorGeometry)
    cos, sin = np.cos(ANGLES), np.sin(ANGLES)
    u, d = np.stack([cos, sin], -1), np.stack([-sin, cos], -1)
    np.testing.assert_allclose(back.source, spots[:, 1:] * u - (120 + spots[:, :1]) * d, atol=1e-12)
