"""Matrix, Diagonal, Mask and Sample against numpy, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Diagonal, Mask, Matrix, Sample

G = np.random.default_rng(0)


def complex_normal(*shape):
    return (G.standard_normal(shape) + 1j * G.standard_normal(shape)).astype(np.complex64)


def test_matrix_and_its_adjoint():
    m, x, y = complex_normal(3, 6), complex_normal(2, 3), complex_normal(3)
    a = Matrix(m, (2, 3))
    np.testing.assert_allclose(a(x), m @ x.ravel(), rtol=1e-5)
    np.testing.assert_allclose(a.H(y), (m.conj().T @ y).reshape(2, 3), rtol=1e-5)


def test_matrix_of_another_kind_than_the_images():
    m, x = G.standard_normal((3, 6)).astype(np.float32), complex_normal(6)
    np.testing.assert_allclose(Matrix(m, dtype=jnp.complex64)(x), m @ x, rtol=1e-5)
    with pytest.raises(TypeError, match="complex64 matrix would turn images of float32 into"):
        Matrix(complex_normal(3, 6), dtype=jnp.float32)


def test_matrix_refuses():
    with pytest.raises(ValueError, match="two axes"):
        Matrix(jnp.ones(3))
    with pytest.raises(ValueError, match=r"domain_shape with 6 entries.*got \(2, 2\)"):
        Matrix(jnp.ones((3, 6)), (2, 2))
    with pytest.raises(TypeError, match="real or complex numbers, got int32"):
        Matrix(jnp.ones((3, 6), int))
    with pytest.raises(ValueError, match=r"Matrix.*float32\[6\], got float32\[4\]"):
        Matrix(jnp.ones((3, 6)))(jnp.ones(4))


def test_matrix_built_and_used_inside_jit():
    """Validation must not need the values."""
    y = jax.jit(lambda m, x: Matrix(m, (2, 2))(x))(jnp.eye(4), jnp.ones((2, 2)))
    np.testing.assert_array_equal(y, np.ones(4))


def test_diagonal_broadcasts_and_refuses():
    w, x = complex_normal(3, 1), complex_normal(3, 4)
    d = Diagonal(w, (3, 4))
    np.testing.assert_allclose(d(x), w * x, rtol=1e-6)
    np.testing.assert_allclose(d.H(x), w.conj() * x, rtol=1e-6)
    with pytest.raises(ValueError, match="broadcast to the shape"):
        Diagonal(jnp.ones((2, 3, 4)), (3, 4))
    with pytest.raises(ValueError, match="broadcast to the shape"):
        Diagonal(jnp.ones(5), (3, 4))
    with pytest.raises(TypeError, match="float64 weights would turn"), jax.enable_x64(True):
        Diagonal(jnp.ones(3), dtype=jnp.float32)


def test_mask_keeps_what_is_true():
    x = jnp.arange(6.0).reshape(2, 3)
    kept = Mask(np.array([True, False, True]), (2, 3))(x)
    np.testing.assert_array_equal(kept, [[0, 0, 2], [3, 0, 5]])


def test_mask_drops_what_is_not_a_number():
    """Holes in measured data are often NaN; a product with 0 would keep them."""
    assert np.isfinite(Mask(np.array([True, False]))(jnp.array([1.0, jnp.nan]))).all()


def test_mask_refuses_numbers():
    with pytest.raises(TypeError, match=r"boolean mask, got float32.*Diagonal"):
        Mask(jnp.ones(3))
    with pytest.raises(ValueError, match="broadcast"):
        Mask(np.ones(4, bool), (3, 5))


def test_sample_picks_and_puts_back():
    x = jnp.arange(6.0).reshape(2, 3)
    s = Sample(np.array([4, 0]), (2, 3))
    np.testing.assert_array_equal(s(x), [4, 0])
    np.testing.assert_array_equal(s.H(jnp.array([1.0, 2.0])), [[2, 0, 0], [0, 1, 0]])


def test_sample_refuses():
    with pytest.raises(ValueError, match="indices from 0 to 5"):
        Sample(np.array([6]), (2, 3))
    with pytest.raises(ValueError, match="got -1 to"):
        Sample(np.array([-1, 2]), (2, 3))
    with pytest.raises(TypeError, match="flatnonzero"):
        Sample(np.ones(6, bool), (2, 3))
    with pytest.raises(ValueError, match="one axis"):
        Sample(np.zeros((2, 2), int), (2, 3))


def test_sample_traced_indices_out_of_range_count_as_absent():
    @jax.jit
    def both(indices, x, y):
        s = Sample(indices, (2, 3))
        return s(x), s.H(y)

    picked, put = both(jnp.array([1, 9]), jnp.ones((2, 3)), jnp.ones(2))
    np.testing.assert_array_equal(picked, [1, 0])
    np.testing.assert_array_equal(put, [[0, 1, 0], [0, 0, 0]])
