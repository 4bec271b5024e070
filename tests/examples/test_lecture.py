"""The lecture's claims, from its own run, and the weights that ship."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import jaxrecon

ROOT = Path(__file__).parents[2]
WEIGHTS = Path(jaxrecon.__file__).parent / "data" / "weights"


def test_weights_ship_and_are_small():
    sizes = {path.stem: path.stat().st_size for path in WEIGHTS.glob("*.npz")}
    lecture = {
        name: size for name, size in sizes.items() if not name.startswith(("ellipses-", "mri-"))
    }
    assert set(lecture) == {
        "compnet",
        "compnet-2",
        "compnet-10",
        "compnet-50",
        "denoiser",
        "freenet",
        "pinvnet",
        "unrolled",
        "unrolled-shared",
    }
    assert sum(lecture.values()) < 3_000_000
    assert sum(s for name, s in sizes.items() if name.startswith("ellipses-")) < 5_000_000
    assert sum(sizes.values()) < 6_000_000


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lecture")
    subprocess.run(
        [sys.executable, "examples/lecture.py", "--output", str(folder)], cwd=ROOT, check=True
    )
    for name in ("toy_two_lines", "ct_fbp", "single_pixel", "ranking", "noise_robustness"):
        assert (folder / f"{name}.png").stat().st_size > 10_000
    return json.loads((folder / "results.json").read_text())


@pytest.mark.slow
def test_orderings_of_the_lecture(results):
    found = results["differences in dB"]
    assert found["completion over pseudo-inverse"] >= 1.0
    assert found["compNET over completion"] >= 0.5
    assert found["unrolled (shared) over compNET"] >= 0
    assert found["unrolled (unshared) over compNET"] >= 0


@pytest.mark.slow
def test_every_learned_method_is_at_least_as_good_as_tuned_total_variation(results):
    over = {k: v for k, v in results["differences in dB"].items() if "over total variation" in k}
    assert len(over) == 6
    assert min(over.values()) >= 0, over


@pytest.mark.slow
@pytest.mark.parametrize("alpha", ["50", "10", "2"])
def test_exact_estimator_beats_its_diagonal_approximation(results, alpha):
    least = 0.5 if alpha == "2" else 0.0
    gain = results["differences in dB"][f"exact over diagonal linear MMSE, alpha = {alpha}"]
    assert gain >= least


@pytest.mark.slow
@pytest.mark.parametrize("alpha", ["50", "10", "2"])
def test_a_network_trained_at_the_noise_of_the_test_beats_total_variation(results, alpha):
    table = results["photon noise"]
    network = table[f"compNET trained with alpha = {alpha}"][alpha]
    assert network["psnr_mean"] >= table["total variation"][alpha]["psnr_mean"]


@pytest.mark.slow
def test_training_and_the_study_on_stl10_files(tmp_path):
    """One command trains and runs, from binary files in the true format (smooth random images)."""
    random = np.random.default_rng(0)
    for name, count in (("train_X", 200), ("unlabeled_X", 200), ("test_X", 20)):
        images = random.normal(size=(count, 3, 96, 96)).cumsum(axis=2).cumsum(axis=3)
        images -= images.min(axis=(2, 3), keepdims=True)
        images *= 255 / images.max(axis=(2, 3), keepdims=True)
        images.astype(np.uint8).tofile(tmp_path / f"{name}.bin")
    output = tmp_path / "results"
    command = [sys.executable, "examples/lecture.py", "--stl10", str(tmp_path), "--train"]
    subprocess.run([*command, "--output", str(output)], cwd=ROOT, check=True)
    settings = json.loads((output / "results.json").read_text())["settings"]
    assert settings["training images"] == 400
    assert settings["test images"] == 20
    assert len(list((output / "weights").glob("*.npz"))) == 9
