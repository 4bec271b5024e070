"""The packaged images: split by image, values, errors."""

import numpy as np
import pytest

from jaxrecon.data.images import (
    TEST_IMAGES,
    TRAINING_IMAGES,
    natural_patches,
    packaged_image,
    reduce,
    to_grey,
)


def test_the_split_is_by_image():
    assert len(TRAINING_IMAGES) == 13
    assert len(TEST_IMAGES) == 4
    assert not set(TRAINING_IMAGES) & set(TEST_IMAGES)


@pytest.fixture(scope="module")
def split():
    return natural_patches("train"), natural_patches("test")


def test_patches(split):
    train, test = split
    assert train.shape == (6400, 64, 64)
    assert test.shape[0] >= 200
    assert train.dtype == test.dtype == np.float32
    assert min(train.min(), test.min()) >= 0
    assert max(train.max(), test.max()) <= 1


def test_no_test_patch_is_in_the_training_images(split):
    """Blocks of 8 x 8 pixels of the test patches, looked for in the training images by value."""
    corners = {patch[:8, :8].tobytes() for patch in split[1]}
    trained = {
        patch[i : i + 8, j : j + 8].tobytes()
        for patch in split[0][::10]
        for i in (0, 8)
        for j in (0, 8)
    }
    assert len(corners) > 150
    assert not corners & trained


def test_the_choice_is_fixed(split):
    np.testing.assert_array_equal(
        natural_patches("test", count=20), natural_patches("test", count=20)
    )


def test_grey_is_luma():
    colour = np.zeros((2, 3, 4), np.uint8)
    colour[..., 1] = 255
    colour[..., 3] = 7
    np.testing.assert_allclose(to_grey(colour), 0.587, atol=1e-6)
    with pytest.raises(ValueError, match="uint8"):
        to_grey(np.zeros((2, 3)))


def test_reduce_is_a_block_average():
    image = np.arange(35.0).reshape(5, 7)
    small = reduce(image, 2)
    assert small.shape == (2, 3)
    assert small[1, 2] == image[2:4, 4:6].mean()


def test_bad_input():
    with pytest.raises(ValueError, match="'train' or 'test'"):
        natural_patches("validation")
    with pytest.raises(FileNotFoundError, match=r"camera\.png"):
        packaged_image("lena.png")
    with pytest.raises(ValueError, match="count"):
        natural_patches("test", count=10**6)
