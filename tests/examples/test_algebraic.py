"""The example of algebraic methods in a small form."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from examples import algebraic_methods


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
