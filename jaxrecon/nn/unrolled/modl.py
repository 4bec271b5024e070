"""MoDL: a shared denoiser in turns with data consistency by conjugate gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax

from jaxrecon.core import LinearOperator
from jaxrecon.core.normal_equations import solve_normal, weigh
from jaxrecon.core.vectors import add_scaled
from jaxrecon.functionals import LeastSquares
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.half_quadratic import UnrolledHalfQuadratic


class MoDL(UnrolledHalfQuadratic):
    r"""Model-based deep learning, k = 1 ... K:

        z = network(x),   x = (A^H W A + lambda I)^-1 (A^H W m + lambda z).

    It is half-quadratic splitting for least squares, with one network for all steps unless told
    otherwise, and a limited number of conjugate gradients from z. Their derivatives are those of
    the exact solution, so that memory does not grow with them; backward passes solve a system too.

    Args:
        network: of one channel (two for complex images).
        steps: K.
        shared: as in :class:`UnrolledScheme`.
        penalty: initial lambda > 0, in the unit of ||A||^2, learned through its logarithm.
        learned: whether lambda is trained.
        iterations: at most so many conjugate gradients. With too few of them the derivatives are
            those of another point than the result.
        tolerance: they stop at this relative residual; ten times the precision unless given.

    Raises:
        ValueError: as :class:`UnrolledHalfQuadratic`; another fidelity than least squares.

    Source: Aggarwal, Mani and Jacob 2019, doi:10.1109/TMI.2018.2865356.
    """

    def __init__(
        self,
        network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int] = True,
        penalty: Any = 0.05,
        learned: bool = True,
        iterations: int = 10,
        tolerance: float | None = None,
    ):
        super().__init__(network, steps=steps, shared=shared, penalty=penalty, learned=learned)
        self.iterations = iterations
        self.tolerance = tolerance

    def data_update(self, fidelity: BatchedFidelity, v: Any, penalty: Any) -> Any:
        if fidelity.make is not LeastSquares:
            raise ValueError(
                "MoDL solves least squares only; for another fidelity take UnrolledHalfQuadratic."
            )

        def one(m: Any, weights: Any, z: Any) -> Any:
            return data_consistency(
                fidelity.operator, m, z, penalty, weights=weights,
                iterations=self.iterations, tolerance=self.tolerance,
            )  # fmt: skip

        return jax.vmap(one)(fidelity.measurements, fidelity.extra, v)


def data_consistency(
    operator: LinearOperator,
    measurements: Any,
    z: Any,
    damping: Any,
    *,
    weights: Any = None,
    iterations: int = 10,
    tolerance: float | None = None,
) -> Any:
    r"""x = (A^H W A + damping I)^-1 (A^H W m + damping z), by conjugate gradients from z.

    Args:
        operator: A, real or complex.
        measurements: m, in the codomain of A.
        z: image.
        damping: real > 0, traced.
        weights: W, inverse variances, or None.
        iterations, tolerance: static, as in :func:`jaxrecon.core.normal_equations.solve_normal`,
            which gives the derivatives.
    """
    rhs = add_scaled(operator.adjoint(weigh(weights, measurements)), damping, z)
    options: dict[str, Any] = {"iterations": iterations, "tolerance": tolerance}
    return solve_normal(operator, rhs, z, weights=weights, damping=damping, **options)
