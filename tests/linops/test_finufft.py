import builtins

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import NonuniformFourier
from jaxrecon.linops.finufft import FinufftFourier
from jaxrecon.mri import NonuniformSense


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((9,), marks=pytest.mark.slow),
        (8, 7),
        pytest.param((4, 5, 6), marks=pytest.mark.slow),
    ],
)
def test_it_is_the_same_operator(shape):
    pytest.importorskip("jax_finufft")
    with jax.enable_x64():
        random = np.random.default_rng(0)
        positions = random.uniform(-0.5, 0.5, (3, 5, len(shape)))
        x = random.normal(size=shape) + 1j * random.normal(size=shape)
        y = random.normal(size=(3, 5)) + 1j * random.normal(size=(3, 5))
        ours, theirs = (
            kind(positions, shape, accuracy=1e-10, dtype=jnp.complex128)
            for kind in (NonuniformFourier, FinufftFourier)
        )
        np.testing.assert_allclose(theirs(x), ours(x), atol=1e-8)
        np.testing.assert_allclose(theirs.H(y), ours.H(y), atol=1e-8)


def test_it_is_differentiable_in_the_positions_and_batches():
    pytest.importorskip("jax_finufft")
    with jax.enable_x64():
        random = np.random.default_rng(1)
        positions = random.uniform(-0.5, 0.5, (6, 2))
        x = random.normal(size=(2, 5, 4)) + 0j

        def energy(kind, k):
            operator = kind(k, (5, 4), accuracy=1e-10, dtype=jnp.complex128)
            return jnp.sum(jnp.abs(jax.vmap(operator.apply)(x) - 0.5) ** 2)

        slopes = [
            jax.grad(lambda k, kind=kind: energy(kind, k))(jnp.asarray(positions))
            for kind in (NonuniformFourier, FinufftFourier)
        ]
        np.testing.assert_allclose(slopes[0], slopes[1], rtol=1e-6, atol=1e-6)


def numbers(seed, *shape):
    random = np.random.default_rng(seed)
    return jnp.asarray(random.normal(size=shape) + 1j * random.normal(size=shape), jnp.complex64)


def relative(a, b):
    return np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(b)


def both(accuracy, **options):
    """FINUFFT's in single precision, and ours, a tenth as wrong."""
    positions = jnp.asarray(np.random.default_rng(2).uniform(-0.5, 0.5, (3, 20, 2)))
    return (
        FinufftFourier(positions, (9, 8), accuracy=accuracy, **options),
        NonuniformFourier(positions, (9, 8), accuracy=accuracy / 10, **options),
    )


def test_in_single_precision_and_with_coils():
    theirs, ours = both(1e-4)
    x, y, maps = numbers(3, 9, 8), numbers(4, 3, 20), numbers(5, 2, 9, 8)
    assert theirs(x).dtype == jnp.complex64
    assert relative(theirs(x), ours(x)) < 1e-4
    assert relative(theirs.H(y), ours.H(y)) < 1e-4
    theirs, ours = (NonuniformSense(maps, fourier) for fourier in (theirs, ours))
    y = numbers(6, 2, 3, 20)
    assert relative(theirs(x), ours(x)) < 1e-4
    assert relative(theirs.H(y), ours.H(y)) < 1e-4


def test_toeplitz():
    theirs, ours = both(1e-4, normal_by_toeplitz=True)
    x, weights = numbers(3, 9, 8), np.linspace(0, 1, 20).astype(np.float32)
    assert relative(theirs.toeplitz(weights)(x), ours.toeplitz(weights)(x)) < 1e-4
    assert theirs.gram is not None
    assert relative(theirs.normal(x), theirs.H(theirs(x))) < 2e-4
    maps = numbers(5, 2, 9, 8)
    theirs, ours = (NonuniformSense(maps, fourier) for fourier in (theirs, ours))
    assert relative(theirs.normal(x), ours.normal(x)) < 1e-4


def test_bad_input_and_the_extra_is_named(monkeypatch):
    pytest.importorskip("jax_finufft")
    with pytest.raises(ValueError, match=r"\(\*samples, axes\)"):
        FinufftFourier(np.zeros((4, 3)), (5, 4))
    with pytest.raises(TypeError, match="complex dtype"):
        FinufftFourier(np.zeros((4, 2)), (5, 4), dtype=jnp.float32)
    with pytest.raises(ValueError, match="1e-06 <= accuracy < 1 in complex64, got 1e-07"):
        FinufftFourier(np.zeros((4, 2)), (5, 4), accuracy=1e-7)
    with pytest.raises(ValueError, match="weights >= 0"):
        FinufftFourier(np.zeros((4, 2)), (5, 4)).toeplitz(-1.0)
    real = builtins.__import__

    def without(name, *rest):
        if name == "jax_finufft":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"jaxrecon\[finufft\]"):
        FinufftFourier(np.zeros((4, 2)), (5, 4))
