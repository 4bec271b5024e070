"""The example of posterior sampling in its quick form, with the weights that ship."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from examples import posterior_sampling


@pytest.mark.slow
def test_means_are_better_than_samples_and_deviations_are_of_the_size_of_the_errors(tmp_path):
    results, _ = posterior_sampling.run(tmp_path, posterior_sampling.QUICK)
    assert list(results) == ["DPS", "DiffPIR", "PnP-ULA"]
    for result in results.values():
        assert result["PSNR of the mean"] > result["PSNR of a sample"] + 0.5
        assert 0.3 < result["mean deviation"] / result["rms error"] < 2
        assert np.all(np.diff(result["coverage"]) > 0)
    for name in ("DiffPIR", "PnP-ULA"):
        assert results[name]["PSNR of the mean"] > 22
    assert (tmp_path / "posterior_sampling.png").stat().st_size > 10_000


@pytest.mark.slow
def test_nine_of_ten_truths_lie_in_intervals_of_ninety_percent(tmp_path):
    results, _ = posterior_sampling.run(tmp_path, posterior_sampling.Settings())
    at = posterior_sampling.LEVELS.index(0.9)
    for name, result in results.items():
        assert result["coverage"][at] == pytest.approx(0.9, abs=0.07), name
    np.testing.assert_allclose(results["DPS"]["coverage"], posterior_sampling.LEVELS, atol=0.06)
