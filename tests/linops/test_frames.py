import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.linops import Mask, Matrix, Sample
from jaxrecon.linops.frames import Frames
from jaxrecon.mri import Sense


def test_every_frame_has_an_operator_of_its_own():
    random = np.random.default_rng(0)
    matrices = jnp.asarray(random.normal(size=(5, 3, 4)), jnp.float32)
    x = jnp.asarray(random.normal(size=(5, 4)), jnp.float32)
    expected = np.einsum("tij,tj->ti", matrices, x)
    for together in (None, 2):
        operator = Frames(Matrix(matrices[0]), {"matrix": matrices}, together)
        np.testing.assert_allclose(operator(x), expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(
            operator.normal(x), operator.H(operator(x)), rtol=1e-4, atol=1e-5
        )


def test_the_changes_are_differentiable():
    matrices = jnp.arange(12.0).reshape(2, 2, 3)
    x = jnp.ones((2, 3))
    slope = jax.grad(lambda m: jnp.sum(Frames(Matrix(m[0]), {"matrix": m})(x)))(matrices)
    np.testing.assert_array_equal(slope, jnp.ones_like(matrices))


@pytest.mark.parametrize("shape", [(4, 6), (4, 1)])
def test_frames_of_sense_have_masks_of_their_own(shape):
    random = np.random.default_rng(1)
    masks = random.random((3, *shape)) < 0.5
    maps, series = (
        jnp.asarray(random.normal(size=s) + 1j * random.normal(size=s), jnp.complex64)
        for s in ((2, 4, 6), (3, 4, 6))
    )
    frames = Frames(Sense(maps, masks[0]), {"mask": masks})
    series_of_sense = Sense(maps, masks[:, None])
    kspace = frames(series)
    for mask, image, measured in zip(masks, series, kspace, strict=True):
        expected = np.where(mask, Sense(maps)(image), 0)
        np.testing.assert_allclose(measured, expected, atol=1e-5)
    np.testing.assert_allclose(frames.H(kspace), series_of_sense.H(kspace), atol=1e-5)
    np.testing.assert_allclose(frames.normal(series), frames.H(kspace), atol=1e-5)


def test_bad_input():
    masks = np.ones((4, 3, 3), bool)
    with pytest.raises(ValueError, match=r"fields of Mask, got \['masks'\]"):
        Frames(Mask(masks[0]), {"masks": masks})
    with pytest.raises(ValueError, match="fields of Mask"):
        Frames(Mask(masks[0]), {})
    with pytest.raises(ValueError, match="codomain of Sample"):
        Frames(Sample(np.arange(3), (4,)), {"indices": np.zeros((5, 2), int)})
    with pytest.raises(ValueError, match="leading axes"):
        Frames(Mask(masks[0]), {"mask": masks, "shape": np.ones((3, 2))})
    with pytest.raises(ValueError, match=r"\(4, 3, 3\).*looks like a batch|got float32\[3,3\]"):
        Frames(Mask(masks[0]), {"mask": masks})(jnp.ones((3, 3)))
