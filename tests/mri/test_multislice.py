"""Simultaneous slices against the sum in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.mri.operators.multislice import MultiSlice, caipi_phases
from jaxrecon.solvers import conjugate_gradient
from tests.mri.test_sense import dft, mask_of, numbers


@pytest.mark.parametrize("along", [(3, 6, 1), (3, 1, 5), (3, 6, 5), (3, 1, 1)])
def test_it_is_the_sum_over_the_slices(along):
    maps, x = numbers(1, 3, 2, 6, 5), numbers(2, 3, 6, 5)
    phases = np.random.default_rng(3).uniform(-3, 3, along).astype(np.float32)
    mask = mask_of(4, 6, 5)
    full = np.broadcast_to(phases, (3, 6, 5))
    y = sum(mask * np.exp(1j * full[s]) * dft(maps[s] * x[s], (1, 2)) for s in range(3))
    operator = MultiSlice(maps, phases, mask)
    np.testing.assert_allclose(operator(x), y, atol=2e-5)
    np.testing.assert_allclose(MultiSlice(maps, phases)(x)[:, mask], y[:, mask], atol=2e-5)


@pytest.mark.parametrize("lines", [12, 9])
def test_blips_move_slices_by_parts_of_the_field_of_view(lines):
    x = numbers(2, 3, lines, 4)
    maps = np.ones((3, 1, lines, 4), np.complex64)
    operator = MultiSlice(maps, caipi_phases(3, lines, shift=3))
    seen = dft(np.asarray(operator(x))[0].conj(), (0, 1)).conj()  # the inverse transform
    moved = sum(np.roll(x[s], -s * lines // 3, axis=0) for s in range(3))
    np.testing.assert_allclose(seen, moved, atol=1e-5)


def test_phases_stay_small():
    phases = caipi_phases(4, 100, shift=3)
    assert phases.shape == (4, 100, 1)
    assert phases.min() >= 0
    assert phases.max() < 2 * np.pi
    np.testing.assert_array_equal(phases[:, 50], 0)


def test_conjugate_gradients_tell_the_slices_apart():
    """With coils that are nearly the same in both slices, the blips make it possible."""
    shape = (12, 6)
    y = np.linspace(-1, 1, 12)[:, None]
    profile = [np.exp(-((y - a) ** 2)) * np.ones(shape) for a in (-1.2, -0.4, 0.4, 1.2)]
    maps = np.stack([profile, np.array(profile) * 1.02]).astype(np.complex64)
    truth = numbers(3, 2, *shape)
    errors = []
    for shift in (1, 2):
        operator = MultiSlice(maps, caipi_phases(2, 12, shift=shift))
        method = conjugate_gradient(operator, operator(truth))
        found = jax.jit(lambda m: solve(m, jnp.zeros((2, *shape), jnp.complex64), 80)[0])(method)
        errors.append(np.linalg.norm(found - truth) / np.linalg.norm(truth))
    assert errors[0] > 0.5
    assert errors[1] < 1e-2


def test_wrong_arguments_are_told():
    maps = numbers(1, 2, 3, 4, 5)
    with pytest.raises(ValueError, match="slice, coil"):
        MultiSlice(maps[0], np.zeros((2, 4, 1)))
    with pytest.raises(ValueError, match="phases"):
        MultiSlice(maps, np.zeros((3, 4, 1)))
    with pytest.raises(TypeError, match="real phases"):
        MultiSlice(maps, np.zeros((2, 4, 1), complex))
    with pytest.raises(ValueError, match="mask"):
        MultiSlice(maps, np.zeros((2, 4, 1)), np.ones((5, 4), bool))
    with pytest.raises(TypeError, match="boolean"):
        MultiSlice(maps, np.zeros((2, 4, 1)), np.ones((4, 5)))
    with pytest.raises(ValueError, match="shift"):
        caipi_phases(2, 8, shift=0)
