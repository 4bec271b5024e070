"""Exact recovery of the Shepp-Logan phantom from 22 radial Fourier lines (Candes et al. 2006)."""

import numpy as np

from examples.compressed_sensing import relative_error, run


def test_shepp_logan_is_recovered_exactly_from_22_radial_lines() -> None:
    found = run(size=256, lines=22, iterations=400)
    assert found["truth"].shape == (256, 256)
    assert found["total variation"].dtype == np.float64
    np.testing.assert_allclose(found["mask"].mean(), 0.084, atol=5e-4)
    assert relative_error(found["zero filling"], found["truth"]) > 0.3
    assert relative_error(found["total variation"], found["truth"]) < 1e-6
