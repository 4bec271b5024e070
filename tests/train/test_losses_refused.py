"""Losses: what they refuse, rather than broadcast or misread it."""

import jax
import jax.numpy as jnp
import pytest

from jaxrecon.core import Identity, struct
from jaxrecon.train import losses

SIGMA = 0.7
OPERATOR = Identity(struct((3,)))
KEY = jax.random.key(0)


def linear(module, operator, m):
    """x = W m for every m of the batch."""
    return m @ module.T


def test_missing_arguments():
    with pytest.raises(ValueError, match="variance"):
        losses.SURE(linear)
    with pytest.raises(ValueError, match="needs sigma"):
        losses.Recorrupted(linear)
    with pytest.raises(ValueError, match="needs sigma"):
        losses.Noisier2Noise(linear)
    with pytest.raises(ValueError, match="needs an operator"):
        losses.SSDU(linear)
    with pytest.raises(ValueError, match="operator and a transform"):
        losses.EquivariantImaging(linear, OPERATOR)
    with pytest.raises(ValueError, match="one weight for each"):
        losses.Weighted((1.0,), ())
    with pytest.raises(ValueError, match="one weight for each"):
        losses.WeightedLosses((1.0,), ())


def test_a_noisier_measurement_needs_noise():
    with pytest.raises(ValueError, match="alpha > 0"):
        losses.Noisier2Noise(linear, OPERATOR, sigma=SIGMA, alpha=0.0)


@pytest.mark.parametrize(
    "distance", [losses.mean_square, losses.mean_absolute, losses.NormalisedL1L2()]
)
@pytest.mark.parametrize(
    "reconstruct",
    [
        lambda module, operator, m: m[..., None],
        lambda module, operator, m: m[:1],
        lambda module, operator, m: (m,),
    ],
    ids=["channel", "batch", "tree"],
)
def test_losses_do_not_broadcast(distance, reconstruct):
    images = jnp.ones((4, 4, 4))
    with pytest.raises(ValueError, match=r"shape of the truth, float32\[4,4,4\], got .*channel"):
        jax.jit(losses.Supervised(reconstruct, distance=distance))(None, (images, images), KEY)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: losses.SURE(linear, OPERATOR, -1.0), ValueError, "SURE expected variance >= 0"),
        (lambda: losses.SURE(linear, OPERATOR, 1j), TypeError, "SURE expected a real variance"),
        (
            lambda: losses.Recorrupted(linear, OPERATOR, SIGMA, 0.0),
            ValueError,
            "Recorrupted expected alpha > 0",
        ),
        (
            lambda: losses.Recorrupted(linear, OPERATOR, -SIGMA),
            ValueError,
            "Recorrupted expected sigma >= 0",
        ),
        (
            lambda: losses.recorrupted_pair(KEY, jnp.ones(3), 1.0, 0.0),
            ValueError,
            "recorrupted_pair expected alpha > 0",
        ),
    ],
)
def test_noise_that_cannot_be(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("name", ["Recorrupted", "Noisier2Noise"])
def test_sigma_does_not_enlarge_the_data(name):
    loss = getattr(losses, name)(lambda module, operator, m: m, None, jnp.ones((4, 1, 1, 1)))
    with pytest.raises(ValueError, match=r"sigma that broadcast to the shape \(4, 5, 5\)"):
        jax.jit(loss)(None, jnp.ones((4, 5, 5)), KEY)


@pytest.mark.parametrize("loss", [losses.PoissonSURE(linear), losses.SURE(linear, None, 1.0)])
def test_stein_needs_counts_to_differentiate_in(loss):
    with pytest.raises(TypeError, match=r"SURE expected floating-point batch, got int32\[4,3\]"):
        loss(jnp.eye(3), jnp.ones((4, 3), int), KEY)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"axes": (7,)}, ValueError, r"axes from -2 to 1.*shape \(6, 8\), got \(7,\)"),
        ({"axes": ()}, ValueError, r"one or more different axes.*got \(\)"),
        ({"axes": (0, -2)}, ValueError, "different axes"),
        ({"axes": 0}, TypeError, "axes as a tuple of integers"),
        ({"kept": jnp.ones(8)}, TypeError, r"booleans in kept, got float32\[8\]"),
        ({"measured": jnp.ones(8, int)}, TypeError, "booleans in measured"),
        ({"kept": jnp.ones(6, bool)}, ValueError, r"kept that broadcast to the shape \(8,\)"),
    ],
)
def test_ssdu_refuses_axes_and_masks_that_it_would_misread(options, error, message):
    with pytest.raises(error, match=message):
        losses.SSDU(linear, Identity(struct((6, 8))), **options).split(KEY)
