import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Fourier
from jaxrecon.linops.frames import Frames
from jaxrecon.linops.nonuniform_fourier import NonuniformFourier
from jaxrecon.mri.operators.nonuniform_sense import NonuniformSense

SHAPE, COILS, SAMPLES = (6, 5), 3, (4, 7)


def numbers(seed, *shape):
    random = np.random.default_rng(seed)
    return random.normal(size=shape) + 1j * random.normal(size=shape)


def positions(*lead):
    return np.random.default_rng(9).uniform(-0.5, 0.5, (*lead, *SAMPLES, 2))


def exact(image, k):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] - np.array([3, 2])[:, None, None]
    phase = k[..., 0, None, None] * y + k[..., 1, None, None] * x
    return np.sum(image * np.exp(-2j * np.pi * phase), axis=(-2, -1)) / np.sqrt(image.size)


@pytest.mark.parametrize("sets", [0, 2])
def test_each_coil_sees_the_weighted_image(sets):
    with jax.enable_x64():
        maps = numbers(1, *((sets,) if sets else ()), COILS, *SHAPE)
        image = numbers(2, *((sets,) if sets else ()), *SHAPE)
        k = positions()
        fourier = NonuniformFourier(k, SHAPE, accuracy=1e-10, dtype=jnp.complex128)
        got = NonuniformSense(maps, fourier)(image)
        seen = np.sum(maps * image[:, None], 0) if sets else maps * image
        expected = np.stack([exact(coil, k) for coil in seen])
        np.testing.assert_allclose(got, expected, atol=1e-8)


@pytest.mark.slow
def test_the_normal_operator_goes_through_the_toeplitz_form():
    with jax.enable_x64():
        maps, image = numbers(1, COILS, *SHAPE), numbers(2, *SHAPE)
        options = {"accuracy": 1e-8, "dtype": jnp.complex128}
        plain = NonuniformFourier(positions(), SHAPE, **options)
        short = NonuniformFourier(positions(), SHAPE, normal_by_toeplitz=True, **options)
        expected = NonuniformSense(maps, plain).normal(image)
        got = NonuniformSense(maps, short).normal(image)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_frames_have_trajectories_of_their_own():
    with jax.enable_x64():
        maps, images, k = numbers(1, COILS, *SHAPE), numbers(2, 3, *SHAPE), positions(3)

        def transform(k):
            return NonuniformFourier(k, SHAPE, accuracy=1e-10, dtype=jnp.complex128)

        operator = Frames(
            NonuniformSense(maps, transform(k[0])), {"fourier": jax.vmap(transform)(k)}
        )
        got = operator(images)
        for t in range(3):
            expected = np.stack([exact(s * images[t], k[t]) for s in maps])
            np.testing.assert_allclose(got[t], expected, atol=1e-8)


def test_derivatives_in_maps_and_trajectory_equal_finite_differences():
    with jax.enable_x64():
        maps, image, k = numbers(1, COILS, *SHAPE), numbers(2, *SHAPE), positions()

        @jax.jit
        def energy(maps, k):
            fourier = NonuniformFourier(k, SHAPE, accuracy=1e-8, dtype=jnp.complex128)
            y = NonuniformSense(maps, fourier).apply(image)
            return jnp.sum(jnp.abs(y[:2] - 0.3) ** 2)

        slopes = jax.grad(energy, (0, 1))(maps, k)
        along, step = (numbers(3, *maps.shape), np.real(numbers(4, *k.shape))), 1e-5
        for i in (0, 1):
            ends = []
            for sign in (1, -1):
                moved = [maps, k]
                moved[i] = moved[i] + sign * step * along[i]
                ends.append(energy(*moved))
            expected = np.real(np.vdot(np.conj(slopes[i]), along[i]))
            np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), expected, rtol=1e-5)


def test_bad_input():
    fourier = Fourier(SHAPE)
    with pytest.raises(ValueError, match=r"\(coil, \*image\)"):
        NonuniformSense(np.ones((COILS, 5, 6), np.complex64), fourier)
    with pytest.raises(TypeError, match="maps of the dtype complex64"):
        NonuniformSense(np.ones((COILS, *SHAPE), np.float32), fourier)
