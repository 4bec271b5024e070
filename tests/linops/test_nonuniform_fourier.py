"""The non-uniform transform against the exact sum, its plan, and Toeplitz products."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import iterate
from jaxrecon.linops import (
    Circulant,
    NonuniformFourier,
    Toeplitz,
    circulant_preconditioner,
    fft_centred,
)
from jaxrecon.linops.kaiser_bessel import Window, alias_error
from jaxrecon.mri import NonuniformSense, gridding
from jaxrecon.solvers import conjugate_gradient

G = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def numbers_of_its_own():
    """A test draws the same numbers whichever others the worker ran before it."""
    G.bit_generator.state = np.random.default_rng(0).bit_generator.state


def fourier(positions, shape, **options):
    return NonuniformFourier(jnp.asarray(positions), shape, **options)


def normal(*shape):
    return G.standard_normal(shape) + 1j * G.standard_normal(shape)


def exact(positions, shape):
    """The matrix of the sum, by its definition: (samples, pixels)."""
    k = np.asarray(positions, np.float64).reshape(-1, len(shape))
    pixels = np.indices(shape).reshape(len(shape), -1)
    pixels = pixels - np.array([n // 2 for n in shape])[:, None]
    return np.exp(-2j * np.pi * k @ pixels) / np.sqrt(np.prod(shape))


def relative(a, b):
    a, b = np.asarray(a).ravel(), np.asarray(b).ravel()
    return np.linalg.norm(a - b) / np.linalg.norm(b)


CASES = [
    *(("complex64", (20, 17), accuracy) for accuracy in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),
    ("complex128", (13, 16), 1e-12),
    ("complex64", (300,), 1e-6),
    ("complex128", (45,), 1e-12),
    *(("complex64", (6, 9, 8), accuracy) for accuracy in (1e-2, 1e-4, 1e-6)),
    ("complex128", (4, 5, 6), 1e-12),
]


@pytest.mark.parametrize(("dtype", "shape", "accuracy"), CASES)
def test_the_accuracy_asked_for_is_met_in_both_types(dtype, shape, accuracy):
    with jax.enable_x64(dtype == "complex128"):
        k = G.uniform(-0.5, 0.5, (500, len(shape)))
        a = fourier(k, shape, accuracy=accuracy, dtype=dtype)
        f, y = normal(*shape).astype(dtype), normal(500).astype(dtype)
        matrix = exact(a.positions, shape)
        forward, backward = np.asarray(a(f)), np.asarray(a.H(y))
        assert relative(forward, matrix @ f.ravel()) <= accuracy
        assert relative(backward, matrix.conj().T @ y) <= accuracy
        forward, backward = forward.astype(complex), backward.astype(complex)
        gap = abs(complex(np.vdot(forward, y)) - complex(np.vdot(f, backward)))
        rounding = np.finfo(dtype).eps * np.linalg.norm(forward) * np.linalg.norm(y)
        assert gap <= rounding, "types 1 and 2 are adjoint to rounding, at any accuracy"


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [1e-4, 1e-6, 1e-8, 1e-10])
def test_the_accuracy_is_met_in_double_precision(accuracy):
    test_the_accuracy_asked_for_is_met_in_both_types("complex128", (13, 16), accuracy)


@pytest.mark.slow
@pytest.mark.parametrize("accuracy", [1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
@pytest.mark.parametrize("shape", [(256, 192), (20, 24, 18), (1000,)])
def test_the_accuracy_is_met_on_large_images(shape, accuracy):
    k = G.uniform(-0.5, 0.5, (1500, len(shape)))
    a = fourier(k, shape, accuracy=accuracy)
    f, y = normal(*shape).astype(np.complex64), normal(1500).astype(np.complex64)
    matrix = exact(a.positions, shape)
    assert relative(a(f), matrix @ f.ravel()) <= accuracy
    assert relative(a.H(y), matrix.conj().T @ y) <= accuracy


@pytest.mark.parametrize(("taps", "length"), [(4, 128), (6, 96), (7, 80)])
def test_alias_error_is_that_of_random_images(taps, length):
    """What the choice of the window rests on, against a sum with that window."""
    from jaxrecon.linops.nonuniform_fourier.grid import Grid
    from jaxrecon.linops.nonuniform_fourier.transform import Samples, nonuniform_sums

    window = Window(taps, length / 64)
    k = G.uniform(-0.5, 0.5, (400, 1))
    f = normal(64)
    with jax.enable_x64(True):
        samples = Samples(jnp.asarray(k), None, Grid((64,), (length,), (window,)))
        error = relative(nonuniform_sums(samples, jnp.asarray(f)), exact(k, (64,)) @ f)
    assert error == pytest.approx(alias_error(64, length, window), rel=0.3)


def test_equals_the_centred_transform_on_its_grid():
    shape = (6, 5)
    along = [(np.arange(n) - n // 2) / n for n in shape]
    k = np.stack(np.meshgrid(*along, indexing="ij"), axis=-1)
    f = normal(*shape).astype(np.complex64)
    a = fourier(k, shape, accuracy=1e-6)
    assert a.codomain.shape == shape
    assert relative(a(f), fft_centred(f)) < 1e-6
    assert relative(fourier(k + 1.0, shape, accuracy=1e-5)(f), fft_centred(f)) < 1e-5


def radial(samples=24, spokes=15):
    """Crowded in the middle, where many samples share a point of the grid."""
    angle = np.pi * np.arange(spokes)[:, None] / spokes
    r = (np.arange(samples) - samples / 2) / samples
    return np.stack([r * np.sin(angle), r * np.cos(angle)], axis=-1).astype(np.float32)


def test_with_and_without_a_plan_and_in_batches():
    k, shape = radial(), (12, 10)
    planned = fourier(k, shape)
    added = fourier(k, shape, planned=False)
    assert planned.plan is not None
    assert added.plan is None
    ys = normal(6, *k.shape[:-1]).astype(np.complex64)
    expected = np.stack([np.asarray(added.H(y)) for y in ys])
    assert relative(jax.vmap(planned.H)(ys), expected) < 1e-6
    assert relative(jax.vmap(added.H)(ys[:3]), expected[:3]) < 1e-6
    assert relative(planned.H(ys[1]), expected[1]) < 1e-6
    fs = normal(6, *shape).astype(np.complex64)
    expected = np.stack([np.asarray(added(f)) for f in fs])
    assert relative(jax.jit(jax.vmap(planned))(fs), expected) < 1e-6


def test_a_plan_does_not_outlive_its_positions():
    k, shape = radial(), (12, 10)
    y = normal(*k.shape[:-1]).astype(np.complex64)
    moved = k + np.float32(0.013)
    leaves, tree = jax.tree.flatten(fourier(k, shape))
    leaves = [jnp.asarray(moved) if leaf.shape == k.shape else leaf for leaf in leaves]
    updated = jax.tree.unflatten(tree, leaves)
    assert relative(updated.H(y), fourier(moved, shape).H(y)) < 1e-6
    replaced = fourier(k, shape).replace(positions=moved)
    assert replaced.plan is not None
    assert bool(replaced.plan.holds(jnp.asarray(moved).reshape(-1, 2)))


def test_frames_with_their_own_positions():
    shape = (8, 6)
    ks = G.uniform(-0.5, 0.5, (3, 11, 2)).astype(np.float32)
    fs = normal(3, 2, *shape).astype(np.complex64)

    @jax.jit
    def frames(ks, fs):
        return jax.vmap(lambda k, coils: jax.vmap(fourier(k, shape))(coils))(ks, fs)

    got = frames(ks, fs)
    for frame in range(3):
        matrix = exact(ks[frame], shape)
        for coil in range(2):
            assert relative(got[frame, coil], matrix @ fs[frame, coil].ravel()) < 1e-4


@pytest.mark.slow
def test_gradient_in_positions_through_the_constructor_and_the_pytree():
    shape = (7, 8)
    with jax.enable_x64(True):
        k, f, y = G.uniform(-0.5, 0.5, (9, 2)), normal(*shape), normal(9)

        def misfit(positions):
            a = fourier(positions, shape, accuracy=1e-11, dtype=jnp.complex128)
            return jnp.sum(jnp.abs(a(f) - y) ** 2) + jnp.abs(jnp.vdot(f, a.H(y))) ** 2

        matrix = exact(k, shape)
        pixels = np.indices(shape).reshape(2, -1) - np.array([3, 4])[:, None]
        slopes = [(-2j * np.pi * along * matrix) @ f.ravel() for along in pixels]
        residual: Any = matrix @ f.ravel() - y
        inner = np.vdot(f, matrix.conj().T @ y)
        expected = [
            2 * (residual.conj() * slope).real + 2 * (inner.conj() * (slope.conj() * y)).real
            for slope in slopes
        ]
        gradient = jax.jit(jax.grad(misfit))(jnp.asarray(k))
        assert relative(gradient, np.stack(expected, axis=-1)) < 1e-9
        planned = fourier(k, shape, accuracy=1e-11, dtype=jnp.complex128)
        data_only = jax.grad(lambda a: jnp.sum(jnp.abs(a(f) - y) ** 2), allow_int=True)(
            planned
        ).positions
        expected = [2 * (residual.conj() * slope).real for slope in slopes]
        assert relative(data_only, np.stack(expected, axis=-1)) < 1e-9


@pytest.mark.parametrize("shape", [(6, 7), (11,), (4, 5, 3)])
def test_toeplitz_is_the_normal_operator(shape):
    k = G.uniform(-0.5, 0.5, (40, len(shape)))
    a = fourier(k, shape, accuracy=1e-5)
    weights, f = G.uniform(0, 1, 40).astype(np.float32), normal(*shape).astype(np.complex64)
    matrix = exact(a.positions, shape)
    gram = matrix.conj().T @ (weights[:, None] * matrix)
    t = a.toeplitz(weights)
    assert relative(t(f), gram @ f.ravel()) < 1e-5
    coils = normal(3, *shape).astype(np.complex64)
    expected = np.stack([gram @ c.ravel() for c in coils])
    assert relative(jax.vmap(t)(coils), expected) < 1e-5
    transform = np.fft.fftn(np.eye(f.size).reshape(f.size, *shape), axes=range(1, 1 + f.ndim))
    transform = transform.reshape(f.size, -1).T / np.sqrt(f.size)
    diagonal = np.einsum("ij,jk,ik->i", transform, gram, transform.conj()).real
    assert relative(t.circulant_eigenvalues(), diagonal) < 1e-5


def test_normal_by_toeplitz():
    shape = (6, 5)
    a = fourier(radial(8, 5), shape, accuracy=1e-5, normal_by_toeplitz=True)
    f = normal(*shape).astype(np.complex64)
    assert a.gram is not None
    assert relative(a.normal(f), a.H(a(f))) < 2e-5


def test_single_precision_stays_single_where_double_is_on():
    with jax.enable_x64(True):
        a = fourier(radial(8, 5), (6, 5), normal_by_toeplitz=True)
        f = jnp.asarray(normal(6, 5), jnp.complex64)
        assert a(f).dtype == a.H(a(f)).dtype == a.normal(f).dtype == jnp.complex64


def test_normal_by_toeplitz_with_coils():
    shape = (6, 5)
    maps, f = normal(3, *shape).astype(np.complex64), normal(*shape).astype(np.complex64)
    fourier_of_coils = fourier(radial(8, 5), shape, accuracy=1e-5, normal_by_toeplitz=True)
    a = NonuniformSense(jnp.asarray(maps), fourier_of_coils)
    assert relative(a.normal(f), a.H(a(f))) < 2e-5


def assert_slopes(value, *parameters):
    """Derivatives along random directions, against central differences.

    Their relative error is (2 pi c x h)^2 / 6 for pixels |x| < 5 and changes c < 3 of a position
    along each of two axes, 6e-7 at most.
    """
    h, both = 1e-5, jax.jit(jax.value_and_grad(value, argnums=tuple(range(len(parameters)))))
    gradients = both(*parameters)[1]
    for i, parameter in enumerate(parameters):
        change = G.standard_normal(np.shape(parameter))
        ends = [
            both(*parameters[:i], parameter + step * change, *parameters[i + 1 :])[0]
            for step in (h, -h)
        ]
        slope = float(ends[0] - ends[1]) / (2 * h)
        size = np.linalg.norm(gradients[i]) * np.linalg.norm(change)
        assert abs(np.vdot(gradients[i], change) - slope) <= 1e-6 * size


def test_derivatives_of_toeplitz_in_weights_and_positions():
    shape = (4, 5)
    with jax.enable_x64(True):
        k, weights = G.uniform(-0.5, 0.5, (9, 2)), G.uniform(0.5, 1.0, 9)
        f, u = normal(*shape), normal(*shape)

        def value(weights, positions):
            a = fourier(positions, shape, accuracy=1e-12, dtype=jnp.complex128)
            return jnp.vdot(u, a.toeplitz(weights)(f)).real

        assert_slopes(value, weights, k)


def test_derivatives_of_gridding_in_density_and_positions():
    shape = (4, 5)
    with jax.enable_x64(True):
        k, density = G.uniform(-0.5, 0.5, (9, 2)), G.uniform(0.5, 1.0, 9)
        y, u = normal(2, 9), normal(2, *shape)

        def value(density, positions):
            images = gridding(y, positions, density, shape, accuracy=1e-12)
            return jnp.vdot(u, images).real

        assert_slopes(value, density, k)


def test_circulant_preconditioner_with_coils():
    """Iterations to a residual of 1e-4 on a radial scan, which is dense in the middle, unweighted.

    The density is what P evens out; the edges of the image and the mixing by coils are left.
    """
    shape, damping = (16, 16), 0.05
    y, x = np.indices(shape) / 16 - 0.5
    coils = [np.exp(-(np.abs(x + 1j * y - c) ** 2) + 2j * (c * x).real) for c in (0.6, 0.6j, -0.6)]
    maps = np.stack(coils) / np.linalg.norm(coils, axis=0)
    transform = fourier(radial(32, 40), shape, normal_by_toeplitz=True)
    a = NonuniformSense(jnp.asarray(maps, jnp.complex64), transform)
    data = a(normal(*shape).astype(np.complex64))

    def iterations(preconditioner):
        method = conjugate_gradient(a, data, damping=damping, preconditioner=preconditioner)
        start = method.init(None)
        _, sizes = iterate(method.step, start, 120, trace=lambda s: jnp.linalg.norm(s.residual))
        return 1 + int(jnp.sum(sizes > 1e-4 * jnp.linalg.norm(start.residual)))

    plain = iterations(Circulant(jnp.ones(shape)))
    assert iterations(circulant_preconditioner(transform.toeplitz(), shift=damping)) <= 0.6 * plain


def test_refuses():
    k = np.zeros((5, 2), np.float32)
    with pytest.raises(ValueError, match=r"positions of shape \(\*samples, 3\)"):
        fourier(k, (4, 4, 4))
    with pytest.raises(ValueError, match="1 to 3 axes"):
        fourier(np.zeros((5, 4)), (4, 4, 4, 4))
    with pytest.raises(ValueError, match="smaller errors need complex128"):
        fourier(k, (4, 4), accuracy=1e-7)
    with pytest.raises(TypeError, match="complex dtype"):
        fourier(k, (4, 4), dtype=jnp.float32)
    with pytest.raises(TypeError, match="real positions"):
        fourier(k + 1j, (4, 4))
    with pytest.raises(ValueError, match="weights >= 0"):
        fourier(k, (4, 4)).toeplitz(-1.0)
    with pytest.raises(ValueError, match="spectrum of shape"):
        Toeplitz(jnp.ones((2, 4)), (3, 3))
    with pytest.raises(ValueError, match="floor > 0"):
        circulant_preconditioner(Toeplitz(jnp.ones((2, 4)), (4,)), floor=0.0)
