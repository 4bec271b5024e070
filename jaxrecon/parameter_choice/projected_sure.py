"""Stein's estimate of the error of the image, in so far as the data determine it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.normal_equations import weigh
from jaxrecon.core.operator import LinearOperator
from jaxrecon.core.vectors import inner, subtract
from jaxrecon.parameter_choice.degrees_of_freedom import directional_derivatives, number_of_reals
from jaxrecon.parameter_choice.sure import Risk, checked_variance


def projected_sure(
    reconstruct: Callable,
    data: Any,
    variance: Any,
    key: jax.Array | None,
    *,
    operator: LinearOperator,
    inverse: Callable[[Any], Any],
    probes: int = 1,
) -> Risk:
    r"""Unbiased estimate of the error on the range of A^H, generalised SURE with a projection.

    With the pseudo-inverse A^+ and P = A^+ A, N numbers in x, and noise of variances V,

        (1/N) (||P x(m) - A^+ m||^2 + 2 trace(A^+ V x'(m)^H) - trace(A^+ V (A^+)^H))

    has the expectation (1/N) E ||P (x(m) - x_true)||^2. Both traces are estimated with the same
    random directions b, as means of Re <A^+ V b, x'(m) b> and ||A^+ V^(1/2) b||^2.

    What to expect: with an A of orthonormal rows (masked Fourier or Hadamard transforms, holes in
    an image) it is as good as :func:`sure` is for denoising. A^+ amplifies noise, so that for an
    ill-conditioned A the estimate drowns in its own variance: take `sure`, which weighs by A. What
    A does not see (the null space) has no part in it.

    Args:
        reconstruct: data -> x at one weight, pure and differentiable in forward mode.
        data: m, real or complex, in the codomain of A.
        variance: V, real, >= 0; a scalar or an array that broadcasts to m.
        key: of the random directions; None for exact traces of small problems.
        operator: A.
        inverse: m -> A^+ m: A.adjoint for orthonormal rows, or
            ``lambda m: pseudo_inverse(A, m)`` of small ones.
        probes: static; number of random directions.

    Returns:
        :class:`Risk` (value, x, residual, freedom), residual and freedom per image number, of
        P x(m) - A^+ m and as trace(A^+ V x'(m)^H).

    Raises: as :func:`sure`.

    Source: Eldar 2009, doi:10.1109/TSP.2008.2008212; in choosing weights: Giryes, Elad and Eldar
    2011, doi:10.48550/arXiv.1003.3985.
    """
    variance = checked_variance(variance, data, what="projected_sure")
    deviation = jax.tree.map(jnp.sqrt, variance)

    def image(m: Any) -> tuple[Any, None]:
        return reconstruct(m), None

    directions, _ = directional_derivatives(image, data, key, probes)
    x = directions.value
    n = number_of_reals(x)
    misfit = subtract(inverse(operator(x)), inverse(data))
    residual = inner(misfit, misfit) / n

    def noise(b: Any, change: Any) -> jax.Array:
        raised = inverse(weigh(deviation, b))
        return inner(raised, raised)

    freedom = directions.total(lambda b, change: inner(inverse(weigh(variance, b)), change)) / n
    return Risk(residual + 2 * freedom - directions.total(noise) / n, x, residual, freedom)
