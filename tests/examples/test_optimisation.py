"""The examples of optimisation in their quick form: small images, few methods, few steps."""

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("skimage")
pytest.importorskip("data_store")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from examples import (
    expectation_maximisation,
    low_rank_dynamic,
    optimisation_classics,
    optimisation_methods,
    smooth_methods,
    splitting_methods,
)


def drawn(folder: Path, name: str) -> bool:
    return (folder / f"{name}.png").stat().st_size > 10_000


@pytest.mark.slow
def test_they_run(tmp_path):
    """Of each example one method, on few pixels."""
    _, figure = optimisation_methods.run(tmp_path, size=16, views=8, seconds=0.01, names=("ISTA",))
    assert figure is not None
    names = ("gradient descent, 1/L", "L-BFGS")
    results, _ = smooth_methods.run(tmp_path, size=32, steps=20, names=names)
    assert all(results[name]["gap"][-1] < results[name]["gap"][0] for name in names)


@pytest.mark.slow
def test_methods_meet_at_the_minimum_of_one_ct_problem(tmp_path):
    names = ("L-BFGS", "POGM, restart", "SPDHG")
    lines = []
    results, _ = optimisation_methods.run(
        tmp_path, size=32, views=24, seconds=0.2, names=names, report=lines.append
    )
    assert set(results) == set(names)
    assert all(abs(result["gap"][0] - 1) < 1e-3 for result in results.values())
    assert all(-1e-9 < result["gap"][-1] < 1e-3 for result in results.values())
    assert all(result["residual"][-1] < 0.05 for result in results.values())
    psnr = [result["psnr"][-1] for result in results.values()]
    assert np.ptp(psnr) < 0.3
    assert any(line.startswith("SPDHG") for line in lines)
    assert drawn(tmp_path, "optimisation_methods")


@pytest.mark.slow
def test_all_methods_descend_on_the_ct_problem(tmp_path):
    results, _ = optimisation_methods.run(tmp_path, size=32, views=24, seconds=0.1)
    assert len(results) == sum(len(family) for family in optimisation_methods.methods().values())
    for name, result in results.items():
        assert -1e-9 < result["gap"][-1] < 0.5, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quadratic", "poisson"])
def test_the_classical_methods_descend_too(tmp_path, name):
    classics = {
        "quadratic": (optimisation_classics.quadratic, 7),
        "poisson": (optimisation_classics.poisson, 6),
    }
    run, count = classics[name]
    results, _ = run(tmp_path, size=32, views=24, seconds=0.2)
    assert len(results) == count
    for method, result in results.items():
        assert abs(result["gap"][0] - 1) < 1e-3, method
        assert result["gap"][-1] < 0.1, method
        assert result["psnr"].max() > result["psnr"][0] + 1, method
    assert drawn(tmp_path, f"optimisation_methods_{name}")


@pytest.mark.slow
def test_smooth_methods_rank_as_theory_says(tmp_path):
    names = ("gradient descent, 1/L", "Nesterov", "L-BFGS")
    results, _ = smooth_methods.run(tmp_path, size=64, steps=40, names=names)
    gaps = {name: result["gap"][-1] for name, result in results.items()}
    assert max(gaps, key=gaps.__getitem__) == "gradient descent, 1/L"
    assert gaps["L-BFGS"] < gaps["Nesterov"] < gaps["gradient descent, 1/L"]
    assert results["L-BFGS"]["early psnr"] > results["gradient descent, 1/L"]["early psnr"]
    assert drawn(tmp_path, "smooth_methods")


@pytest.mark.slow
def test_splitting_methods_agree_and_keep_the_noise_level(tmp_path):
    names = ("ADMM, exact by FFT", "ADMM, conjugate gradients", "FISTA, restart")
    results, _ = splitting_methods.run(tmp_path, size=64, seconds=0.2, steps=500, names=names)
    for name in names:
        assert results["penalised"][name]["gap"][-1] < 1e-2, name
    for name, found in results["constrained"].items():
        assert 0.98 < found["misfit"] < 1.02, name
    assert drawn(tmp_path, "splitting_methods")


@pytest.mark.slow
def test_expectation_maximisation(tmp_path):
    results, _ = expectation_maximisation.run(tmp_path, size=48, views=24, passes=6, scans=4)
    likelihood = results["likelihood"]
    assert np.all(np.diff(likelihood["MLEM"]) < 0)
    assert likelihood["OSEM, 12 subsets"][0] < likelihood["MLEM"][5]
    assert np.all(np.diff(results["cost"]["MAP-EM"]) < 0)
    for name in ("BSREM", "SAGA", "SVRG"):
        assert results["cost"][name][-1] < results["cost"]["MAP-EM"][-1], name
    recovery, deviation = results["trade"]["MLEM, stopped"]
    assert np.all(np.diff(recovery) > 0)
    assert deviation[-1] > deviation[0]
    assert drawn(tmp_path, "expectation_maximisation")


@pytest.mark.slow
def test_low_rank_beats_frame_by_frame(tmp_path):
    results, _ = low_rank_dynamic.run(tmp_path, size=32, frames=8, views=15, steps=60)
    change = {name: result["error of change"] for name, result in results.items()}
    assert change["locally low rank"] < change["TV of each frame"]
    assert change["TV in space and time"] < change["TV of each frame"]
    assert drawn(tmp_path, "low_rank_dynamic")
