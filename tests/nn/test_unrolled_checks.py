"""What unrolled schemes refuse, at the call by shapes and dtypes alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxrecon as jr
from jaxrecon import nn
from jaxrecon.core import Identity, stack
from tests.nn.unrolled_cases import CASES, CODES, COMPLEX, DATA, OPERATOR, START, STEPS, networks

MODULES = {case.name: case for case in CASES if case.name != "end-to-end variational network"}
OF_IMAGES = [name for name in MODULES if "LISTA" not in name]


def given(name):
    """The module, its operator, its measurements and its images; none of the latter for codes."""
    module, arguments = MODULES[name].make(True), MODULES[name].arguments
    if name == "LISTA":
        return module, (), arguments[0], ()
    return module, arguments[:1], arguments[1], arguments[2:3]


def run(name, change_data=lambda m: m, change_images=lambda x: x):
    """The shape of what is reconstructed from changed arguments."""
    module, operator, data, images = given(name)
    changed = (change_data(data), *map(change_images, images))
    return jax.eval_shape(lambda *a: module(*operator, *a), *changed)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda m: m[0], ValueError, r"expected a batch of {} \(batch, {}\), got "),
        (lambda m: m[:, None], ValueError, r"expected a batch of {} \(batch, {}\), got "),
        (lambda m: m[..., :1], ValueError, "expected each item of {}"),
        (lambda m: m.astype(jnp.int32), TypeError, "expected each item of {}"),
        (lambda m: m.astype(jnp.bfloat16), TypeError, "expected each item of {}"),
        (lambda m: m.astype(jnp.complex64), TypeError, "expected each item of {}"),
    ],
    ids=["one item", "a further axis", "cut", "integers", "short", "complex"],
)
def test_measurements_are_a_batch_of_the_codomain(name, change, error, message):
    argument = "counts" if name == "learned EM" else "measurements"
    message = message.format(argument, ", ".join(map(str, given(name)[2].shape[1:])))
    with pytest.raises(error, match=message):
        run(name, change)


@pytest.mark.parametrize("name", OF_IMAGES)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda x: x[0], ValueError, r"expected a batch of x0 \(batch, 6, 6\), got float32\[6,6\]"),
        (lambda x: x[:, :4], ValueError, r"each item of x0 of float32\[6,6\], got float32\[4,6\]"),
        (lambda x: x[:, :1, :1], ValueError, "each item of x0"),
        (lambda x: x[:1], ValueError, r"as many of each along axis 0, got x0 float32\[1,6,6\], "),
        (lambda x: x.astype(jnp.float16), TypeError, "each item of x0.*got float16"),
    ],
    ids=["one item", "cut", "one pixel", "fewer", "short"],
)
def test_images_are_a_batch_of_the_domain(name, change, error, message):
    with pytest.raises(error, match=message):
        run(name, change_images=change)


def test_weights_are_a_batch_too():
    module, (operator, data, x0) = of(nn.UnrolledProximalGradient), (OPERATOR, DATA, START)
    with pytest.raises(ValueError, match=r"as many of each.*weights float32\[1,20\]"):
        module(operator, data, x0, jnp.ones_like(data)[:1])


def test_measurements_of_several_parts_are_checked_each():
    operator = stack(OPERATOR, 2.0 * OPERATOR)
    module, data, x0 = given("learned gradient")[0], DATA, START
    assert jax.eval_shape(lambda m: module(operator, m, x0), (data, data)).shape == x0.shape
    for parts, message in (
        ((data, data[0]), r"\(batch, 20\) and \(batch, 20\)"),
        ((data, data[:1]), "as many of each"),
        (data, "batch of measurements"),
    ):
        with pytest.raises(ValueError, match=message):
            module(operator, parts, x0)


@pytest.mark.parametrize("name", OF_IMAGES)
def test_volumes_are_not_taken_slice_by_slice(name):
    volumes = jnp.ones((2, 3, 6, 6))
    operator = Identity(jr.struct(volumes.shape[1:]))
    with pytest.raises(ValueError, match=r"an operator on images \(y, x\), got Identity"):
        given(name)[0](operator, volumes, volumes)


NUMBERS = {
    nn.UnrolledProximalGradient: "step_size",
    nn.VariationalNetwork: "step_size",
    nn.UnrolledHalfQuadratic: "penalty",
    nn.MoDL: "penalty",
    nn.ADMMNet: "penalty",
    nn.LearnedEM: "strength",
}


def of(kind, **options):
    return kind(networks(True), **{"steps": STEPS, "shared": True, **options})


@pytest.mark.parametrize(
    ("kind", "argument"), NUMBERS.items(), ids=lambda a: getattr(a, "__name__", a)
)
def test_numbers_of_the_steps(kind, argument):
    message = f"{kind.__name__} expected {argument} to be one number, or one for each of 3 steps"
    with pytest.raises(ValueError, match=message):
        of(kind, **{argument: jnp.ones(2)})
    if argument != "step_size":
        for wrong in (0.0, -1.0, np.inf, np.nan, [1.0, 1.0, 0.0]):
            with pytest.raises(ValueError, match=f"{kind.__name__} expected {argument} > 0"):
                of(kind, **{argument: wrong})
    made = jax.jit(lambda value: of(kind, **{argument: value}).numbers())(0.5)
    np.testing.assert_allclose(jax.tree.leaves(made)[0], 0.5, rtol=1e-6)


@pytest.mark.parametrize("shared", [1, None, (0, 1), ((0, 1, 1),)])
@pytest.mark.parametrize(
    "make",
    [
        lambda **o: nn.UnrolledProximalGradient(networks(True), **o),
        lambda **o: nn.LISTA(CODES.matrix, 0.1, **o),
        lambda **o: nn.ALISTA(CODES.matrix, **o),
        lambda **o: nn.ISTANet(rngs=nnx.Rngs(0), **o),
        lambda **o: nn.LearnedGradient(operator_norm=1.0, rngs=nnx.Rngs(0), **o),
        lambda **o: nn.LearnedPrimalDual(operator_norm=1.0, rngs=nnx.Rngs(0), **o),
    ],
    ids=["proximal gradient", "LISTA", "ALISTA", "ISTA-Net", "gradient", "primal-dual"],
)
def test_sharing_and_steps(make, shared):
    with pytest.raises(ValueError, match="expected shared to be True, False or one index"):
        make(steps=STEPS, shared=shared)
    with pytest.raises(ValueError, match=r"positive whole number for steps, got 2\.5"):
        make(steps=2.5, shared=False)


@pytest.mark.parametrize(
    ("matrix", "weight", "message"),
    [
        (CODES.matrix, -0.1, "weight > 0 and finite, got -0.1"),
        (CODES.matrix, np.inf, "weight > 0"),
        (0 * CODES.matrix, 0.1, "the norm of the matrix > 0 and finite, got 0"),
    ],
)
def test_lista_tells_the_weight_and_the_matrix(matrix, weight, message):
    with pytest.raises(ValueError, match=message):
        nn.LISTA(matrix, weight, steps=2)


def test_a_whole_number_of_steps_may_be_of_any_type():
    for steps in (2.0, np.int64(2)):
        module = of(nn.UnrolledProximalGradient, steps=steps)
        assert module.steps == 2
        assert module.numbers().shape == (2,)


@pytest.mark.parametrize("parameters", [1.0, (jnp.ones(3), jnp.asarray(1.0))])
def test_parameters_of_unroll_need_an_axis(parameters):
    with pytest.raises(ValueError, match=r"parameters stacked along axis 0.*`length`"):
        nn.unroll(lambda p, x: x, parameters, 0.0)


def test_complex_operators_take_complex_images():
    module = of(nn.UnrolledProximalGradient)
    data = jnp.ones((2, 20), jnp.complex64)
    with pytest.raises(TypeError, match=r"each item of x0 of complex64\[6,6\]"):
        module(COMPLEX, data, jnp.ones((2, 6, 6)))
    with pytest.raises(TypeError, match="each item of measurements"):
        module(COMPLEX, DATA, jnp.ones((2, 6, 6), jnp.complex64))


@pytest.mark.parametrize("name", MODULES)
def test_batches_of_any_size_are_exported(name):
    module, operator, data, images = given(name)
    (size,) = jax.export.symbolic_shape("batch")
    spaces = [jax.ShapeDtypeStruct((size, *a.shape[1:]), a.dtype) for a in (data, *images)]
    exported = jax.export.export(jax.jit(lambda *a: module(*operator, *a)))(*spaces)
    assert exported.out_avals[0].shape[0] == size


def test_complex_weights_need_a_complex_operator():
    scheme = nn.ALISTA(CODES.matrix + 0j, steps=2, shared=True)
    with pytest.raises(TypeError, match="real W for a real operator"):
        scheme(CODES, jnp.ones((2, *CODES.codomain.shape)))
