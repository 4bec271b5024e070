"""The rules for the weight of total variation, on a real image, against the oracle."""

import numpy as np
import pytest

from examples.parameter_choice import FULL, QUICK, Settings, run


def check(settings, folder):
    results, _ = run(folder, settings)
    rules, curves = results["rules"], results["curves"]
    assert (folder / "parameter_choice.png").stat().st_size > 10_000
    assert rules["oracle"]["psnr"] > results["summary"]["PSNR of the data"] + 3
    assert rules["SURE"]["lost"] < 0.25
    assert rules["GCV"]["lost"] < 0.25
    assert rules["discrepancy"]["lost"] < 1.5
    assert rules["discrepancy"]["weight"] > rules["oracle"]["weight"]
    assert rules["L-curve"]["lost"] < 2.0
    # SURE estimates the error of the data, with a deviation of order sigma^2 sqrt(2 / n)
    deviation = results["summary"]["sigma"] ** 2 * np.sqrt(2) / settings.side
    near = curves["weights"] > 1e-3
    np.testing.assert_allclose(curves["sure"][near], curves["predicted"][near], atol=3 * deviation)


@pytest.mark.slow
def test_it_runs(tmp_path):
    results, _ = run(tmp_path, Settings(side=32, weights=5, iterations=10))
    assert set(results["rules"]) == {"oracle", "SURE", "GCV", "discrepancy", "L-curve"}
    assert (tmp_path / "parameter_choice.png").stat().st_size > 10_000


@pytest.mark.slow
def test_rules_on_a_small_image(tmp_path):
    check(QUICK, tmp_path)


@pytest.mark.slow
def test_rules_on_the_whole_image(tmp_path):
    check(FULL, tmp_path)
