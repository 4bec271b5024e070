"""Learned gradient descent: a network makes the update from the gradients, and remembers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import LinearOperator, keep
from jaxrecon.linops import FiniteDifference
from jaxrecon.nn.batch import check_images_and_data
from jaxrecon.nn.direct import Frozen
from jaxrecon.nn.unrolled.scheme import UnrolledScheme
from jaxrecon.nn.unrolled.update import UpdateNetwork, update_networks
from jaxrecon.solvers.step_sizes import check_positive
from jaxrecon.solvers.sums import check_real_operator


class LearnedGradientState(NamedTuple):
    """A batch of images, and of memories with their channels as last axis."""

    x: jax.Array
    memory: jax.Array


def learned_gradient_step(
    gradients: Callable, update: Callable, state: LearnedGradientState
) -> LearnedGradientState:
    r"""(d, s') = L([x, grad f_1(x), ..., grad f_n(x), s]);  x <- x + d,  s <- relu(s').

    With L = -step * grad f_1 it is gradient descent.

    Args:
        gradients: (batch, y, x) -> sequence of such arrays, the gradients of the terms of the cost.
        update: (batch, y, x, 1 + n + M) -> (batch, y, x, 1 + M).
        state: the iterates, with M channels of memory.
    """
    x, memory = state
    seen = jnp.stack([x, *gradients(x)], axis=-1)
    change = update(jnp.concatenate([seen, memory], axis=-1))
    return LearnedGradientState(x + change[..., 0], jax.nn.relu(change[..., 1:]))


class LearnedGradient(UnrolledScheme):
    r"""K steps of :func:`learned_gradient_step` for f_1 = 1/2 ||A x - m||^2, f_2 = 1/2 ||D x||^2.

    D is the finite difference in pixels, weighed by the scale of A; A and m are divided by ||A||
    inside. With the default `scale` = 0 the result is x0 before training.

    Args:
        steps: K.
        operator_norm: ||A||, e.g. ``jaxrecon.solvers.operator_norm(A)``. Stored, not trained.
        memory: M, channels that are carried from step to step.
        depth, features: convolutions of each network, and channels between them.
        scale: factor on the last kernel of each network.
        shared: False, each step has a network of its own; True, or K indices, as in
            :class:`UnrolledScheme`.
        rngs: random streams of Flax.

    Raises:
        ValueError: no step, or a negative memory; an `operator_norm` that is not positive; as
            :class:`UnrolledScheme` and :class:`UpdateNetwork`.

    Source: Adler and Oktem 2017, doi:10.1088/1361-6420/aa9581.
    """

    def __init__(
        self,
        steps: int = 10,
        *,
        operator_norm: Any,
        memory: int = 5,
        depth: int = 3,
        features: int = 32,
        scale: float = 0.0,
        shared: bool | Sequence[int] = False,
        rngs: nnx.Rngs,
    ):
        if steps < 1 or memory < 0:
            raise ValueError(
                "LearnedGradient: needs steps >= 1 and memory >= 0, got "
                f"steps = {steps}, memory = {memory}."
            )

        def make(rngs: nnx.Rngs) -> UpdateNetwork:
            channels = 3 + memory, 1 + memory
            return UpdateNetwork(*channels, depth=depth, features=features, scale=scale, rngs=rngs)

        network = update_networks(make, steps, shared, rngs, what="LearnedGradient")
        super().__init__(network, steps=steps, shared=shared)
        check_positive(operator_norm, what="LearnedGradient", argument="operator_norm")
        self.operator_norm = Frozen(jnp.asarray(operator_norm))
        self.memory = memory

    def numbers(self) -> jax.Array:
        """None are learned: those of the steps."""
        return jnp.arange(self.steps)

    def __call__(
        self,
        operator: LinearOperator,
        measurements: Any,
        x0: jax.Array,
        *,
        trace: Callable | None = None,
        remat: bool | int = True,
    ) -> Any:
        """Reconstruct a batch.

        Args:
            operator: A, from one real image (y, x).
            measurements: batch of m, each in the codomain of A.
            x0: (batch, y, x), e.g. filtered backprojections.
            trace: what to record after each step, state -> pytree, ``lambda s: s.x`` for the
                images.
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
        what = "LearnedGradient"
        check_real_operator(operator, what=what)
        check_images_and_data(what, operator, x0=x0, measurements=measurements)
        norm = self.operator_norm[...].astype(x0.dtype)
        unit = (1 / norm) * operator
        data = jax.tree.map(lambda m: m / norm, measurements)
        difference = FiniteDifference(operator.domain.shape, dtype=x0.dtype)

        def gradients(x: jax.Array) -> tuple[jax.Array, jax.Array]:
            residual = jax.tree.map(jnp.subtract, jax.vmap(unit)(x), data)
            return keep(jax.vmap(unit.adjoint)(residual)), jax.vmap(difference.normal)(x)

        def step(update: Any, _: Any, state: LearnedGradientState) -> LearnedGradientState:
            return learned_gradient_step(gradients, update, state)

        start = LearnedGradientState(x0, jnp.zeros((*x0.shape, self.memory), x0.dtype))
        state, history = self.run(step, start, trace=trace, remat=remat)
        return state.x if trace is None else (state.x, history)
