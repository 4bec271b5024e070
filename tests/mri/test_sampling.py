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


# by fastmri 0.3.0: fastmri.data.subsample.RandomMaskFunc([centre_fraction], [acceleration]) and
# EquispacedMaskFractionFunc, called with ((1, 10, lines, 2), seed=seed); np.packbits in hexadecimal
NAME = tuple(map(ord, "file1000002"))
FASTMRI = [
    ("random", 64, 4, 0.08, NAME, "40010023e0a00002"),
    ("random", 101, 4, 0.08, 7, "810410400001ff820108800828"),
    (
        "random", 368, 4, 0.08, NAME,
        "4001002000a000021400c80040b0806030084000113fffffff41011210d40c002408000000014429294a18201022",
    ),
    (
        "random", 396, 8, 0.04, NAME,
        "400000200080000200000000002080002000400001000003fffd010010900400040800000001402101020800102040d"
        "00040",
    ),
    ("equispaced", 64, 4, 0.08, NAME, "10821083f0421042"),
    ("equispaced", 101, 4, 0.08, 7, "084108210821fe210421042080"),
    (
        "equispaced", 320, 8, 0.04, 2,
        "008010010020040040080080100200200400803fff00100200400400801001002002004008008010",
    ),
    (
        "equispaced", 368, 4, 0.08, NAME,
        "1082104210421042084208420841084108210821083ffffffe210420842084108410841082108210821042104208",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "lines", "acceleration", "fraction", "seed", "expected"), FASTMRI)
def test_fastmri_lines_are_those_of_fastmri(kind, lines, acceleration, fraction, seed, expected):
    kinds = {
        "random": sampling.fastmri_random_lines,
        "equispaced": sampling.fastmri_equispaced_lines,
    }
    found = kinds[kind](lines, acceleration, fraction, seed=seed)
    assert np.packbits(found).tobytes().hex() == expected


def test_fastmri_equispaced_lines_from_a_given_one():
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
