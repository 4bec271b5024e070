import numpy as np
import pytest

from jaxrecon.mri import sampling


def test_uniform_lines_and_the_centre():
    mask = sampling.uniform_lines(12, 3, calibration=4, offset=1)
    np.testing.assert_array_equal(np.flatnonzero(mask), [1, 4, 5, 6, 7, 10])
    np.testing.assert_array_equal(
        np.flatnonzero(sampling.partial_fourier(8, 5 / 8)), [3, 4, 5, 6, 7]
    )
    np.testing.assert_array_equal(np.flatnonzero(sampling.partial_fourier(7, 5 / 7, last=False)),
                                  [0, 1, 2, 3, 4])  # fmt: skip


def test_caipirinha_is_a_sheared_lattice():
    mask = sampling.caipirinha((4, 8), (2, 2), shift=1)
    expected = np.zeros((4, 8), bool)
    expected[0, ::2] = expected[2, 1::2] = True
    np.testing.assert_array_equal(mask, expected)
    whole = sampling.caipirinha((6, 6), (3, 2), shift=1, calibration=2)
    assert whole[2:4, 2:4].all()


@pytest.mark.parametrize("power", [0, 3])
def test_variable_density_has_the_number_and_the_density(power):
    draws = np.stack(
        [
            sampling.variable_density_lines(64, 4, power=power, calibration=4, seed=s)
            for s in range(400)
        ]
    )
    assert (draws.sum(axis=1) == 16).all()
    assert draws[:, 30:34].all()
    found = draws.mean(axis=0)
    radius = np.abs(np.arange(64) - 32) / 32
    if power == 0:
        np.testing.assert_allclose(np.delete(found, range(30, 34)), 12 / 60, atol=0.09)
    else:
        low, middle, high = (found[(radius > a) & (radius <= b)].mean()
                             for a, b in ((0.06, 0.3), (0.3, 0.6), (0.6, 1)))  # fmt: skip
        assert low > 2 * middle > 2 * high
    plane = sampling.variable_density((40, 30), 5, calibration=(6, 4), elliptical=True)
    assert plane.sum() == 240
    assert plane[17:23, 13:17].all()
    assert not plane[0, 0]


@pytest.mark.parametrize(("shape", "acceleration", "variable"), [((96, 64), 5, True),
                                                                 ((64, 64), 4, False)])  # fmt: skip
def test_poisson_discs_keep_their_distance(shape, acceleration, variable):
    mask = sampling.poisson_disc(shape, acceleration, calibration=8, variable=variable, seed=3)
    assert mask.sum() == round(mask.size / acceleration)
    ny, nx = shape
    assert mask[ny // 2 - 4 : ny // 2 + 4, nx // 2 - 4 : nx // 2 + 4].all()
    points = np.argwhere(mask)
    radius = np.hypot(*((points - np.array(shape) // 2) / (np.array(shape) / 2)).T)
    assert radius.max() <= 1 + 1e-9
    scaled = points * max(shape) / np.array(shape)
    gaps = np.linalg.norm(scaled[:, None] - scaled[None], axis=-1)
    np.fill_diagonal(gaps, np.inf)
    nearest = gaps.min(axis=1)
    outer = nearest[radius > 0.75]
    assert outer.min() > 1.4  # at random, 4 % of neighbours touch
    if variable:
        assert outer.mean() > 1.5 * nearest[(radius > 0.2) & (radius < 0.4)].mean()
    np.testing.assert_array_equal(
        mask, sampling.poisson_disc(shape, acceleration, calibration=8, variable=variable, seed=3)
    )


def test_fastmri_lines_are_those_of_the_reference():
    """Drawn by fastmri 0.3.0 (subsample.py) with the same seeds."""
    random = np.random.RandomState(tuple(map(ord, "file1000002")))
    low, n = round(0.08 * 64), 64
    expected = random.uniform(size=n) < (n / 4 - low) / (n - low)
    expected[(n - low + 1) // 2 : (n - low + 1) // 2 + low] = True
    seed = tuple(map(ord, "file1000002"))
    found = sampling.fastmri_random_lines(64, 4, 0.08, seed=seed)
    np.testing.assert_array_equal(found, expected)
    equal = sampling.fastmri_equispaced_lines(368, 4, 0.08, offset=1)
    assert abs(equal.sum() - 368 / 4) <= 1
    gaps = np.diff(np.flatnonzero(equal[:170]))
    assert set(gaps) == {5, 6}


def test_bad_input():
    with pytest.raises(ValueError, match="acceleration of at least 1"):
        sampling.poisson_disc((32, 32), 0.5)
    with pytest.raises(ValueError, match="calibration region has 256 entries"):
        sampling.poisson_disc((32, 32), 8, calibration=16)
    with pytest.raises(ValueError, match="elliptical=False"):
        sampling.poisson_disc((32, 32), 1.1)
    with pytest.raises(ValueError, match="above 1/2"):
        sampling.partial_fourier(32, 0.5)
    with pytest.raises(ValueError, match="whole number"):
        sampling.uniform_lines(32, 2.5)
    with pytest.raises(ValueError, match="fewer low frequencies"):
        sampling.fastmri_random_lines(64, 8, 0.2)
    with pytest.raises(ValueError, match="ellipse has"):
        sampling.variable_density((32, 32), 1.1, elliptical=True)
