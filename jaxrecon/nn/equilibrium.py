"""Deep equilibrium models: the fixed point of a learned step, differentiated in constant memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.core import LinearOperator, Method, Solution, fixed_point
from jaxrecon.core.checks import check_choice, check_nonnegative
from jaxrecon.core.implicit import DERIVATIVES
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import subtract
from jaxrecon.nn.batch import check_images_and_data
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.spectral import jacobian_norm
from jaxrecon.solvers.anderson import anderson
from jaxrecon.solvers.proximal_gradient import proximal_gradient_step
from jaxrecon.solvers.step_sizes import check_positive


class LearnedStep(Method):
    """x <- function(parameters, x) as a method, whose state is x.

    Args:
        parameters: a pytree: networks, step sizes, operators, data.
        function: pure, static: define it once, not in the function that is differentiated.
    """

    parameters: Any
    function: Callable = static()

    def init(self, x0: Any) -> Any:
        return x0

    def step(self, state: Any) -> Any:
        return self.function(self.parameters, state)

    def solution(self, state: Any) -> Any:
        return state


def equilibrium(
    function: Callable,
    parameters: Any,
    x0: Any,
    length: int = 50,
    *,
    tolerance: Any = 1e-4,
    memory: int = 5,
    derivative: str = "implicit",
    **options: Any,
) -> Solution:
    r"""The fixed point x = function(parameters, x), with its derivatives in all parameters.

    Found by Anderson acceleration, then verified and, where needed, finished by the plain step. The
    derivatives are those of :func:`jaxrecon.fixed_point`: "implicit", exact, by one linear system
    at the solution, or "one step" (Jacobian-free), the cost of a single step. Memory does not
    grow with the number of steps.

    The step should contract in x, by r < 1: then the fixed point is unique and all of this
    converges. Nothing makes a trained network do so; the status tells, and a derivative that
    could not be found is NaN. Spectral normalisation, or a penalty on the Jacobian, keeps r < 1.

    Args:
        function: (parameters, x) -> x, pure, defined once (it is static).
        parameters: pytree.
        x0: start; it has no derivative.
        length: static; at most so many accelerated and so many plain steps.
        tolerance: traced; on the relative change of x in one step.
        memory: of the acceleration, static; 0 for the plain iteration.
        derivative: "implicit" or "one step".
        options: further ones of :func:`jaxrecon.fixed_point`.

    Returns:
        A :class:`Solution`; x has the derivatives.

    Raises:
        ValueError: a negative memory; as :func:`jaxrecon.fixed_point`.

    Source: Bai, Kolter and Koltun, NeurIPS 2019, doi:10.48550/arXiv.1909.01377; one step: Wu Fung
    et al. 2022, doi:10.1609/aaai.v36i6.20619.
    """
    method = LearnedStep(parameters, function)
    check_nonnegative(memory, what="equilibrium", argument="memory")
    solver = anderson(method, memory) if memory else None
    options = {"tolerance": tolerance, "derivative": derivative, "solver": solver, **options}
    return fixed_point(method, x0, length, **options)


def _proximal_gradient(parameters: tuple, x: jax.Array) -> jax.Array:
    network, step_size, operator, measurement = parameters

    def gradient(x: jax.Array) -> jax.Array:
        return operator.adjoint(subtract(operator.apply(x), measurement))

    return proximal_gradient_step(x, gradient, lambda z, _: on_images(network, z), step_size)


class DeepEquilibrium(nnx.Module):
    r"""The fixed point of x = network(x - eta A^H (A x - m)): proximal gradient, run to its end.

    Training and inference take as many steps as they need in the memory of one; more steps do not
    spoil the image. With R the network, R - I eps-Lipschitz and mu <= A^H A <= L, a step contracts
    by (1 + eps) max(|1 - eta mu|, |1 - eta L|), less than 1 only for A of full rank and small eps;
    otherwise see :func:`equilibrium`. Each image of a batch stops on its own.

    Where :meth:`solve` has another status than converged, image and derivatives are not those of a
    fixed point: look at `status` and `residual`, and at :meth:`contraction` for the reason. At 1 or
    more, steps need not contract: add :func:`jaxrecon.nn.lipschitz_penalty` of :meth:`step` to the
    loss, or lower the step size. Below 1, `length` was too short for the tolerance.

    Args:
        network: a network of one channel; of two, real and imaginary part, for complex images.
        step_size: initial eta, learned; 1 / ||A||^2 is safe.
        length, tolerance, memory, derivative: as in :func:`equilibrium`.

    Raises:
        ValueError: a step size that is not positive, a negative memory, another derivative; of a
            call: images or measurements that are not those of the operator, an operator on other
            than two axes, or batches of two sizes; another number of channels.
        TypeError: of a call: images or measurements of another dtype than the operator has.

    Source: Gilton, Ongie and Willett 2021, doi:10.1109/TCI.2021.3118944 (DE-Prox).
    """

    def __init__(
        self,
        network: Any,
        *,
        step_size: float = 1.0,
        length: int = 50,
        tolerance: float = 1e-4,
        memory: int = 5,
        derivative: str = "implicit",
    ):
        what = "DeepEquilibrium"
        check_positive(step_size, what=what, argument="step_size")
        check_nonnegative(memory, what=what, argument="memory")
        check_choice(derivative, DERIVATIVES, what=what, argument="derivative")
        self.network = network
        self.step_size = nnx.Param(jnp.asarray(step_size))
        self.length = length
        self.tolerance = tolerance
        self.memory = memory
        self.derivative = derivative

    def __call__(self, operator: LinearOperator, measurements: Any, x0: jax.Array) -> jax.Array:
        """Reconstruct a batch: the images of :meth:`solve`, (batch, y, x)."""
        return self.solve(operator, measurements, x0).x

    def solve(self, operator: LinearOperator, measurements: Any, x0: jax.Array) -> Solution:
        """The images with how each ended, a batch of :class:`Solution`.

        Args:
            operator: A, on one image (y, x).
            measurements: batch of m, each in the codomain of A.
            x0: images (batch, y, x) to start from, e.g. ``jax.vmap(A.adjoint)(m)``.
        """
        self._check(operator, measurements, x0)

        def one(measurement: Any, x: jax.Array) -> Solution:
            return equilibrium(
                _proximal_gradient,
                self._parameters(operator, measurement),
                x,
                self.length,
                tolerance=self.tolerance,
                memory=self.memory,
                derivative=self.derivative,
            )

        return jax.vmap(one)(measurements, x0)

    def step(self, operator: LinearOperator, measurements: Any, x: jax.Array) -> jax.Array:
        """One step of a batch: network(x - eta A^H (A x - m))."""
        self._check(operator, measurements, x, argument="x")

        def one(measurement: Any, x: jax.Array) -> jax.Array:
            return _proximal_gradient(self._parameters(operator, measurement), x)

        return jax.vmap(one)(measurements, x)

    def contraction(
        self, operator: LinearOperator, measurements: Any, x: jax.Array, *, iterations: int = 20
    ) -> jax.Array:
        """||J||, the norm of the Jacobian of :meth:`step` at each image x, estimated from below.

        Around an image with a norm below 1 the step contracts, and the plain iteration converges
        from there. With 1 or more it may still converge, along the directions that it takes.

        Args:
            operator, measurements: as in :meth:`solve`.
            x: images (batch, y, x), best those that :meth:`solve` ended at.
            iterations: of :func:`jaxrecon.nn.jacobian_norm`.

        Returns:
            (batch,).
        """
        if not jnp.iscomplexobj(x):
            return jacobian_norm(
                lambda x: self.step(operator, measurements, x), x, iterations=iterations
            )

        def in_parts(parts: jax.Array) -> jax.Array:
            out = self.step(operator, measurements, jax.lax.complex(parts[..., 0], parts[..., 1]))
            return jnp.stack([out.real, out.imag], axis=-1)

        return jacobian_norm(in_parts, jnp.stack([x.real, x.imag], axis=-1), iterations=iterations)

    def _check(
        self, operator: LinearOperator, measurements: Any, x: jax.Array, argument: str = "x0"
    ) -> None:
        given = {argument: x, "measurements": measurements}
        check_images_and_data("DeepEquilibrium", operator, **given)

    def _parameters(self, operator: LinearOperator, measurement: Any) -> tuple:
        return self.network, self.step_size[...], operator, measurement
