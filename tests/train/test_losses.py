"""Losses: what their expectations are, against closed forms for linear reconstructions."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from skimage.metrics import structural_similarity

from jaxrecon import nn
from jaxrecon.linops import Matrix
from jaxrecon.solvers.subsets import split_rows
from jaxrecon.train import fit, losses

RANDOM = np.random.default_rng(1)
A = RANDOM.standard_normal((2, 3))
W = RANDOM.standard_normal((3, 2)) / 2
ROOT = RANDOM.standard_normal((3, 3))
COVARIANCE = ROOT @ ROOT.T
SIGMA = 0.7
OPERATOR = Matrix(jnp.asarray(A, jnp.float32))
KEY = jax.random.key(0)


def linear(module, operator, m):
    """x = W m for every m of the batch."""
    return m @ module.T


def risk(variance, w=W):
    """E mean |A W m - A x|^2 for x of the covariance, noise of the variance."""
    bias, aw = A @ w @ A - A, A @ w
    return np.trace(bias @ COVARIANCE @ bias.T + variance * aw @ aw.T) / 2


def clean(key, count):
    return jax.random.normal(key, (count, 3)) @ jnp.asarray(ROOT.T, jnp.float32)


def measured(key, count=2000):
    image, noise = jax.random.split(key)
    m = clean(image, count) @ OPERATOR.matrix.T
    return m + SIGMA * jax.random.normal(noise, m.shape)


def assert_expectation(sample, expected, repeats=40):
    """The mean of sample(key) is the expectation, within five of its standard errors."""
    values = np.asarray(jax.jit(jax.vmap(sample))(jax.random.split(KEY, repeats)), float)
    error = values.std(ddof=1) / np.sqrt(repeats)
    assert abs(values.mean() - expected) < 5 * error
    assert error < 0.02 * expected  # so that the test can fail


def expectation_of(loss, batch_of):
    def sample(key):
        batch, inside = jax.random.split(key)
        return loss(jnp.asarray(W, jnp.float32), batch_of(batch), inside)

    return sample


def test_noise2noise_is_the_supervised_risk_plus_the_variance_of_the_target():
    def pairs(key):
        image, first, second = jax.random.split(key, 3)
        m = clean(image, 2000) @ OPERATOR.matrix.T
        return tuple(m + SIGMA * jax.random.normal(k, m.shape) for k in (first, second))

    loss = losses.Noise2Noise(linear, OPERATOR)
    assert_expectation(expectation_of(loss, pairs), risk(SIGMA**2) + SIGMA**2)


def test_sure_is_the_supervised_risk():
    loss = losses.SURE(linear, OPERATOR, SIGMA**2)
    assert_expectation(expectation_of(loss, measured), risk(SIGMA**2))


def test_poisson_sure_is_the_risk_of_the_counts():
    rate, background = np.array([4.0, 9.0]), 1.5

    def counts(key):
        return jax.random.poisson(key, jnp.asarray(rate + background), (2000, 2)).astype(float)

    p = A @ W
    bias = p @ (rate + background) - rate
    expected = (bias @ bias + np.trace(p @ np.diag(rate + background) @ p.T)) / 2
    loss = losses.PoissonSURE(linear, OPERATOR, background)
    assert_expectation(expectation_of(loss, counts), expected)


def test_recorrupted_pairs_are_independent_and_their_loss_is_the_risk():
    alpha = 0.6
    m = SIGMA * jax.random.normal(KEY, (200_000,))
    pair = np.asarray(losses.recorrupted_pair(jax.random.key(1), m, SIGMA, alpha), float)
    expected = SIGMA**2 * np.diag([1 + alpha**2, 1 + alpha**-2])
    spread = np.sqrt(np.outer(np.diag(expected), np.diag(expected)) / m.size)
    assert np.all(np.abs(np.cov(pair) - expected) < 5 * np.sqrt(2) * spread)
    loss = losses.Recorrupted(linear, OPERATOR, SIGMA, alpha)
    expected = risk((1 + alpha**2) * SIGMA**2) + (1 + alpha**-2) * SIGMA**2
    assert_expectation(expectation_of(loss, measured), expected)


def test_the_average_over_recorrupted_copies():
    loss = losses.Recorrupted(linear, OPERATOR, SIGMA, 0.5)
    w, m = jnp.asarray(W, jnp.float32), measured(KEY, 5)
    copies = [losses.recorrupted_pair(k, m, SIGMA, 0.5)[0] for k in jax.random.split(KEY, 3)]
    expected = np.mean([linear(w, None, c) for c in copies], axis=0)
    np.testing.assert_allclose(loss.averaged(w, m, KEY, 3), expected, rtol=2e-5)


def test_noisier2noise_is_its_closed_form_and_corrects_to_the_wiener_filter():
    alpha, data = 0.8, A @ COVARIANCE @ A.T
    aw, eye = A @ W, np.eye(2)
    residual = aw - eye
    variance = residual @ (data + SIGMA**2 * eye) @ residual.T + (alpha * SIGMA) ** 2 * aw @ aw.T
    loss = losses.Noisier2Noise(linear, OPERATOR, SIGMA, alpha)
    assert_expectation(expectation_of(loss, measured), np.trace(variance) / 2)

    noisier = data + (1 + alpha**2) * SIGMA**2 * eye
    best = (data + SIGMA**2 * eye) @ np.linalg.inv(noisier)
    wiener = data @ np.linalg.inv(noisier)
    denoising = losses.Noisier2Noise(linear, None, SIGMA, alpha)
    m = measured(KEY, 4)
    noise = alpha * SIGMA * jax.random.normal(KEY, m.shape)
    corrected = denoising.corrected(jnp.asarray(best, jnp.float32), m, KEY)
    np.testing.assert_allclose(corrected, (m + noise) @ wiener.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("strategy", "source", "target"), [("X:1", 3, 1), ("1:X", 1, 3)])
def test_noise2inverse_is_the_risk_of_the_input_plus_the_variance_of_the_target(
    strategy, source, target
):
    image = jnp.asarray(RANDOM.standard_normal((2, 2)), jnp.float32)
    loss = losses.Noise2Inverse(lambda c, x: c * x, strategy)

    def sample(key):
        noise, inside = jax.random.split(key)
        parts = image + SIGMA * jax.random.normal(noise, (500, 4, 2, 2))
        return loss(0.6, parts, inside)

    expected = 0.4**2 * np.mean(image**2) + SIGMA**2 * (0.6**2 / source + 1 / target)
    assert_expectation(sample, expected)


def test_noise2inverse_averages_over_the_splits():
    parts = jnp.asarray(RANDOM.standard_normal((3, 4, 2, 2)), jnp.float32)
    others = [np.delete(parts, j, axis=1).mean(axis=1) ** 2 for j in range(4)]
    loss = losses.Noise2Inverse(lambda _, x: x**2)
    np.testing.assert_allclose(loss.reconstruct(None, parts), np.mean(others, axis=0), rtol=1e-5)
    with pytest.raises(ValueError, match="two or more splits"):
        loss(None, parts[:, 0], KEY)


def rows_of(operator, rows):
    return Matrix(operator.matrix[rows])


def test_sub_reconstructions_are_those_of_the_rows():
    matrix = RANDOM.standard_normal((6, 4)).astype(np.float32)
    subsets = split_rows(Matrix(matrix), 3, rows_of, order="sequential")
    m = RANDOM.standard_normal((2, 6)).astype(np.float32)
    parts = losses.sub_reconstructions(lambda a, y: a.adjoint(y).reshape(2, 2), subsets, m)
    for k in range(3):
        expected = (m[:, k::3] @ matrix[k::3]).reshape(2, 2, 2)
        np.testing.assert_allclose(parts[:, k], expected, rtol=1e-5)


def backprojected(module, operator, m):
    return jax.vmap(operator.adjoint)(m)


def test_ssdu_is_the_risk_of_what_it_holds_out():
    matrix = RANDOM.standard_normal((8, 3)) / 2
    operator = Matrix(jnp.asarray(matrix, jnp.float32))
    loss = losses.SSDU(backprojected, operator, distance=losses.mean_square)
    seen, hidden = (np.diag(np.asarray(m, float)) for m in loss.split(KEY))
    x = np.array([1.0, -2.0, 3.0])
    gram = matrix @ matrix.T
    bias = hidden @ (gram @ seen - np.eye(8)) @ matrix @ x
    spread = hidden @ gram @ seen
    variance = np.trace(spread @ spread.T) + np.trace(hidden)
    clean = jnp.asarray(matrix @ x, jnp.float32)

    def sample(key):
        return loss(None, clean + SIGMA * jax.random.normal(key, (500, 8)), KEY)

    assert_expectation(sample, (bias @ bias + SIGMA**2 * variance) / 8)


def test_ssdu_splits_what_was_measured():
    space = nn_operator((2, 6, 8))
    measured = jnp.arange(8) % 4 != 3
    kept = losses.centre_mask(8, 2)
    loss = losses.SSDU(backprojected, space, axes=(-1,), kept=kept, measured=measured)
    seen, hidden = jax.vmap(loss.split)(jax.random.split(KEY, 2000))
    assert seen.shape == (2000, 1, 1, 8)
    np.testing.assert_array_equal((seen + hidden)[:, 0, 0], np.tile(measured, (2000, 1)))
    frequency = hidden[:, 0, 0].mean(axis=0)
    expected = 0.4 * np.asarray(measured & ~kept)
    np.testing.assert_allclose(frequency, expected, atol=5 * np.sqrt(0.24 / 2000))
    assert np.flatnonzero(kept).tolist() == [3, 4]
    points = losses.SSDU(backprojected, space, axes=(-2, -1)).split(KEY)[0]
    assert points.shape == (1, 6, 8)


def nn_operator(shape):
    from jaxrecon.core import Identity, struct

    return Identity(struct(shape))


def shifted(key, images):
    return jnp.roll(images, jax.random.randint(key, (), 1, 3), axis=-1)


def test_equivariant_imaging_sees_the_null_space():
    pseudo = np.linalg.pinv(A)
    loss = losses.EquivariantImaging(linear, OPERATOR, shifted, weight=2.0)
    m = np.asarray(measured(KEY, 4), float)
    x = m @ pseudo.T
    turned = np.asarray(shifted(jax.random.split(KEY)[0], jnp.asarray(x)))
    null = turned @ (pseudo @ A - np.eye(3)).T
    got = loss(jnp.asarray(pseudo, jnp.float32), jnp.asarray(m, jnp.float32), KEY)
    np.testing.assert_allclose(got, 2 * np.mean(null**2), rtol=1e-4)
    # constant images are invariant to shifts: their right inverse has no loss
    inverse = np.outer(np.ones(3), np.linalg.pinv((A @ np.ones(3))[:, None])[0])
    constant = np.full((4, 3), 1.7) @ A.T
    got = loss(jnp.asarray(inverse, jnp.float32), jnp.asarray(constant, jnp.float32), KEY)
    assert got < 1e-10


def noisy(key, m):
    return m + 0.3 * jax.random.normal(key, m.shape)


def test_equivariant_imaging_of_any_linear_reconstruction():
    """Both terms, noise in the second, and the second alone, written out."""
    m = np.asarray(measured(KEY, 4), float)
    turn, measure = jax.random.split(KEY)
    x = m @ W.T
    turned = np.asarray(shifted(turn, jnp.asarray(x, jnp.float32)), float)
    consistency = np.mean((x @ A.T - m) ** 2)
    assert consistency > 0.1
    clean = turned @ A.T
    for noise, again in ((None, clean), (noisy, np.asarray(noisy(measure, clean), float))):
        equivariance = 2 * np.mean((again @ W.T - turned) ** 2)
        for whole, expected in ((True, consistency + equivariance), (False, equivariance)):
            loss = losses.EquivariantImaging(
                linear, OPERATOR, shifted, weight=2.0, noise=noise, consistency=whole
            )
            got = loss(jnp.asarray(W, jnp.float32), jnp.asarray(m, jnp.float32), KEY)
            np.testing.assert_allclose(got, expected, rtol=1e-5)


class Filter(nnx.Module):
    """A linear denoiser of two values."""

    def __init__(self):
        self.weights = nnx.Param(jnp.zeros((2, 2)))


def filtered(module, operator, m):
    return m @ module.weights[...].T


def test_sure_trains_the_wiener_filter_without_truth():
    """By gradient descent on the mean over 4000 measurements, of the second moments S.

    SURE of a linear filter is quadratic, with the minimum I - sigma^2 S^-1. Random directions v
    move it by sigma^2 S^-1 (mean v v^T - I), of the deviation 1 / sqrt(4000) off the diagonal.
    """
    m = measured(KEY, 4000)
    moments = np.asarray(m, float).T @ np.asarray(m, float) / len(m)
    values = np.linalg.eigvalsh(moments)
    steps = int(8 * values[1] / values[0])
    result = fit(
        Filter(), losses.SURE(filtered, None, SIGMA**2), m, key=KEY, steps=steps,
        batch_size=len(m), optimiser=optax.sgd(1 / values[1]),
    )  # fmt: skip
    inverse = SIGMA**2 * np.linalg.inv(moments)
    tolerance = np.exp(-8) + 5 * np.linalg.norm(inverse, 2) / np.sqrt(len(m))
    weights = np.asarray(result.module.weights[...])
    np.testing.assert_allclose(weights, np.eye(2) - inverse, atol=tolerance)
    clean = A @ COVARIANCE @ A.T
    wiener = clean @ np.linalg.inv(clean + SIGMA**2 * np.eye(2))
    np.testing.assert_allclose(weights, wiener, atol=0.05)
    assert np.abs(wiener - np.eye(2)).max() > 0.2  # neither did it learn to copy its input


def test_supervised_distances_against_numpy_and_scikit_image():
    x, t = (RANDOM.random((2, 9, 9)).astype(np.float32) for _ in range(2))
    loss = losses.Supervised(lambda module, operator, m: m, distance=losses.mean_absolute)
    np.testing.assert_allclose(loss(None, (x, t), KEY), np.mean(np.abs(x - t)), rtol=1e-6)
    ssim = losses.StructuralDissimilarity(1.0)
    expected = 1 - np.mean(
        [structural_similarity(a, b, data_range=1.0) for a, b in zip(x, t, strict=True)]
    )
    np.testing.assert_allclose(ssim(x, t), expected, rtol=1e-5)
    both = losses.Weighted((2.0, 0.5), (losses.mean_square, ssim))
    np.testing.assert_allclose(both(x, t), 2 * np.mean((x - t) ** 2) + expected / 2, rtol=1e-5)
    z = (x + 1j * t).astype(np.complex64)
    np.testing.assert_allclose(losses.mean_square(z, 0 * z), np.mean(x**2 + t**2), rtol=1e-6)
    relative = losses.NormalisedL1L2()(x, t)
    expected = np.linalg.norm(x - t) / np.linalg.norm(t) + np.abs(x - t).sum() / t.sum()
    np.testing.assert_allclose(relative, expected, rtol=1e-5)
    assert np.all(np.isfinite(jax.grad(losses.NormalisedL1L2())(t, t)))
    u, v = (RANDOM.standard_normal((4, 3)).astype(np.float32) for _ in range(2))
    measured = losses.InMeasurements(losses.mean_square, OPERATOR)
    np.testing.assert_allclose(measured(u, v), np.mean(((u - v) @ A.T) ** 2), rtol=1e-5)


def iterates(module, operator, m):
    """Three steps of gradient descent from 0."""

    def step(tau, x):
        return x - tau * jax.vmap(lambda a, b: operator.adjoint(operator(a) - b))(x, m)

    return nn.unroll(step, module, jnp.zeros((len(m), 3)), trace=lambda x: x)[1]


def test_deep_supervision_is_the_weighted_mean_over_the_iterates():
    rates, m, truth = jnp.array([0.1, 0.2, 0.3]), measured(KEY, 4), clean(KEY, 4)
    x, errors = np.zeros((4, 3)), []
    for tau in np.asarray(rates):
        x = x - tau * (x @ A.T - m) @ A
        errors.append(np.mean((x - truth) ** 2))
    for weights in ((0.1, 0.0, 1.0), None):
        loss = losses.DeepSupervision(iterates, OPERATOR, weights)
        expected = np.average(errors, weights=weights)
        np.testing.assert_allclose(loss(rates, (m, truth), KEY), expected, rtol=1e-5)
    last = losses.Supervised(lambda *a: iterates(*a)[-1], OPERATOR)
    loss = losses.DeepSupervision(iterates, OPERATOR, jnp.array([0.0, 0.0, 2.0]))
    np.testing.assert_allclose(
        jax.grad(loss)(rates, (m, truth), KEY), jax.grad(last)(rates, (m, truth), KEY), rtol=1e-5
    )
    np.testing.assert_allclose(losses.rising_weights(3), [0.1, 10**-0.5, 1], rtol=1e-6)
    np.testing.assert_array_equal(losses.rising_weights(1), [1])


def test_deep_supervision_refuses_what_is_not_a_trace():
    batch = (measured(KEY, 4), clean(KEY, 4))
    with pytest.raises(ValueError, match=r"\(K, \*\(4, 3\)\).*got the shape \(4, 3\)"):
        losses.DeepSupervision(lambda *a: iterates(*a)[-1], OPERATOR)(jnp.ones(3), batch, KEY)
    with pytest.raises(ValueError, match="one weight for each of 3 iterates"):
        losses.DeepSupervision(iterates, OPERATOR, (1.0, 1.0))(jnp.ones(3), batch, KEY)
    with pytest.raises(ValueError, match="weights >= 0"):
        losses.DeepSupervision(iterates, OPERATOR, (1.0, -1.0, 1.0))
    with pytest.raises(ValueError, match="not all 0"):
        losses.DeepSupervision(iterates, OPERATOR, (0.0, 0.0))
    with pytest.raises(ValueError, match="first > 0"):
        losses.rising_weights(3, 0.0)


def test_losses_add_and_train_a_network():
    network = nn.Convolution(1, 1, rngs=nnx.Rngs(0))

    def denoise(module, operator, m):
        return nn.on_images(module, m)

    parts = (losses.SURE(denoise, None, 0.01), losses.Recorrupted(denoise, None, 0.1))
    both = losses.WeightedLosses((1.0, 0.5), parts)
    images = jnp.asarray(RANDOM.random((2, 6, 6)), jnp.float32)
    value, gradient = jax.jit(jax.value_and_grad(both))(network, images, KEY)
    first, second = jax.random.split(KEY)
    expected = parts[0](network, images, first) + 0.5 * parts[1](network, images, second)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    assert np.linalg.norm(gradient.kernel[...]) > 0


def test_normalised_loss_has_no_scale():
    x, truth = jnp.asarray([1.0, -2.0, 2.5]), jnp.asarray([1.5, -1.0, 2.0])
    loss = losses.NormalisedL1L2()
    expected = np.linalg.norm(x - truth) / np.linalg.norm(truth)
    expected += np.abs(x - truth).sum() / np.abs(truth).sum()
    for scale in (1.0, 1e-8, 1e8):
        assert loss(scale * x, scale * truth) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(loss(x, 0 * x))
