"""The example of algebraic methods in a small form."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from examples import algebraic_methods


@pytest.mark.slow
def test_it_runs(tmp_path, monkeypatch):
    chosen = ("SIRT", "CGLS", "SART, relaxation 0.3")
    every = algebraic_methods.methods

    def some(*problem):
        return {name: entry for name, entry in every(*problem).items() if name in chosen}

    monkeypatch.setattr(algebraic_methods, "methods", some)
    results = algebraic_methods.run(tmp_path, size=48, passes=4)
    assert all(min(r["errors"][1:]) < r["errors"][0] for r in results.values())
    assert (tmp_path / "algebraic_methods.png").stat().st_size > 10_000


@pytest.mark.slow
def test_methods_are_semi_convergent_and_krylov_spaces_agree(tmp_path):
    results = algebraic_methods.run(tmp_path, size=48, passes=12)
    assert len(results) == 8
    np.testing.assert_allclose(
        results["CGLS"]["errors"][:6], results["LSQR"]["errors"][:6], rtol=1e-3
    )
    errors = {name: r["errors"] for name, r in results.items()}
    assert min(errors["CGLS"]) < errors["CGLS"][-1]
    assert min(errors["OS-SART, 10 blocks"][:3]) < min(errors["SIRT"][:3])
    assert (tmp_path / "algebraic_methods.png").stat().st_size > 10_000
