"""Learned primal-dual: Chambolle-Pock with networks in the place of both proxes, and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import LinearOperator, keep
from jaxrecon.nn.batch import check_images_and_data
from jaxrecon.nn.direct import Frozen
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.nn.unrolled.update import UpdateNetwork, update_networks
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.solvers.sums import check_real_operator


class LearnedPrimalDualState(NamedTuple):
    """A batch of iterates with their memory as last axis."""

    dual: jax.Array
    """(batch, *data, D)"""
    primal: jax.Array
    """(batch, *image, P); channel 0 is the image"""


def learned_primal_dual_step(
    operator: LinearOperator,
    measurements: jax.Array,
    update_dual: Callable,
    update_primal: Callable,
    state: LearnedPrimalDualState,
) -> LearnedPrimalDualState:
    r"""h <- h + G([h, A f_1, m]),  f <- f + L([f, A^H h_0]).

    h and f hold several channels each; f_1 is the second channel of f and h_0 the first of h. With
    f = (x, 2 x' - x), G = prox_{sigma g*}(h_0 + sigma A f_1) - h_0 and the same for L it is the
    method of Chambolle and Pock.

    Args:
        operator: A, on one image.
        measurements: (batch, *data), m.
        update_dual: (batch, *data, D + 2) -> (batch, *data, D).
        update_primal: (batch, *image, P + 1) -> (batch, *image, P), P >= 2.
        state: the iterates.
    """
    dual, primal = state
    forward = keep(jax.vmap(operator)(primal[..., 1]))
    seen = jnp.stack([forward, measurements], axis=-1)
    dual = dual + update_dual(jnp.concatenate([dual, seen], axis=-1))
    backward = keep(jax.vmap(operator.adjoint)(dual[..., 0]))
    primal = primal + update_primal(jnp.concatenate([primal, backward[..., None]], axis=-1))
    return LearnedPrimalDualState(dual, primal)


class LearnedPrimalDual(UnrolledScheme):
    r"""K steps of :func:`learned_primal_dual_step` with small networks.

    The operator and the data are divided by the norm of the operator inside, so that images,
    gradients and residuals have one scale and the loss at the start is finite for any units. With
    the default `scale` = 0 every update is zero at the start and the result is x0: training starts
    from filtered backprojection, if that is x0.

    Args:
        steps: K.
        operator_norm: ||A||, e.g. ``jaxrecon.solvers.operator_norm(A)``. Stored, not trained.
        primal, dual: channels of the image and of the dual variable, at least 2 and 1.
        depth, features: convolutions of each network, and channels between them.
        scale: factor on the last kernel of each network.
        shared: False, each step has networks of its own; True, or K indices, as in
            :class:`UnrolledScheme`.
        rngs: random streams of Flax.

    Raises:
        ValueError: no step, or too few channels; an `operator_norm` that is not positive; as
            :class:`UnrolledScheme` and :class:`UpdateNetwork`.

    Source: Adler and Oktem 2018, doi:10.1109/TMI.2018.2799231.
    """

    def __init__(
        self,
        steps: int = 10,
        *,
        operator_norm: Any,
        primal: int = 5,
        dual: int = 5,
        depth: int = 3,
        features: int = 32,
        scale: float = 0.0,
        shared: bool | Sequence[int] = False,
        rngs: nnx.Rngs,
    ):
        if steps < 1 or primal < 2 or dual < 1:
            raise ValueError(
                "LearnedPrimalDual: needs steps >= 1, primal >= 2 and dual >= 1 channels, got "
                f"steps = {steps}, primal = {primal}, dual = {dual}."
            )
        size: dict[str, Any] = {"depth": depth, "features": features, "scale": scale}
        make_dual, make_primal = (
            lambda r, n=n, more=more: UpdateNetwork(n + more, n, rngs=r, **size)
            for n, more in ((dual, 2), (primal, 1))
        )
        pair = [
            update_networks(make, steps, shared, rngs, what="LearnedPrimalDual")
            for make in (make_dual, make_primal)
        ]
        super().__init__(nnx.List(pair), steps=steps, shared=shared)
        check_positive(operator_norm, what="LearnedPrimalDual", argument="operator_norm")
        self.operator_norm = Frozen(jnp.asarray(operator_norm))
        self.channels = (primal, dual)

    def numbers(self) -> jax.Array:
        """None are learned: those of the steps."""
        return jnp.arange(self.steps)

    def __call__(
        self,
        operator: LinearOperator,
        measurements: jax.Array,
        x0: jax.Array,
        *,
        trace: Callable | None = None,
        remat: bool | int = True,
    ) -> Any:
        """Reconstruct a batch.

        Args:
            operator: A, from one image (y, x) to real data of two axes, e.g. (view, bin).
            measurements: (batch, view, bin), m.
            x0: (batch, y, x), start in all primal channels: filtered backprojection, or zeros.
            trace: what to record after each step, state -> pytree, e.g. ``lambda s:
                s.primal[..., 0]`` for the images.
            remat: recompute the networks of each step in the backward pass; what operators and
                data fidelities give is kept (:func:`jaxrecon.keep`).

        Returns:
            (batch, y, x); with a trace (images, history), the records stacked along axis 0.

        Raises:
            TypeError: an operator that is complex; images or measurements of another dtype than it
                has.
            ValueError: images or measurements that do not fit the operator, an operator on other
                than two axes, batches of two sizes.
        """
        what = "LearnedPrimalDual"
        check_real_operator(operator, what=what)
        check_images_and_data(what, operator, x0=x0, measurements=measurements)
        primal, dual = self.channels
        norm = self.operator_norm[...].astype(measurements.dtype)
        unit = (1 / norm) * operator
        data = measurements / norm

        def step(networks: Any, _: Any, state: LearnedPrimalDualState) -> LearnedPrimalDualState:
            update_dual, update_primal = networks
            return learned_primal_dual_step(unit, data, update_dual, update_primal, state)

        start = LearnedPrimalDualState(
            jnp.zeros((*data.shape, dual), data.dtype), jnp.stack([x0] * primal, axis=-1)
        )
        state, history = self.run(step, start, trace=trace, remat=remat)
        x = state.primal[..., 0]
        return x if trace is None else (x, history)
