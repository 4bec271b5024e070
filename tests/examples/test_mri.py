"""The MRI examples, small where they can be: what each is there to show."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

pytest.importorskip("matplotlib")

from examples import mri_brain, mri_dynamic, mri_from_file, mri_trajectory_learning

pytestmark = pytest.mark.slow


def test_from_a_file_to_an_image(tmp_path):
    results, _ = mri_from_file.run(tmp_path)
    assert results["wavelets"] < 0.07 < results["zero-filled"] / 3
    assert results["wavelets"] < results["CG-SENSE"]
    assert (tmp_path / "mri_from_file.png").exists()
    again, _ = mri_from_file.run(tmp_path, file=tmp_path / "head.h5")
    assert again == {}


def test_frames_share_what_does_not_move(tmp_path):
    results, _ = mri_dynamic.run(tmp_path, size=48, frames=12, spokes=9, steps=20)
    errors = {name: found["error"] for name, found in results.items()}
    assert errors["TV in time"] < errors["CG-SENSE"] < errors["gridding"]
    assert errors["low rank + sparse"] < errors["CG-SENSE"]
    assert (tmp_path / "mri_dynamic.png").exists()


def test_a_learned_trajectory_is_better_and_within_limits(tmp_path):
    results, _ = mri_trajectory_learning.run(tmp_path, steps=80)
    assert results["learned"]["PSNR"] > results["radial"]["PSNR"] + 1
    assert results["learned"]["T/m/s"] < mri_trajectory_learning.SLEW_RATE
    assert results["learned"]["mT/m"] < mri_trajectory_learning.AMPLITUDE


def test_the_network_beats_what_knows_the_coils(tmp_path):
    results, _ = mri_brain.run(tmp_path, volumes=1)
    for fold, gain in ((4, 1), (8, 2)):
        found = {name: r["PSNR"] for (name, f), r in results.items() if f == fold}
        assert found["end-to-end"] > found["total variation"] + gain
        assert found["total variation"] > found["wavelets"] > found["zero-filled"]
    assert (tmp_path / "mri_brain.png").exists()
