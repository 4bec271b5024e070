"""The L-curve: where the penalty stops to fall and the residual starts to grow."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.products import matmul
from jaxrecon.parameter_choice.best import best_on_path
from jaxrecon.parameter_choice.weights import as_weights, check_same_length


class LCurve(NamedTuple):
    """What :func:`l_curve` returns."""

    weight: jax.Array
    """lambda at the corner."""
    index: jax.Array
    """That of the nearest point of the path."""
    curvature: jax.Array
    """(n,), NaN where there is none."""
    found: jax.Array
    """False where the curve has no corner: no positive curvature, or the largest at an end."""


def l_curve(weights: Any, residuals: Any, penalties: Any, *, window: int = 5) -> LCurve:
    r"""The weight of largest curvature of (rho, eta) = (log ||A x - m||, log penalty(x)).

        curvature = (rho' eta'' - rho'' eta') / (rho'^2 + eta'^2)^(3/2),

    derivatives in log lambda. They are those of parabolas, fitted by least squares to `window`
    points around each (for window = 3, finite differences). It is positive at the corner of the
    letter L. Make the path with :func:`path`, 20 to 50 weights over several decades::

        p = path(reconstruct, weights, record=lambda x: (norm(A(x) - m), g(x)))
        corner = l_curve(p.weights, *p.records)

    What to expect: it needs no noise level and stands correlated noise, but nothing says that the
    corner is a good weight: for very smooth images (Hanke) and for noise that goes to 0 (Vogel) it
    is not. The curve of total variation often has a faint corner, or none: look at it, and at
    `found`. Images that have not converged make curvature of their own; a larger window smooths it.

    Args:
        weights: (n,), > 0, in increasing or decreasing order.
        residuals: (n,), ||A x - m||, or its squares, which rescale an axis and so move the corner.
            For a penalty ||L x||^2 take both as squares or neither (the corner is the same).
        penalties: (n,), of each solution without its weight. Points with a residual or penalty of 0
            (or NaN) are left out.
        window: static, odd, 3 <= window <= n; points of each fit.

    Returns:
        :class:`LCurve` (weight, index, curvature, found).

    Raises:
        ValueError: other shapes, too few weights, an even window; weights that are not positive
            (where concrete).

    Source: Hansen and O'Leary 1993, doi:10.1137/0914086; limits: Vogel 1996,
    doi:10.1088/0266-5611/12/4/013, Hanke 1996, doi:10.1007/BF01731984; fits: Savitzky and Golay
    1964, doi:10.1021/ac60214a047.
    """
    what = "l_curve"
    window = check_positive_int(window, what=what, argument="window")
    if window < 3 or window % 2 == 0:
        raise ValueError(f"{what} expected an odd window of at least 3 points, got {window}.")
    weights = as_weights(weights, least=window, what=what)
    curves = [
        jnp.log(check_same_length(values, weights, what=what, argument=name))
        for name, values in (("residuals", residuals), ("penalties", penalties))
    ]
    (rho1, rho2), (eta1, eta2) = (_derivatives(jnp.log(weights), c, window) for c in curves)
    speed = rho1**2 + eta1**2
    moving = speed > 0
    curvature = (rho1 * eta2 - rho2 * eta1) / jnp.where(moving, speed, 1) ** 1.5
    curvature = jnp.where(moving & jnp.isfinite(curvature), curvature, jnp.nan)
    margin = jnp.full(window // 2, jnp.nan, curvature.dtype)
    curvature = jnp.concatenate([margin, curvature, margin])
    best = best_on_path(weights, -curvature)
    neighbours = curvature[jnp.clip(best.index + jnp.array([-1, 1]), 0, len(weights) - 1)]
    corner = curvature[best.index] > 0
    found = corner & best.interior & jnp.all(jnp.isfinite(neighbours))
    return LCurve(best.weight, best.index, curvature, found)


def _derivatives(t: jax.Array, values: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
    """First and second derivatives of the parabolas fitted to each window, in its middle."""
    rows = jnp.arange(len(t) - window + 1)[:, None] + jnp.arange(window)

    def fit(t: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
        scale = (t[-1] - t[0]) / 2
        s = (t - t[window // 2]) / scale
        design = jnp.stack([jnp.ones_like(s), s, s**2], -1)
        _, linear, square = jnp.linalg.solve(matmul(design.T, design), matmul(design.T, values))
        return linear / scale, 2 * square / scale**2

    return jax.vmap(fit)(t[rows], values[rows])
