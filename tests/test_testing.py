"""The public checks pass what is right, and fail what is wrong by saying what they measured."""

import jax
import jax.numpy as jnp
import pytest

from jaxrecon import Functional, LinearOperator, struct
from jaxrecon.testing import (
    assert_adjoint,
    assert_gradient,
    assert_linear,
    assert_prox,
    random_element,
)


class Blur(LinearOperator):
    """x -> w (x + shifted x), with an adjoint scaled by `wrong`."""

    weight: jax.Array
    wrong: float = 1.0

    @property
    def domain(self):
        return struct(9, self.weight.dtype)

    def apply(self, x):
        return self.weight * (x + jnp.roll(x, 1))

    def adjoint(self, y):
        z = jnp.conj(self.weight) * y
        return self.wrong * (z + jnp.roll(z, -1))


class Affine(Blur):
    def apply(self, x):
        return super().apply(x) + 1e-3


class Conjugation(Blur):
    def apply(self, x):
        return jnp.conj(x)


class Transposed(Blur):
    """A^T instead of A^H."""

    def adjoint(self, y):
        return self.weight * (y + jnp.roll(y, -1))


class OneNorm(Functional):
    """scale * ||x||_1, with a threshold off by `wrong` and a gradient conjugated by `flipped`."""

    scale: float = 0.5
    wrong: float = 1.0

    def __call__(self, x):
        return self.scale * jnp.sum(jnp.abs(x))

    def prox(self, v, step):
        size = jnp.abs(v)
        safe = jnp.where(size > 0, size, 1)
        return v * jnp.maximum(1 - self.wrong * step * self.scale / safe, 0)


class Square(Functional):
    """||x||^2 / 2 on any pytree, with mistakes to choose."""

    factor: float = 1.0
    conjugate_it: bool = False

    def __call__(self, x):
        return 0.5 * sum(jnp.sum(jnp.abs(a) ** 2) for a in jax.tree.leaves(x))

    def grad(self, x):
        return jax.tree.map(lambda a: self.factor * (a.conj() if self.conjugate_it else a), x)

    def prox(self, v, step):
        return jax.tree.map(lambda a: a / (1 + step), v)


class Box(Functional):
    def __call__(self, x):
        return jnp.where(jnp.all((x >= 0) & (x <= 1)), 0.0, jnp.inf)

    def prox(self, v, step):
        return jnp.clip(v, 0, 1)


REAL = struct(9)
COMPLEX = struct(9, jnp.complex64)


def weight(dtype):
    return random_element(jax.random.key(5), struct(9, dtype))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_right_operators_pass(dtype):
    assert_adjoint(Blur(weight(dtype)))
    assert_linear(Blur(weight(dtype)))
    with jax.enable_x64(True):
        double = jnp.result_type(dtype, jnp.float64)
        assert_adjoint(Blur(weight(double)))
        assert_linear(Blur(weight(double)))


def test_a_wrong_adjoint_is_found_and_measured():
    with pytest.raises(AssertionError, match=r"do not match.*error .*e-0[2-5].*allowed 1e-05"):
        assert_adjoint(Blur(weight(jnp.float32), wrong=1.001))
    with pytest.raises(AssertionError, match="do not match"):
        assert_adjoint(Transposed(weight(jnp.complex64)))


def test_an_adjoint_of_the_wrong_shape_is_found():
    class Cut(Blur):
        def adjoint(self, y):
            return y[:3]

    with pytest.raises(AssertionError, match=r"output of adjoint is float32\[3\]"):
        assert_adjoint(Cut(weight(jnp.float32)))


def test_maps_that_are_not_linear_are_found():
    with pytest.raises(AssertionError, match="not linear"):
        assert_linear(Affine(weight(jnp.float32)))
    with pytest.raises(AssertionError, match="not linear"):
        assert_linear(Conjugation(weight(jnp.complex64)))


def test_operators_between_real_and_complex_spaces():
    class ToComplex(LinearOperator):
        @property
        def domain(self):
            return REAL

        def apply(self, x):
            return jax.lax.complex(2 * x, x)

        def adjoint(self, y):
            return 2 * y.real + y.imag

    assert_adjoint(ToComplex())
    assert_linear(ToComplex())
    assert_adjoint(ToComplex().H)


@pytest.mark.parametrize("space", [REAL, COMPLEX, (REAL, COMPLEX)])
def test_right_functionals_pass(space):
    x = random_element(jax.random.key(1), space)
    assert_gradient(Square(), x)
    assert_prox(Square(), x, 0.7)
    with jax.enable_x64(True):
        x = jax.tree.map(lambda a: a.astype(jnp.result_type(a, jnp.float64)), x)
        assert_gradient(Square(), x)
        assert_prox(Square(), x, 0.7)


@pytest.mark.parametrize("space", [REAL, COMPLEX])
def test_a_nonsmooth_prox_and_an_indicator_pass(space):
    assert_prox(OneNorm(), random_element(jax.random.key(2), space))
    assert_prox(Box(), 2 * random_element(jax.random.key(2), REAL))


def test_gradients_of_plain_functions():
    assert_gradient(lambda z: jnp.sum(jnp.abs(z) ** 4), random_element(jax.random.key(1), COMPLEX))


def test_wrong_gradients_are_found():
    z = random_element(jax.random.key(3), COMPLEX)
    with pytest.raises(AssertionError, match="automatic differentiation"):
        assert_gradient(Square(conjugate_it=True), z)
    with pytest.raises(AssertionError, match="automatic differentiation"):
        assert_gradient(Square(factor=1.01), z)
    with pytest.raises(AssertionError, match="not finite"):
        assert_gradient(Square(factor=float("inf")), z)


def test_a_derivative_rule_that_is_wrong_is_found_by_finite_differences():
    @jax.custom_jvp
    def square(x):
        return jnp.sum(x**2)

    square.defjvp(lambda primals, tangents: (square(*primals), jnp.vdot(primals[0], tangents[0])))
    with pytest.raises(AssertionError, match="finite differences"):
        assert_gradient(square, random_element(jax.random.key(3), REAL))


@pytest.mark.parametrize("space", [REAL, COMPLEX])
def test_a_wrong_prox_is_found(space):
    v = random_element(jax.random.key(4), space)
    with pytest.raises(AssertionError, match=r"not the minimiser.*smaller by"):
        assert_prox(OneNorm(wrong=1.02), v)
    with jax.enable_x64(True):
        v = v.astype(jnp.result_type(v, jnp.float64))
        with pytest.raises(AssertionError, match="not the minimiser"):
            assert_prox(OneNorm(wrong=1.0001), v)


def test_a_prox_outside_of_the_domain_is_found():
    class Loose(Box):
        def prox(self, v, step):
            return jnp.clip(v, 0, 1.001)

    with pytest.raises(AssertionError, match="inf"):
        assert_prox(Loose(), 3 * jnp.ones(4))


def test_a_wrong_conjugate_prox_is_found():
    class Off(OneNorm):
        def conj_prox(self, v, step):
            return 1.01 * super().conj_prox(v, step)

    with pytest.raises(AssertionError, match="conj_prox"):
        assert_prox(Off(), random_element(jax.random.key(4), REAL))


def test_an_expansive_prox_is_found():
    """Hard thresholding is the prox of a functional that is not convex."""

    class Hard(Functional):
        def __call__(self, x):
            return jnp.sum(jnp.where(x == 0, 0.0, 1.0))

        def prox(self, v, step):
            return jnp.where(v**2 > 2 * step, v, 0.0)

    v = jnp.array([1.40, 1.43, -3.0, 0.2])
    assert_prox(Hard(), v, 1.0, convex=False)
    with pytest.raises(AssertionError, match="firmly non-expansive"):
        assert_prox(Hard(), v, 1.0)
