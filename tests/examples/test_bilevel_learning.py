"""The hypergradient of the example, and what learning gains on images that it has not seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from examples.bilevel_learning import FULL, QUICK, Parameters, denoise, random_parameters, run
from tests.laws.cases import quick_jit


def test_the_hypergradient_agrees_with_finite_differences():
    """In weights and filters, on a smooth random image, with solutions found to 1e-11."""
    with jax.enable_x64(True):
        draws = np.random.default_rng(0).standard_normal((3, 1, 12, 12))
        truth, noisy = (jnp.asarray(a) for a in (draws[0], draws[0] + 0.1 * draws[1]))
        parameters = random_parameters(jax.random.key(0))
        along = jax.tree.map(
            lambda a, k: jax.random.normal(jax.random.key(k), a.shape),
            parameters,
            Parameters(1, 2),
        )

        def loss(parameters):
            x = denoise(parameters, noisy, noisy, 1e-11, 1e-10).x
            return jnp.sum((x - truth) ** 2)

        @quick_jit
        def both(t):
            moved = jax.tree.map(lambda p, d: p + t * d, parameters, along)
            value, slope = jax.value_and_grad(loss)(moved)
            return value, sum(jnp.vdot(s, d) for s, d in zip(slope, along, strict=True))

        h = 1e-5
        difference = (both(h)[0] - both(-h)[0]) / (2 * h)
        np.testing.assert_allclose(both(0.0)[1], difference, rtol=1e-4)


def gains(settings, folder):
    results, _ = run(folder, settings)
    assert (folder / "bilevel_learning.png").stat().st_size > 10_000
    assert results["settings"]["inner status on the test images"].startswith("converged")
    return {name: np.mean(scores) for name, scores in results["psnr"].items()}


@pytest.mark.slow
def test_a_short_training_improves_random_filters(tmp_path):
    psnr = gains(QUICK, tmp_path)
    assert psnr["learned"] > psnr["random filters"] + 0.5


@pytest.mark.slow
def test_learned_filters_beat_total_variation_with_its_best_weight(tmp_path):
    psnr = gains(FULL, tmp_path)
    assert psnr["learned"] > psnr["total variation"] + 0.1
