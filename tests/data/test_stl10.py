"""The STL-10 loader, on small files in the true format."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from jaxrecon import train
from jaxrecon.data.stl10 import stl10_batches, stl10_colour, stl10_labels, stl10_stream


def natural(count, seed):
    """Smooth colour images with an edge, uint8 (count, y, x, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.meshgrid(np.arange(96), np.arange(96), indexing="ij")
    waves = random.uniform(0.02, 0.3, (count, 1, 1, 3, 2))
    image = np.cos(waves[..., 0] * y[..., None] + 2 * waves[..., 1] * x[..., None])
    image = 0.5 + 0.3 * image + 0.2 * (x > 40)[..., None] - 0.1 * (y > 70)[..., None]
    return np.clip(np.round(255 * image), 0, 255).astype(np.uint8)


def write(path, images):
    """Channel by channel, each column by column, byte after byte."""
    with path.open("wb") as file:
        for image, channel in itertools.product(images, range(3)):
            file.write(image[:, :, channel].tobytes(order="F"))


@pytest.fixture(scope="module")
def images():
    return {"train": natural(5, 0), "unlabeled": natural(7, 1), "test": natural(3, 2)}


@pytest.fixture(scope="module")
def folder(images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "stl10_binary"
    folder.mkdir()
    for part, stack in images.items():
        write(folder / f"{part}_X.bin", stack)
    (folder / "train_y.bin").write_bytes(bytes([1, 10, 3, 4, 5]))
    (folder / "test_y.bin").write_bytes(bytes([0, 1, 2]))
    return folder


@pytest.mark.parametrize("part", ["train", "unlabeled", "test"])
def test_colour_images_come_back_upright(folder, images, part):
    read = stl10_colour(folder, part)
    assert not read.flags.owndata
    assert not read.flags.writeable
    np.testing.assert_array_equal(read, images[part])


def test_labels(folder):
    np.testing.assert_array_equal(stl10_labels(folder, "train"), [1, 10, 3, 4, 5])
    with pytest.raises(ValueError, match="labels from 1 to 10"):
        stl10_labels(folder, "test")
    with pytest.raises(ValueError, match="only 'train' and 'test' have labels"):
        stl10_labels(folder, "unlabeled")


def test_batches_are_within_a_grey_level_of_the_8_bit_pipeline(folder, images):
    (batch,) = stl10_batches(folder, "test")
    assert batch.dtype == np.float32
    assert batch.shape == (3, 64, 64)
    for ours, image in zip(batch, images["test"], strict=True):
        grey = Image.fromarray(image).convert("L")
        peer = np.asarray(grey.resize((64, 64), Image.Resampling.BILINEAR), np.float32) / 255
        assert np.abs(ours - (2 * peer - 1)).max() < 2 * 1.6 / 255


def test_luma_and_range(tmp_path):
    colours = np.zeros((4, 96, 96, 3), np.uint8)
    colours[0, :, :, 0] = colours[1, :, :, 1] = colours[2, :, :, 2] = 255
    colours[3] = 255
    write(tmp_path / "test_X.bin", colours)
    (batch,) = stl10_batches(tmp_path, "test", value_range=(0, 1))
    expected = np.array([0.299, 0.587, 0.114, 1.0])[:, None, None]
    np.testing.assert_allclose(batch, np.broadcast_to(expected, batch.shape), atol=1e-6)
    (signed,) = stl10_batches(tmp_path, "test")
    np.testing.assert_allclose(signed, 2 * batch - 1, atol=1e-6)


def test_streaming_crosses_files_and_cuts_to_count(folder, images):
    whole = np.concatenate(list(stl10_batches(folder, batch_size=100)))
    assert whole.shape == (12, 64, 64)
    streamed = list(stl10_batches(folder, batch_size=4, count=10))
    assert [len(b) for b in streamed] == [4, 4, 2]
    np.testing.assert_allclose(np.concatenate(streamed), whole[:10], atol=1e-6)
    unlabeled = np.concatenate(list(stl10_batches(folder, "unlabeled")))
    np.testing.assert_allclose(whole[5:], unlabeled, atol=1e-6)


def test_a_stream_has_every_image_once_an_epoch_and_resumes_in_training(folder, tmp_path):
    whole = np.concatenate(list(stl10_batches(folder, batch_size=100)))
    stream = stl10_stream(folder, 4)
    key = jax.random.key(1)
    assert stream.steps_per_epoch == 3
    drawn = np.concatenate([stream.batch(k, key) for k in range(3)])
    order = [int(np.argmin(np.abs(whole - image).sum(axis=(1, 2)))) for image in drawn]
    assert sorted(order) == list(range(12)) != order
    np.testing.assert_allclose(drawn, whole[order], atol=1e-6)
    plain = stl10_stream(folder, 4, shuffle=False, count=9, value_range=(0, 1), size=32)
    assert plain.batch(1, key).shape == (4, 32, 32)
    assert plain.steps_per_epoch == 2

    def weights(steps, checkpoints=None):
        def loss(module, images, key):
            return jnp.mean((module["w"][...] - images) ** 2)

        module = nnx.Dict(w=nnx.Param(jnp.zeros((64, 64))))
        fitted = train.fit(
            module, loss, stream, key=key, steps=steps, every=2, checkpoints=checkpoints
        )
        return np.asarray(fitted.module["w"][...])

    weights(2, tmp_path / "run")
    np.testing.assert_array_equal(weights(5, tmp_path / "run"), weights(5))
    with pytest.raises(ValueError, match="more than the 12 items"):
        stl10_stream(folder, 13)


def test_full_size_keeps_every_pixel(folder, images):
    (batch,) = stl10_batches(folder, "test", size=96, value_range=(0, 255))
    np.testing.assert_allclose(batch, images["test"] @ [0.299, 0.587, 0.114], atol=1e-3)


def test_folder_above_is_found(folder):
    assert len(stl10_colour(folder.parent, "test")) == 3


def test_missing_file_is_named_before_streaming(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file 'train_X\.bin'.*STL-10 page"):
        stl10_batches(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"train_y\.bin"):
        stl10_labels(tmp_path / "nowhere", "train")


@pytest.mark.parametrize("size", [0, 27648 - 1, 27648 + 100])
def test_truncated_file_is_refused(tmp_path, size):
    (tmp_path / "test_X.bin").write_bytes(bytes(size))
    with pytest.raises(ValueError, match="not a whole number of images of 27,648 bytes"):
        stl10_batches(tmp_path, "test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "validation"}, "split must be one of"),
        ({"size": 97}, "size must be 1 to 96"),
        ({"size": 32.5}, "size must be 1 to 96 whole pixels, got 32.5"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"count": 13}, "count must be 1 to 12"),
        ({"count": 2.5}, "count must be 1 to 12"),
    ],
)
def test_bad_arguments_are_refused_before_streaming(folder, options, message):
    with pytest.raises(ValueError, match=message):
        stl10_batches(folder, **options)


def test_unknown_part_is_refused(folder):
    with pytest.raises(ValueError, match="part must be"):
        stl10_colour(folder, "validation")
