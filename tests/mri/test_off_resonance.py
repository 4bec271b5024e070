import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Matrix
from jaxrecon.mri.operators.off_resonance import exact_signal, off_resonance

SHAPE = (8, 7)
SAMPLES = (5, 12)  # readouts, samples
TIMES = np.linspace(1e-3, 21e-3, SAMPLES[1])


@pytest.fixture
def scan():
    random = np.random.default_rng(3)
    image = random.normal(size=SHAPE) + 1j * random.normal(size=SHAPE)
    positions = random.uniform(-0.5, 0.5, (*SAMPLES, 2))
    field = random.uniform(-70, 110, SHAPE)
    decay = random.uniform(5, 60, SHAPE)
    x = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in SHAPE), indexing="ij"))
    phase = np.tensordot(positions.reshape(-1, 2), x.reshape(2, -1), 1)
    encoding = np.exp(-2j * np.pi * phase) / np.sqrt(image.size)
    times = np.tile(TIMES, SAMPLES[0])
    decayed = np.exp(-np.outer(times, (decay + 2j * np.pi * field).ravel()))
    signal = ((encoding * decayed) @ image.ravel()).reshape(SAMPLES)
    return image, field, decay, encoding, signal


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5])
def test_the_signal_is_the_exact_sum_to_the_tolerance(scan, tolerance):
    with jax.enable_x64():
        image, field, decay, encoding, signal = scan
        encoding = Matrix(encoding, SHAPE, SAMPLES)
        operator = off_resonance(encoding, field, TIMES, decay=decay, tolerance=tolerance)
        error = np.linalg.norm(operator(image) - signal) / np.linalg.norm(signal)
        assert error < tolerance
        fewer = off_resonance(encoding, field, TIMES, decay=decay, tolerance=100 * tolerance)
        assert len(fewer.centres) < len(operator.centres)


def test_the_exact_signal_and_no_precession():
    with jax.enable_x64():
        random = np.random.default_rng(5)
        image = random.normal(size=SHAPE)
        positions = random.uniform(-0.5, 0.5, (3, 2))
        field, times = random.uniform(-50, 50, SHAPE), np.array([0.0, 0.01, 0.02])
        expected = []
        for (ky, kx), t in zip(positions, times, strict=True):
            y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([4, 3])[:, None, None]
            phase = ky * y + kx * x + field * t
            expected.append(np.sum(image * np.exp(-2j * np.pi * phase)) / np.sqrt(image.size))
        got = exact_signal(image, positions, times, field)
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_derivatives_in_the_field_map_and_the_decay(scan):
    with jax.enable_x64():
        image, field, decay, encoding, _ = scan
        encoding = Matrix(encoding, SHAPE, SAMPLES)
        options = {"frequencies": (-80, 120), "rates": (0, 70), "tolerance": 1e-4}

        @jax.jit
        def energy(field, decay):
            operator = off_resonance(encoding, field, TIMES, decay=decay, **options)
            return jnp.sum(jnp.abs(operator.apply(image)[:, ::3]) ** 2)

        slopes = jax.grad(energy, (0, 1))(field, decay)
        random = np.random.default_rng(7)
        for i, slope in enumerate(slopes):
            along, step = random.normal(size=SHAPE), 1e-4
            ends = [
                energy(*(v + (i == j) * s * along for j, v in enumerate((field, decay))))
                for s in (step, -step)
            ]
            np.testing.assert_allclose(
                (ends[0] - ends[1]) / (2 * step), np.vdot(slope, along), rtol=1e-6
            )


def test_bad_input(scan):
    _, field, _, encoding, _ = scan
    encoding = Matrix(encoding, SHAPE, SAMPLES)
    with pytest.raises(ValueError, match=r"1 segments leave an error.*times are in s"):
        off_resonance(encoding, field, TIMES, segments=1)
    with pytest.raises(ValueError, match="times that broadcast"):
        off_resonance(encoding, field, TIMES[:4])
    with pytest.raises(ValueError, match="field_map of the image's shape"):
        off_resonance(encoding, field[:4], TIMES)
    with pytest.raises(TypeError, match="field_map of finite real"):
        off_resonance(encoding, field + 1j, TIMES)
    with pytest.raises(TypeError, match="needs frequencies"):
        jax.jit(lambda v: off_resonance(encoding, v, TIMES)(field + 0j))(field)
    with pytest.raises(ValueError, match=r"\(lowest, highest\)"):
        off_resonance(encoding, field, TIMES, frequencies=(3, -3))
