"""Cartesian SENSE against the formula in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import solve
from jaxrecon.mri.operators import sense as module
from jaxrecon.mri.operators.sense import Sense
from jaxrecon.solvers import conjugate_gradient


def numbers(seed, *shape):
    random = np.random.default_rng(seed)
    return (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(np.complex64)


def mask_of(seed, *shape):
    return np.random.default_rng(seed).random(shape) < 0.5


def dft(x, axes):
    """Centred and orthonormal, by the sum."""
    for axis in axes:
        n = x.shape[axis]
        k = np.arange(n) - n // 2
        matrix = np.exp(-2j * np.pi * np.outer(k, k) / n) / np.sqrt(n)
        x = np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)
    return x


def expected(maps, mask, x, soft, frames):
    """P F sum_k s_kc f_k in double precision."""
    maps = maps.astype(complex) if soft else maps[None].astype(complex)
    x = x if frames else x[None]
    x = x if soft else x[:, None]
    images = np.sum(maps * x[:, :, None], axis=1)
    y = dft(images, range(2, images.ndim)) * (1 if mask is None else mask)
    return y if frames else y[0]


SETTINGS = {
    "even": ((6, 4), {}, (6, 4)),
    "odd": ((5, 7), {}, (5, 7)),
    "lines": ((6, 5), {}, (6, 1)),
    "columns": ((6, 5), {}, (5,)),
    "each coil": ((4, 6), {}, (3, 4, 6)),
    "all": ((4, 5), {}, None),
    "3-D": ((3, 4, 6), {}, (3, 4, 6)),
    "3-D, readout along x": ((3, 4, 6), {}, (3, 4, 1)),
    "sets": ((4, 6), {"soft": True}, (4, 6)),
    "frames": ((4, 6), {}, (2, 1, 4, 6)),
    "frames, lines": ((4, 6), {}, (2, 1, 4, 1)),
    "frames of one mask": ((4, 6), {"frames": 2}, (4, 6)),
    "sets and frames": ((4, 6), {"soft": True}, (2, 1, 4, 6)),
}


@pytest.mark.parametrize(("image", "options", "masked"), SETTINGS.values(), ids=SETTINGS)
def test_it_is_the_formula_and_so_is_its_normal_operator(image, options, masked):
    mask = None if masked is None else mask_of(1, *masked)
    soft = options.get("soft", False)
    maps = numbers(2, *((2,) if soft else ()), 3, *image)
    operator = Sense(maps, mask, **options)
    x = numbers(3, *operator.domain.shape)
    y = expected(maps, mask, x, soft, operator.frames is not None)
    assert operator.codomain.shape == y.shape
    np.testing.assert_allclose(operator(x), y, atol=2e-6 * np.abs(y).max())
    back = np.asarray(operator.adjoint(y.astype(np.complex64)))
    np.testing.assert_allclose(operator.normal(x), back, atol=5e-6 * np.abs(back).max())


@pytest.mark.parametrize(("masked", "lengths"), [((4, 1), {4}), ((6,), {6}), ((4, 6), {4, 6})])
def test_normal_transforms_only_along_the_axes_of_the_mask(masked, lengths):
    mask = np.broadcast_to(mask_of(1, *masked), (4, 6))
    operator = Sense(numbers(2, 2, 4, 6), mask)
    program = jax.make_jaxpr(operator.normal)(numbers(3, 4, 6))
    assert transforms(program.jaxpr) == {tuple(sorted(lengths))}


def transforms(jaxpr):
    """The lengths of all Fourier transforms in a program."""
    found = set()
    for equation in jaxpr.eqns:
        if equation.primitive.name == "fft":
            found.add(tuple(sorted(equation.params["fft_lengths"])))
        for inner in jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")
        ):
            if hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
                found |= transforms(getattr(inner, "jaxpr", inner))
        if pair := equation.params.get("pair"):  # a matched operator holds functions
            shapes = [jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.invars]
            inner = jax.make_jaxpr(lambda *a, p=pair, n=equation.params["n"]: p.run(n, *a))(*shapes)
            found |= transforms(inner.jaxpr)
    return found


def test_masks_are_looked_at_where_they_are_known():
    maps, mask = numbers(2, 2, 4, 6), np.broadcast_to(mask_of(1, 4, 1), (4, 6))
    assert Sense(maps, mask).mask.shape == (1, 4, 1)
    assert Sense(maps, jnp.asarray(mask)).mask.shape == (1, 4, 1)
    traced = jax.eval_shape(Sense, maps, mask)
    assert traced.mask.shape == (1, 4, 6)

    made_inside = jax.jit(lambda s, m, x: Sense(s, m).normal(x))
    x = numbers(3, 4, 6)
    expected = Sense(maps, mask).normal(x)
    np.testing.assert_allclose(made_inside(maps, mask, x), expected, atol=1e-5)
    np.testing.assert_allclose(made_inside(maps, mask[:, :1], x), expected, atol=1e-5)


@pytest.mark.parametrize("masked", [(1, 1), (4, 1), (3, 4, 6)])
def test_large_images_go_coil_by_coil(monkeypatch, masked):
    operator = Sense(numbers(2, 3, 4, 6), mask_of(4, *masked) | (masked == (1, 1)))
    x, y = numbers(3, 4, 6), numbers(5, 3, 4, 6)
    whole = operator(x), operator.adjoint(y), operator.normal(x)
    monkeypatch.setattr(module, "LARGE", 1)
    jax.clear_caches()  # of what was traced with the other value
    assert "scan" in str(
        jax.make_jaxpr(module._forward)((operator.maps[:, None], operator.mask), x[None])
    )
    for one, other in zip(
        whole, (operator(x), operator.adjoint(y), operator.normal(x)), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_gradients_in_the_maps_go_through_the_constructor():
    """Of the normal operator too, which holds them in another order: against differences."""
    maps, x = numbers(2, 2, 4, 3).astype(complex), numbers(3, 4, 3).astype(complex)
    change = numbers(4, 2, 4, 3).astype(complex)
    with jax.enable_x64(True):

        def energy(maps):
            operator = Sense(maps, mask_of(1, 4, 1))
            return jnp.vdot(x, operator.normal(x)).real

        def directly(maps):
            return jnp.sum(jnp.abs(Sense(maps, mask_of(1, 4, 1)).apply(x)) ** 2)

        slope = (directly(maps + 1e-6 * change) - directly(maps - 1e-6 * change)) / 2e-6
        gradient = jax.grad(energy)(jnp.asarray(maps)).conj()
        np.testing.assert_allclose(np.vdot(gradient, change).real, slope, rtol=1e-7)


def smooth_maps(coils, shape):
    """Gaussian profiles around the image, with phases; their squares sum to 1."""
    y, x = (np.linspace(-1, 1, n) for n in shape)
    angles = 2 * np.pi * np.arange(coils) / coils
    near = [np.exp(-((y[:, None] - np.sin(a)) ** 2) - (x - np.cos(a)) ** 2) for a in angles]
    maps = np.stack([m * np.exp(1j * a) for m, a in zip(near, angles, strict=True)])
    return (maps / np.sqrt(np.sum(np.abs(maps) ** 2, axis=0))).astype(np.complex64)


def test_conjugate_gradients_unfold_an_image():
    shape = (16, 12)
    maps, truth = smooth_maps(6, shape), numbers(5, *shape)
    mask = np.zeros((16, 1), bool)
    mask[::2] = True
    operator = Sense(maps, mask)
    method = conjugate_gradient(operator, operator(truth))
    found = jax.jit(lambda m: solve(m, jnp.zeros(shape, jnp.complex64), 60)[0])(method)
    assert np.linalg.norm(found - truth) < 1e-3 * np.linalg.norm(truth)


def test_several_sets_see_what_one_cannot():
    """An object that folds into its own field of view: two maps at one pixel."""
    soft = Sense(numbers(2, 2, 4, 4, 6), soft=True)
    x = numbers(3, 2, 4, 6)
    parts = [Sense(soft.maps[k])(x[k]) for k in range(2)]
    np.testing.assert_allclose(soft(x), sum(parts), atol=1e-5)
    assert soft.domain.shape == (2, 4, 6)


def test_wrong_arguments_are_told():
    maps = numbers(1, 3, 4, 6)
    with pytest.raises(TypeError, match="boolean"):
        Sense(maps, np.ones((4, 6)))
    with pytest.raises(ValueError, match=r"mask\[:, None\]"):
        Sense(maps, np.ones((2, 4, 6), bool), frames=2)
    with pytest.raises(ValueError, match=r"\(3, 4, 6\)"):
        Sense(maps, np.ones((6, 4), bool))
    with pytest.raises(ValueError, match="coil"):
        Sense(numbers(1, 6))
    with pytest.raises(ValueError, match="set, coil"):
        Sense(numbers(1, 4, 6), soft=True)
    with pytest.raises(TypeError, match="maps"):
        Sense(np.ones((3, 4, 6), int))
    with pytest.raises(ValueError, match="batch"):
        Sense(maps)(numbers(1, 2, 4, 6))


def test_real_maps_and_double_precision():
    with jax.enable_x64(True):
        maps = np.random.default_rng(0).normal(size=(3, 4, 5))
        operator = Sense(maps, mask_of(1, 4, 5))
        x = np.random.default_rng(1).normal(size=(4, 5)) + 1j
        y = expected(maps, mask_of(1, 4, 5), x, False, False)
        assert operator.domain.dtype == jnp.complex128
        np.testing.assert_allclose(operator(x), y, atol=1e-13)


def test_a_series_may_have_any_of_the_options():
    for soft, frames in itertools.product((False, True), (None, 3)):
        maps = numbers(1, *((2,) if soft else ()), 2, 4, 4)
        operator = Sense(maps, mask_of(2, 4, 4), soft=soft, frames=frames)
        x = numbers(3, *operator.domain.shape)
        alone = Sense(maps, mask_of(2, 4, 4), soft=soft)
        expected = alone(x) if frames is None else np.stack([alone(a) for a in x])
        np.testing.assert_allclose(operator(x), expected, atol=1e-6)
