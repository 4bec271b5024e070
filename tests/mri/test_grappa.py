"""GRAPPA against loops in NumPy, coils for which it is exact, and a phantom in closed form."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops.fourier import ifft_centred
from jaxrecon.mri.coils import calibration_region
from jaxrecon.mri.direct import (
    grappa,
    grappa_fill,
    grappa_image_weights,
    grappa_weights,
    zero_filled,
)
from jaxrecon.mri.direct.lattice import Lattice, find_lattice
from tests.mri.scans import harmonic_scan, phantom_scan, relative_error


def numbers(*shape):
    rng = np.random.default_rng(3)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


LATTICES = [Lattice((3, 1)), Lattice((2, 2, 1), 1), Lattice((2, 3, 1), 2), Lattice((1, 4, 1), 3)]


@pytest.mark.parametrize("lattice", LATTICES)
def test_lattice_against_its_definition(lattice):
    shape = tuple(12 for _ in lattice.acceleration)
    offset = tuple(r - 1 for r in lattice.acceleration)
    mask = np.zeros(shape, bool)
    r = lattice.acceleration
    for i, j in product(range(-20, 20), repeat=2):
        k = [offset[0] + r[0] * i, offset[1] + lattice.shift * i + r[1] * j]
        if 0 <= k[0] < 12 and 0 <= k[1] < 12:
            mask[tuple(k)] = True
    np.testing.assert_array_equal(lattice.mask(shape, offset), mask)
    for coset in lattice.missing():
        steps = lattice.sources(coset, tuple(3 for _ in shape))
        assert len(np.unique(steps, axis=0)) == 3 ** len(shape)
        assert np.all(lattice.coset(coset + steps) == 0)  # on measured samples
    spread = np.abs(np.fft.ifftn(lattice.mask(shape, (0,) * len(shape)))) > 1e-9
    folds = np.zeros(shape, bool)
    folds[tuple(lattice.aliases(shape).T)] = True
    np.testing.assert_array_equal(folds, spread)


@pytest.mark.parametrize("lattice", LATTICES)
def test_the_pattern_is_found_in_a_mask_with_more_lines(lattice):
    shape = (17, 19, 1)[-len(lattice.acceleration) :]
    offset = tuple(r - 1 for r in lattice.acceleration)
    lines = lattice.mask(shape, offset)[..., 0]
    lines[tuple(slice(n // 2 - 3, n // 2 + 3) for n in lines.shape)] = True
    assert find_lattice(lines, what="test") == (lattice, offset)


def windows_by_hand(region, coset, sources):
    """Targets and sources of all windows that fit into the region."""
    low, high = np.minimum(sources.min(0), 0), np.maximum(sources.max(0), 0)
    inside = [range(-a, n - b) for a, b, n in zip(low, high, region.shape[1:], strict=True)]
    places = np.array(list(product(*inside)))
    targets = np.stack([region[(slice(None), *p)] for p in places], axis=1)
    around = [[region[(slice(None), *(p + s))] for s in sources] for p in places]
    return targets, np.array(around).transpose(2, 1, 0).reshape(-1, len(places))


def test_weights_and_filling_against_loops():
    kspace = numbers(2, 12, 5)
    lattice, kernel = Lattice((3, 1)), (2, 3)
    with jax.enable_x64(True):
        weights = grappa_weights(kspace[:, 2:11], 3, kernel=kernel, damping=0.05)
        got = np.asarray(grappa_fill(kspace, weights, offset=1))
        again = grappa_fill(kspace, weights, offset=(1, 0), mask=np.arange(12)[:, None] == 6)
    expected = kspace.copy()
    for coset, w in zip(lattice.missing(), np.asarray(weights.weights), strict=True):
        sources = lattice.sources(coset, kernel)
        t, s = windows_by_hand(kspace[:, 2:11], coset, sources)
        gram = s @ s.conj().T
        level = 0.05 * np.trace(gram).real / len(gram)
        fitted = t @ s.conj().T @ np.linalg.inv(gram + level * np.eye(len(gram)))
        np.testing.assert_allclose(w.reshape(2, -1), fitted, rtol=1e-10)
        for y in range(1 + coset[0], 13, 3):
            for x in range(5):
                near = [kspace[:, (y + a) % 12, (x + b) % 5] for a, b in sources]
                expected[:, y % 12, x] = fitted @ np.array(near).T.ravel()
    np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(again[:, 6], kspace[:, 6])
    np.testing.assert_array_equal(np.delete(again, 6, 1), np.delete(got, 6, 1))


@pytest.mark.parametrize(
    ("lattice", "shape"), [(Lattice((3, 1)), (13, 8)), (Lattice((2, 2, 1), 1), (8, 6, 5))]
)
def test_coils_that_shift_k_space_are_filled_exactly(lattice, shape):
    """A missing sample is a measured one of another coil, across the edges too."""
    harmonics = list(product(*(range(r) for r in lattice.acceleration)))
    with jax.enable_x64(True):
        kspace = np.asarray(harmonic_scan(shape, harmonics))
        kept = lattice.mask(shape, (*(1 for _ in shape[1:]), 0))
        cal = harmonic_scan(tuple(11 for _ in shape), harmonics, seed=1)
        kernel = (*(2 for _ in shape[1:]), 1)
        filled = grappa(np.where(kept, kspace, np.nan), kept, cal, kernel=kernel, damping=1e-10)
    if any(n % p for n, p in zip(shape, lattice.period, strict=True)):
        filled, kspace = filled[:, 2:-2], kspace[:, 2:-2]  # nothing comes from across the edges
    np.testing.assert_allclose(filled, kspace, atol=1e-7)


@pytest.mark.parametrize(
    ("acceleration", "shift", "shape"), [(2, 0, (8, 6)), ((2, 2, 1), 1, (4, 6, 3))]
)
def test_image_weights_are_the_same_map_and_jit_changes_nothing(acceleration, shift, shape):
    cal = numbers(2, *(9 for _ in shape))
    kspace = numbers(2, *shape)
    axes = tuple(range(1, kspace.ndim))
    with jax.enable_x64(True):
        weights = grappa_weights(cal, acceleration, shift=shift)
        kept = weights.lattice.mask(shape, (0,) * len(shape))
        filled = jax.jit(grappa_fill)(kspace, weights)
        np.testing.assert_allclose(filled, grappa_fill(kspace, weights), rtol=1e-12)
        folded = ifft_centred(np.where(kept, kspace, 0), axes)
        product_at_pixels = jnp.sum(grappa_image_weights(weights, shape) * folded, axis=1)
        np.testing.assert_allclose(ifft_centred(filled, axes), product_at_pixels, atol=1e-12)


def test_a_phantom_is_unfolded_and_what_was_measured_is_kept():
    kspace, _ = phantom_scan(24, 6)
    mask = np.zeros((24, 1), bool)
    mask[1::2] = True
    mask[6:18] = True
    data = jnp.where(mask, kspace, 0)
    filled = grappa(data, mask, calibration_region(kspace, (12, 24)))
    np.testing.assert_array_equal(filled[:, mask[:, 0]], kspace[:, mask[:, 0]])
    reference = zero_filled(kspace)
    folded = relative_error(zero_filled(data), reference)
    assert folded > 0.1
    assert relative_error(zero_filled(filled), reference) < 0.15 * folded


def test_gradients_of_the_calibration_agree_with_differences():
    with jax.enable_x64(True):
        cal, step = jnp.asarray(numbers(2, 6, 6)), jnp.asarray(numbers(2, 6, 6)[::-1])
        kspace = jnp.asarray(numbers(2, 6, 4))

        def loss(cal):
            return jnp.sum(jnp.abs(grappa_fill(kspace, grappa_weights(cal, 2, kernel=(2, 3)))) ** 2)

        _, slope = jax.jvp(loss, (cal,), (step,))
        difference = (loss(cal + 1e-6 * step) - loss(cal - 1e-6 * step)) / 2e-6
        assert float(slope) == pytest.approx(float(difference), rel=1e-6)


def test_wrong_arguments():
    kspace, mask = numbers(2, 16, 8), np.arange(16)[:, None] % 2 == 0
    with pytest.raises(TypeError, match="outside of jit"):
        jax.jit(lambda m: grappa(kspace, m, kspace))(mask)
    with pytest.raises(ValueError, match="no regular undersampling"):
        grappa(kspace, np.arange(16)[:, None] < 3, kspace)
    with pytest.raises(ValueError, match=r"mask\[:, None\]"):
        grappa(kspace, mask[:, 0], kspace)
    with pytest.raises(ValueError, match="last axis"):
        grappa(kspace, mask & (np.arange(8) > 2), kspace)
    with pytest.raises(TypeError, match="boolean"):
        grappa(kspace, mask * 1.0, kspace)
    with pytest.raises(ValueError, match="at least"):
        grappa_weights(kspace[:, :2], 2)
    with pytest.raises(ValueError, match="last axis"):
        grappa_weights(kspace, (1, 2))
    with pytest.raises(ValueError, match="shift"):
        grappa_weights(numbers(2, 9, 9, 9), (2, 2, 1), shift=2)
    with pytest.raises(ValueError, match="2 coils"):
        grappa_fill(kspace[:1], grappa_weights(kspace, 2))
    with pytest.raises(TypeError, match="complex"):
        grappa_weights(kspace.real, 2)
