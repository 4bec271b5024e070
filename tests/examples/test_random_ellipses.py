"""The random-ellipses table on a few images, with the weights that ship."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from examples import random_ellipses
from examples import random_ellipses_networks as networks
from examples import random_ellipses_robustness as robustness
from jaxrecon import ct, train
from jaxrecon.data import dival_ellipses
from jaxrecon.metrics import psnr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lpd-320", "lpd-streamed"])
def test_learned_primal_dual_beats_the_published_value_of_320_images(name):
    study = networks.study()
    images = jnp.asarray(dival_ellipses("test", 6))
    data = ct.ellipses_measurements(images, part="test")
    span = random_ellipses.range_of(images)
    module = networks.load(name, study)
    found = jax.jit(random_ellipses.network_reconstruction)(module, study, data)
    start = networks.backprojection(study, data)
    learned, analytic = psnr(found, images, span), psnr(start, images, span)
    assert jnp.all(learned > analytic + 4)
    assert learned.mean() > 30.1


FLOORS = {
    "FBP + U-Net, 320 images": (28.1, 0.870),
    "learned gradient, 320 images": (29.8, 0.905),
    "learned primal-dual, new images": (30.4, 0.915),
}
"""PSNR in dB and SSIM that weights which ship must reach, where the published ones are better."""


@pytest.mark.slow
def test_the_table_on_a_hundred_images(tmp_path):
    table = random_ellipses.run(tmp_path, networks.weights_folder, 100, 40)
    for name, row in table.items():
        published, similarity = random_ellipses.PUBLISHED.get(name, (0, 0))
        assert row["psnr"] >= published, name
        assert not row["ssim"] < similarity, name
    for name, (lowest, similarity) in FLOORS.items():
        assert table[name]["psnr"] >= lowest, name
        assert table[name]["ssim"] >= similarity, name
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_every_training_has_a_name_and_a_published_result():
    assert set(random_ellipses.NAMES) == set(networks.TRAININGS)
    published = {name for _, name in random_ellipses.NAMES.values()}
    assert published <= set(random_ellipses.PUBLISHED)
    labels = [label for label, _ in random_ellipses.NAMES.values()]
    assert len(set(labels)) == len(labels)


@pytest.mark.slow
def test_the_sweeps_on_two_images(tmp_path):
    sweeps = random_ellipses.run_robustness(tmp_path, networks.weights_folder, 2)
    means = {name: found.means() for name, found in sweeps.items()}
    names = ["FBP", "TV", "learned primal-dual", "learned gradient", "FBP + U-Net"]
    for name, (_, values) in robustness.SWEEPS.items():
        assert list(means[name]) == names
        for method in names:
            assert means[name][method].shape == (len(values),)
    for method in names:
        assert np.all(np.diff(means["noise in %"][method]) < 0.1)
        assert np.all(np.diff(means["number of views"][method]) > 0)
        assert np.all(np.diff(means["error of the angles in degrees"][method]) < 0)
    rows = json.loads((tmp_path / "report.json").read_text())["consistency"]
    assert rows["truth"]["null_error"]["mean"] == 0
    assert rows["truth"]["residual"]["mean"] == pytest.approx(0.02, rel=0.2)
    for method in names:  # a network agrees with the data no worse than filtered backprojection
        assert rows[method]["range_error"]["mean"] <= rows["FBP"]["range_error"]["mean"]
    for figure in ("sweeps.png", "consistency.png"):
        assert (tmp_path / figure).stat().st_size > 10_000


@pytest.mark.slow
def test_training_goes_down_and_on(tmp_path):
    path = networks.train_one("lpd-320", tmp_path, steps=40)
    study = networks.study()
    like = networks.network("lpd", study.norm)
    assert isinstance(train.load_weights(path, like), type(like))
    images = jnp.asarray(dival_ellipses("validation", 8))
    data = ct.ellipses_measurements(images, part="validation")
    trained = networks.mean_psnr(
        networks.reconstruct, study, images, data, train.load_weights(path, like)
    )
    untrained = networks.mean_psnr(networks.reconstruct, study, images, data, like)
    assert trained > untrained
