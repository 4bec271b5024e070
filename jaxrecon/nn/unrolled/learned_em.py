"""Learned expectation maximisation: EM for counts, drawn towards what a network makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, keep
from jaxrecon.core.checks import check_no_nan, check_nonnegative
from jaxrecon.core.vectors import real_like
from jaxrecon.functionals import KullbackLeibler
from jaxrecon.nn.batch import check_images_and_data
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.solvers.emission import data_ratio, sensitivity_of
from jaxrecon.solvers.map_em import MAPEMState, map_em_step
from jaxrecon.solvers.sums import check_real_operator


class LearnedEM(UnrolledScheme):
    r"""Forward-backward splitting EM for counts y ~ Poisson(A x + b), k = 1 ... K:

        z = network_k(x),   e = x A^T (y / (A x + b)),
        x <- argmin_{t >= 0} sum s t - e log t + c_k/2 (t - z)^2,   s = A^T 1,

    the root >= 0 of c t^2 + (s - c z) t - e: a step of MAP-EM (:func:`jaxrecon.solvers.map_em`)
    for the prior c/2 ||x - z||^2. For c -> 0 it is MLEM. The iterates stay >= 0 for any network.

    Args:
        network: of one channel, shared by all steps, or stacked by :func:`jaxrecon.nn.stacked`.
            Activities have the unit of the counts: wrap it in :class:`jaxrecon.nn.Normalised`.
        steps: K.
        shared: True, False, or for each step the index of its network; see
            :class:`UnrolledScheme`.
        strength: initial c_k > 0, in units of s over activity, learned through their logarithms.
        learned: whether the strengths are trained.

    Raises:
        ValueError: as :class:`UnrolledScheme`, or a strength that is not positive.

    Source: Mehranian and Reader 2021, doi:10.1109/TRPMS.2020.3004408.
    """

    def __init__(
        self,
        network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int] = True,
        strength: Any = 1.0,
        learned: bool = True,
    ):
        super().__init__(network, steps=steps, shared=shared)
        self.log_strengths = self.log_per_step(strength, "strength", learned=learned)

    def numbers(self) -> jax.Array:
        return jnp.exp(self.log_strengths[...])

    def __call__(
        self,
        operator: LinearOperator,
        counts: jax.Array,
        x0: jax.Array,
        background: Any = 0.0,
        *,
        trace: Callable | None = None,
        remat: bool | int = True,
    ) -> Any:
        """Reconstruct a batch.

        Args:
            operator: A, real and with non-negative weights, on one image (y, x).
            counts: batch of y >= 0, each in the codomain of A.
            x0: images (batch, y, x) > 0 to start from, e.g. ones.
            background: b >= 0, a number or shaped as the counts.
            trace, remat: as in :class:`UnrolledScheme`.

        Raises:
            TypeError: a complex operator; counts or images of another dtype than the operator has.
            ValueError: counts or images that do not fit the operator, an operator on other than two
                axes, batches of two sizes; negative counts, background, start or column sums, or
                NaN (where known).
        """
        what = "LearnedEM"
        check_real_operator(operator, what=what)
        check_images_and_data(what, operator, x0=x0, counts=counts)
        for name, value in (("counts", counts), ("x0", x0), ("background", background)):
            check_no_nan(value, what=what, argument=name)
            check_nonnegative(value, what=what, argument=name)
        term = KullbackLeibler(None, counts, background)
        sensitivity = sensitivity_of(operator, what=what)

        def step(network: Any, strength: jax.Array, state: MAPEMState) -> MAPEMState:
            x, c = state.x, real_like(strength, state.x)
            ratio = data_ratio(term, keep(jax.vmap(operator.apply)(x)))
            completed = x * keep(jax.vmap(operator.adjoint)(ratio))
            slope = c * (x - on_images(network, x))
            return MAPEMState(map_em_step(x, completed, sensitivity, slope, c))

        state, history = self.run(step, MAPEMState(x0), trace=trace, remat=remat)
        return state.x if trace is None else (state.x, history)
