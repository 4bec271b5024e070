"""Training: it learns, is reproducible, resumes exactly; weights survive files."""

import io
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import nn, train

IMAGES = jnp.asarray(np.random.default_rng(0).random((40, 8, 8)), jnp.float32)
IMAGES = jnp.cumsum(IMAGES, axis=2) / 8


class Small(nnx.Module):
    """x plus what two convolutions make of it."""

    def __init__(self, width=4, *, rngs):
        self.first = nn.Convolution(1, width, rngs=rngs)
        self.second = nn.Convolution(width, 1, scale=0.1, rngs=rngs)

    def __call__(self, x):
        return x + self.second(jax.nn.relu(self.first(x)))


def make():
    return Small(rngs=nnx.Rngs(0))


def loss(network, images, key):
    noisy = images + 0.3 * jax.random.normal(key, images.shape)
    return jnp.mean((nn.on_images(network, noisy) - images) ** 2)


def run(epochs=4, **options):
    options = {"key": jax.random.key(1), "batch_size": 8, "learning_rate": 1e-2} | options
    return train.fit(make(), loss, IMAGES, epochs=epochs, **options)


def leaves(module):
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(module))]


@pytest.fixture(scope="module")
def fitted():
    return run(validate=lambda module: loss(module, IMAGES, jax.random.key(5)))


def test_the_loss_falls_and_is_recorded(fitted):
    before = loss(make(), IMAGES, jax.random.key(5))
    assert fitted.validation[-1] < 0.7 * before
    assert fitted.losses.shape == (4,)
    assert fitted.losses[-1] < fitted.losses[0]


def test_the_same_key_gives_the_same_parameters(fitted):
    for a, b in zip(leaves(fitted.module), leaves(run().module), strict=True):
        np.testing.assert_array_equal(a, b)


def test_resuming_gives_the_same_parameters_bit_for_bit(fitted, tmp_path):
    class Killed(Exception):
        pass

    def killed_after_two(module, seen=[]):  # noqa: B006
        seen.append(1)
        if len(seen) == 3:
            raise Killed
        return 0.0

    with pytest.raises(Killed):
        run(checkpoints=tmp_path / "run", validate=killed_after_two)
    resumed = run(checkpoints=tmp_path / "run")
    np.testing.assert_array_equal(resumed.losses, fitted.losses)
    for a, b in zip(leaves(fitted.module), leaves(resumed.module), strict=True):
        np.testing.assert_array_equal(a, b)


def test_frozen_variables_stay():
    first = nn.AffineLayer(jnp.ones((64, 5)), jnp.zeros(64), (8, 8), free=False)
    module = nn.DirectReconstruction(make(), first)
    data = (jnp.ones((8, 5)), IMAGES[:8])
    result = train.fit(
        module,
        lambda n, batch, key: jnp.mean((n(batch[0]) - batch[1]) ** 2),
        data,
        key=jax.random.key(0),
        epochs=1,
        batch_size=4,
    )
    np.testing.assert_array_equal(result.module.first.weights[...], first.weights[...])
    assert any(
        np.any(a != b)
        for a, b in zip(leaves(module.network), leaves(result.module.network), strict=True)
    )


def test_a_diverging_run_says_so():
    def infinite(module, images, key):
        return jnp.inf * loss(module, images, key)

    with pytest.raises(FloatingPointError, match="learning rate"):
        train.fit(make(), infinite, IMAGES, key=jax.random.key(0), epochs=1, batch_size=8)


def test_progress_sees_the_losses():
    shown = []

    class Bar:
        def __init__(self, epochs, count):
            self.epochs, self.count = epochs, count

        def __iter__(self):
            return iter(self.epochs)

        def set_postfix(self, **values):
            shown.append(values)

    run(epochs=2, progress=Bar)
    assert [set(values) for values in shown] == [{"loss", "validation"}] * 2


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 0), (8, 1 / 250), (6, 1 / 60)])
def test_weights_survive_a_file(fitted, tmp_path, bits, tolerance):
    size = train.save_weights(tmp_path / "w.npz", fitted.module, bits=bits)
    assert size == (tmp_path / "w.npz").stat().st_size
    loaded = train.load_weights(tmp_path / "w.npz", make())
    for a, b in zip(leaves(fitted.module), leaves(loaded), strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(a).max())


@pytest.mark.slow
def test_weights_of_stacks_have_scales_of_their_own(tmp_path):
    stack = nn.stacked(lambda rngs: Small(rngs=rngs), 2, jax.random.key(0))
    stack = jax.tree.map(lambda a: a.at[1].multiply(1e-3), stack)
    train.save_weights(tmp_path / "w.npz", stack, bits=8)
    loaded = train.load_weights(tmp_path / "w.npz", stack)
    for a, b in zip(leaves(stack), leaves(loaded), strict=True):
        np.testing.assert_allclose(a[1], b[1], atol=np.abs(a[1]).max() / 250)


def test_only_weights_with_a_fan_in_are_rounded(tmp_path):
    """Biases, slopes and step sizes of unrolled schemes are stacked, and come back bit for bit."""

    def network(rngs):
        return nn.CNN((4,), (3, 3), rngs=rngs)

    networks = nn.stacked(network, 3, jax.random.key(0))
    module = nn.UnrolledProximalGradient(networks, steps=3, shared=False)
    keys = iter(jax.random.split(jax.random.key(1), 20))
    module = jax.tree.map(lambda a: a + jax.random.normal(next(keys), a.shape), module)
    train.save_weights(tmp_path / "w.npz", module, bits=8)
    loaded = train.load_weights(tmp_path / "w.npz", module)
    pairs = zip(jax.tree.leaves_with_path(module), jax.tree.leaves(loaded), strict=True)
    rounded = set()
    for (path, a), b in pairs:
        if "kernel" in jax.tree_util.keystr(path):
            rounded.add(bool(jnp.any(a != b)))
            np.testing.assert_allclose(a, b, atol=np.abs(a).max() / 250)
        else:
            np.testing.assert_array_equal(a, b)
    assert rounded == {True}
    files = dict(np.load(tmp_path / "w.npz"))
    assert {a.dtype for name, a in files.items() if "kernel" in name} == {
        np.dtype(np.int8), np.dtype(np.float32)
    }  # fmt: skip


def test_bad_weights(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="Train them first"):
        train.load_weights(tmp_path / "none.npz", make())
    train.save_weights(tmp_path / "w.npz", fitted.module)
    with pytest.raises(ValueError, match="another size"):
        train.load_weights(tmp_path / "w.npz", Small(6, rngs=nnx.Rngs(0)))
    with pytest.raises(ValueError, match="other variables"):
        train.load_weights(tmp_path / "w.npz", nn.CNN(rngs=nnx.Rngs(0)))
    content = (tmp_path / "w.npz").read_bytes()
    (tmp_path / "w.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="copy cut short"):
        train.load_weights(tmp_path / "w.npz", make())
    damaged = bytearray(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        largest = max(archive.infolist(), key=lambda member: member.compress_size)
    name = largest.filename.encode()  # first in its local header, then once more in the directory
    damaged[content.index(name) + len(name) + largest.compress_size // 2] ^= 255
    (tmp_path / "w.npz").write_bytes(damaged)
    with pytest.raises(ValueError, match="could not read"):
        train.load_weights(tmp_path / "w.npz", make())
    with pytest.raises(ValueError, match="4 to 8, or 32"):
        train.save_weights(tmp_path / "w.npz", make(), bits=3)


def test_bad_data():
    with pytest.raises(ValueError, match="more than the 40 items"):
        run(batch_size=64)
    with pytest.raises(ValueError, match="equal leading axes"):
        train.fit(make(), loss, (IMAGES, IMAGES[:3]), key=jax.random.key(0), epochs=1)


def test_evaluation_measures_what_it_says():
    def reconstruct(x, shift):
        return x + shift

    result = train.evaluate(reconstruct, (IMAGES, jnp.float32(0.1)), IMAGES, 1.0)
    np.testing.assert_allclose(result.psnr, 20, atol=1e-3)
    assert result.risk == pytest.approx(0.01, rel=1e-4)
    assert result.risk_error < 1e-6
    assert result.images.shape == IMAGES.shape
    assert result.summary()["psnr_mean"] == pytest.approx(20, abs=1e-3)
    with pytest.raises(ValueError, match="one image for each"):
        train.evaluate(lambda x: x[:3], (IMAGES,), IMAGES, 1.0)


def test_eight_bits_refuse_what_they_cannot_hold(tmp_path):
    for bad in (jnp.full((2, 2), jnp.nan), jnp.ones((2, 2), jnp.complex64)):
        module = nnx.Dict(kernel=nnx.Param(bad))
        with pytest.raises(ValueError, match="bits=32"):
            train.save_weights(tmp_path / "w.npz", module, bits=8)
        train.save_weights(tmp_path / "w.npz", module)
    with pytest.raises(ValueError, match="complex"):
        train.load_weights(tmp_path / "w.npz", nnx.Dict(kernel=nnx.Param(jnp.ones((2, 2)))))


@pytest.mark.parametrize(("bits", "tolerance"), [(32, 0), (8, 1 / 127)])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn"])
def test_weights_in_short_types_survive_a_file(tmp_path, dtype, bits, tolerance):
    values = jnp.linspace(-1, 1, 12).reshape(3, 4).astype(dtype)
    train.save_weights(tmp_path / "w.npz", nnx.Dict(kernel=nnx.Param(values)), bits=bits)
    loaded = train.load_weights(
        tmp_path / "w.npz", nnx.Dict(kernel=nnx.Param(jnp.zeros_like(values)))
    )["kernel"][...]
    assert loaded.dtype == dtype
    rounding = 0 if bits == 32 else float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(
        np.asarray(loaded, float), np.asarray(values, float), rtol=0, atol=tolerance + rounding
    )


def test_keys_of_random_numbers_survive_a_file(tmp_path):
    def dropout(seed):
        return nnx.Dropout(0.5, rngs=nnx.Rngs(seed))

    train.save_weights(tmp_path / "w.npz", dropout(3))
    x = jnp.ones(64)
    loaded = train.load_weights(tmp_path / "w.npz", dropout(4))
    np.testing.assert_array_equal(loaded(x), dropout(3)(x))
    with pytest.raises(ValueError, match=r"shape \(2,\), the module has \(4,\)"):
        train.load_weights(
            tmp_path / "w.npz", nnx.Dropout(0.5, rngs=nnx.Rngs(jax.random.key(0, impl="rbg")))
        )
