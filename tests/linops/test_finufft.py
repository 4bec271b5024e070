import builtins

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import NonuniformFourier
from jaxrecon.linops.finufft import FinufftFourier


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


def test_bad_input_and_the_extra_is_named(monkeypatch):
    pytest.importorskip("jax_finufft")
    with pytest.raises(ValueError, match=r"\(\*samples, axes\)"):
        FinufftFourier(np.zeros((4, 3)), (5, 4))
    with pytest.raises(TypeError, match="complex dtype"):
        FinufftFourier(np.zeros((4, 2)), (5, 4), dtype=jnp.float32)
    real = builtins.__import__

    def without(name, *rest):
        if name == "jax_finufft":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"jaxrecon\[finufft\]"):
        FinufftFourier(np.zeros((4, 2)), (5, 4))
