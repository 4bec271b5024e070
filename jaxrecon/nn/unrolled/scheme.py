"""What all unrolled schemes are: steps, the networks in them, who shares them, and a start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import check_positive_int
from jaxrecon.functionals import LeastSquares
from jaxrecon.nn.batch import check_images_and_data
from jaxrecon.nn.direct import Frozen
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.unroll import spread, unroll
from jaxrecon.solvers.step_sizes import check_positive


class UnrolledScheme(nnx.Module):
    """K steps of a solver with a network in the place of one of its parts.

    Like a :class:`jaxrecon.Method` it has `init`, `step` and `solution`, and the state is that of
    the solver; what is learned comes as arguments of the step. A subclass defines `init`, `step`
    and `numbers`. Schemes are for images of two axes, (batch, y, x).

    Args:
        network: shared by all steps; or stacked along axis 0 by :func:`jaxrecon.nn.stacked`, one
            for each step, or for each group of steps.
        steps: K.
        shared: True, all steps have the same network; False, each its own; or K indices, step k
            has network ``shared[k]`` of the stack, e.g. ``(0, 0, 1, 1, 1)``.

    Raises:
        ValueError: no step, another number of indices than of steps, or networks that are not
            stacked as `shared` says.
    """

    def __init__(self, network: Any, *, steps: int, shared: bool | Sequence[int]):
        what = type(self).__name__
        wanted = networks_of(steps, shared, what=what)
        shared = shared if isinstance(shared, bool) else tuple(int(k) for k in shared)
        arrays = [leaf for leaf in jax.tree.leaves(network) if hasattr(leaf, "shape")]
        counts = {leaf.shape[:1] for leaf in arrays}
        if shared is not True and counts and counts != {(wanted,)}:
            raise ValueError(
                f"{what}: weights that are not shared by all steps need {wanted} networks stacked "
                f"along axis 0, got leading axes {sorted(counts)}; make them with "
                f"nn.stacked(make, {wanted}, key)."
            )
        self.network = network
        self.steps = int(steps)
        self.shared = shared

    def init(self, x0: Any) -> Any:
        """The state at the images x0."""
        raise NotImplementedError(f"{type(self).__name__} must define init")

    def numbers(self) -> Any:
        """Numbers of the steps, such as step sizes: a pytree stacked along axis 0."""
        raise NotImplementedError(f"{type(self).__name__} must define numbers")

    def step(self, fidelity: BatchedFidelity, network: Any, numbers: Any, state: Any) -> Any:
        """The next state, by the network and the numbers of this step."""
        raise NotImplementedError(f"{type(self).__name__} must define step")

    def solution(self, fidelity: BatchedFidelity, state: Any) -> Any:
        """The images that the last state stands for."""
        return state.x

    def __call__(
        self,
        operator: LinearOperator,
        measurements: Any,
        x0: jax.Array,
        weights: Any = None,
        *,
        fidelity: Callable = LeastSquares,
        trace: Callable | None = None,
        remat: bool | int = True,
    ) -> Any:
        """Reconstruct a batch.

        Args:
            operator: A, on one image (y, x), real or complex.
            measurements: batch of m, each in the codomain of A.
            x0: images (batch, y, x) to start from, e.g. ``jax.vmap(A.adjoint)(m)``.
            weights: batch of W, inverse variances shaped as the measurements; 1 by default.
            fidelity: (A, m) or (A, m, W) -> Functional f of one image, 1/2 ||A x - m||_W^2 by
                default. Where A A^H = I, ``lambda A, m: tight(LeastSquares(None, m), A)`` has its
                prox in closed form.
            trace: what to record after each step, state -> pytree, for losses on every iterate:
                ``lambda s: s.x`` for the images.
            remat: recompute the networks of each step in the backward pass; what operators and
                data fidelities give is kept (:func:`jaxrecon.keep`). A whole number k, a divisor
                of K, recomputes blocks of k steps with all that is in them, see
                :func:`jaxrecon.iterate`.

        Returns:
            (batch, y, x); with a trace (images, history), the records stacked along axis 0.

        Raises:
            ValueError: images or measurements that do not fit the operator, an operator on other
                than two axes, batches of different sizes, a network with too few channels, a
                `remat` that does not divide K.
            TypeError: images or measurements of another dtype than the operator takes.
        """
        check_images_and_data(
            type(self).__name__, operator, x0=x0, measurements=measurements, weights=weights
        )
        data = BatchedFidelity(fidelity, operator, measurements, weights)

        def step(network: Any, numbers: Any, state: Any) -> Any:
            return self.step(data, network, numbers, state)

        state, history = self.run(step, self.init(x0), trace=trace, remat=remat)
        x = self.solution(data, state)
        return x if trace is None else (x, history)

    def per_step(self, value: Any, argument: str, *, learned: bool) -> nnx.Variable:
        """A number for each step, (K,): an `nnx.Param` if learned, else :class:`Frozen`.

        Args:
            value: one for all steps, or (K,).
            argument: its name.
            learned: whether they are trained.

        Raises:
            ValueError: another shape.
        """
        if np.shape(value) not in ((), (self.steps,)):
            raise ValueError(
                f"{type(self).__name__} expected {argument} to be one number, or one for each of "
                f"{self.steps} steps, got the shape {np.shape(value)}."
            )
        numbers = jnp.broadcast_to(jnp.asarray(value, jnp.result_type(float)), (self.steps,))
        return (nnx.Param if learned else Frozen)(numbers)

    def log_per_step(self, value: Any, argument: str, *, learned: bool) -> nnx.Variable:
        """:meth:`per_step` of the logarithm, for numbers that must stay positive.

        Raises:
            ValueError: another shape, or a value that is not positive and finite (where known).
        """
        check_positive(value, what=type(self).__name__, argument=argument)
        logarithm = jnp.log(jnp.asarray(value, jnp.result_type(float)))
        return self.per_step(logarithm, argument, learned=learned)

    def run(
        self, step: Callable, state: Any, *, trace: Callable | None = None, remat: bool | int = True
    ) -> tuple[Any, Any]:
        """``state <- step(network_k, numbers_k, state)`` for all k: the last state, and the
        history, None without a trace."""
        options: dict[str, Any] = {"trace": trace, "remat": remat}
        if self.shared is True:
            network = self.network
            out = unroll(lambda n, s: step(network, n, s), self.numbers(), state, **options)
        else:
            networks = self.network if self.shared is False else spread(self.network, self.shared)
            out = unroll(lambda p, s: step(*p, s), (networks, self.numbers()), state, **options)
        return (out, None) if trace is None else out


def networks_of(steps: int, shared: bool | Sequence[int], *, what: str) -> int:
    """How many networks there are.

    Raises:
        ValueError: no whole number of steps, or not one index for each of them.
    """
    steps = check_positive_int(steps, what=what, argument="steps")
    if isinstance(shared, bool):
        return steps
    if np.shape(shared) != (steps,):
        raise ValueError(
            f"{what} expected shared to be True, False or one index for each of {steps} steps, got "
            f"{shared!r}."
        )
    return len({int(k) for k in shared})
