"""The example of plug-and-play with gradient steps, with the weights that ship."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from examples import plug_and_play_gradient_step as example


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figure")
    results, _ = example.run(folder, example.FULL)
    assert (folder / "plug_and_play_gradient_step.png").stat().st_size > 10_000
    return results


def quality(results, images):
    return float(np.mean(example.psnr(images, results["truth"], 1.0)))


@pytest.mark.slow
@pytest.mark.parametrize("method", example.METHODS)
def test_the_cost_of_the_bounded_denoiser_never_rises(results, method):
    found = results["bounded"][method]
    assert found["rises"] == 0
    assert found["norm"] < 1
    assert np.all(found["costs"][:, -1] < found["costs"][:, 0])


@pytest.mark.slow
def test_the_cost_of_the_free_denoiser_rises_where_its_hessian_is_too_large(results):
    free = results["free"]["plug-and-play"]
    assert free["norm"] > 1.9
    assert free["rises"] > free["costs"].size / 4
    assert np.max(free["moved"][:, -1]) > 1e-2
    assert np.max(results["bounded"]["plug-and-play"]["moved"][:, -1]) < 1e-4


@pytest.mark.slow
def test_the_penalty_is_what_keeps_the_hessian_small_and_costs_little(results):
    bounded, free = results["bounded"], results["free"]
    for level in bounded["norms"]:
        assert bounded["norms"][level] < 1 < free["norms"][level]
        assert free["denoising"][level] - bounded["denoising"][level] < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", example.PENALTIES)
def test_plug_and_play_is_better_than_tikhonov(results, name):
    found = quality(results, results[name]["tuned"]["images"])
    assert found > quality(results, results["Tikhonov"]["images"]) + 0.2
