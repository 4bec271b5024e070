"""Forward differences against the definition, and the bound of their norm."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon.core.norm import operator_norm
from jaxrecon.linops import FiniteDifference, divergence, gradient

G = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("boundary", "last"),
    [("replicate", lambda x: x[-1:]), ("periodic", lambda x: x[:1]), ("zero", lambda x: 0 * x[:1])],
)
def test_definition(boundary, last):
    x = G.standard_normal((4, 5)).astype(np.float32)
    spacing = (0.5, 2.0)
    rows = (np.concatenate([x[1:], last(x)]) - x) / spacing[0]
    columns = (np.concatenate([x.T[1:], last(x.T)]).T - x) / spacing[1]
    got = gradient(x, boundary=boundary, spacing=spacing)
    np.testing.assert_allclose(got, np.stack([rows, columns]), atol=1e-6)
    only = gradient(x, (1,), boundary=boundary, spacing=2.0)
    np.testing.assert_allclose(only, columns[None], atol=1e-6)


def test_constants_have_no_gradient_and_fields_no_total_divergence():
    assert not np.any(gradient(jnp.ones((4, 3))))
    p = G.standard_normal((2, 4, 3)).astype(np.float32)
    for boundary in ("replicate", "periodic"):
        assert abs(float(jnp.sum(divergence(p, boundary=boundary)))) < 1e-5


@pytest.mark.parametrize("boundary", ["replicate", "periodic", "zero"])
def test_norm_bound_holds_and_is_nearly_met(boundary):
    d = FiniteDifference((8, 12), boundary=boundary, spacing=(1.0, 0.5))
    norm, bound = float(operator_norm(d, 200)), float(d.norm_bound())
    assert bound == pytest.approx(2 * np.sqrt(1 + 4))
    assert 0.95 * bound < norm <= bound * (1 + 1e-6)


def test_refuses():
    with pytest.raises(ValueError, match="boundary to be one of"):
        FiniteDifference((4, 4), boundary="reflect")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="scalar spacing or one for each of 2 axes"):
        FiniteDifference((4, 4), spacing=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="spacing > 0"):
        FiniteDifference((4, 4), spacing=0.0)
    with pytest.raises(ValueError, match="within an array"):
        FiniteDifference((4, 4), (3,))
    with pytest.raises(ValueError, match="one component for each of 2 axes"):
        divergence(jnp.ones((3, 4, 4)))
