"""Deep image prior: an untrained network fitted to one measurement, and stopped in time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax import lax

from jaxrecon.core import Functional, Method, Solution, solve_until
from jaxrecon.core.checks import check_nonnegative, check_positive_int
from jaxrecon.core.pytree import static
from jaxrecon.solvers.step_sizes import check_positive


class DeepImagePriorState(NamedTuple):
    """Where the fit is."""

    parameters: Any
    optimiser: Any
    average: jax.Array
    """the exponentially weighted mean of the images so far, and its variance (a number)"""
    variance: jax.Array
    best: jax.Array
    """the mean where its variance was least, that variance, and the steps since then"""
    least: jax.Array
    since: jax.Array
    window: jax.Array
    """the last values of the fidelity"""
    count: jax.Array
    key: jax.Array


class DeepImagePrior(Method):
    r"""The fit of a network to one measurement. Made by :func:`deep_image_prior`."""

    fidelity: Functional
    regulariser: Functional | None
    inputs: jax.Array
    perturbation: Any
    smoothing: Any
    rest: Any
    key: jax.Array
    graph: Any = static()
    optimiser: Any = static()
    length: int = static()
    early: bool = static()

    def image(self, parameters: Any, inputs: jax.Array) -> jax.Array:
        image = nnx.merge(self.graph, parameters, self.rest)(inputs[None])[0]
        if image.shape[-1] > 2:
            raise ValueError(
                "deep_image_prior expected a network of one output channel, or of two for complex "
                f"images, got {image.shape[-1]}."
            )
        return image[..., 0] if image.shape[-1] == 1 else lax.complex(image[..., 0], image[..., 1])

    def init(self, x0: Any) -> DeepImagePriorState:
        image = self.image(x0, self.inputs)
        infinity = jnp.full((), jnp.inf, image.real.dtype)
        none = jnp.zeros((), jnp.int32)
        window = jnp.full(self.length, infinity)
        fit = self.optimiser.init(x0)
        variance = jnp.zeros_like(infinity)
        return DeepImagePriorState(
            x0, fit, image, variance, image, infinity, none, window, none, self.key
        )

    def step(self, state: DeepImagePriorState) -> DeepImagePriorState:
        key, draw = jax.random.split(state.key)
        noise = jax.random.normal(draw, self.inputs.shape, self.inputs.dtype)
        inputs = self.inputs + jnp.asarray(self.perturbation, noise.dtype) * noise

        def cost(parameters: Any) -> tuple[jax.Array, tuple]:
            image = self.image(parameters, inputs)
            misfit = self.fidelity(image)
            penalty = 0 if self.regulariser is None else self.regulariser(image)
            return misfit + penalty, (image, misfit)

        (_, (image, misfit)), slope = jax.value_and_grad(cost, has_aux=True)(state.parameters)
        updates, fit = self.optimiser.update(slope, state.optimiser, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        window = state.window.at[state.count % self.length].set(misfit.astype(state.window.dtype))
        share = 1 - jnp.asarray(self.smoothing, state.variance.dtype)
        away = image - state.average
        variance = (1 - share) * (state.variance + share * jnp.mean(jnp.abs(away) ** 2))
        average = state.average + share * away
        settled = state.count >= self.length
        better = settled & (variance < state.least)
        return DeepImagePriorState(
            parameters,
            fit,
            average,
            variance,
            jnp.where(better, average, state.best),
            jnp.where(better, variance, state.least),
            jnp.where(better | ~settled, 0, state.since + 1),
            window,
            state.count + 1,
            key,
        )

    def solution(self, state: DeepImagePriorState) -> jax.Array:
        """The mean of the last images; with patience, that of least variance once there is one."""
        if not self.early:
            return state.average
        return jnp.where(jnp.isfinite(state.least), state.best, state.average)


def deep_image_prior(
    network: nnx.Module,
    fidelity: Functional,
    inputs: jax.Array,
    length: int,
    *,
    key: jax.Array,
    discrepancy: Any = None,
    patience: int | None = None,
    window: int = 100,
    regulariser: Functional | None = None,
    perturbation: Any = 1 / 30,
    optimiser: Any = None,
    trace: Callable | None = None,
    every: int = 1,
) -> Solution:
    r"""min over the weights of f(network(z)) + g(network(z)), z a fixed random input, ended early.

    A convolutional network fits natural structure sooner than noise, so that the image on the way
    is the reconstruction and the end, where the noise is fitted, is not. The result is the
    exponentially weighted mean of the images, over about `window` steps. It stops where

    - `discrepancy` is given: the mean of the last `window` values of f is at most that. For
      f = 1/2 ||A x - m||^2 with n data of the noise sigma take n sigma^2 / 2.
    - `patience` is given, the noise level being unknown: the variance of the images around that
      mean has not reached a new minimum for so many steps; the result is the mean at the minimum.

    With neither it takes all steps. Nothing is convex here, and another key gives another image.

    Args:
        network: (1, y, x, channels) -> (1, y, x, 1), untrained; it is not changed. With two output
            channels, real and imaginary part, the image is complex.
        fidelity: f, of an image (y, x).
        inputs: z (y, x, channels), e.g. ``jax.random.uniform(key, (64, 64, 16), maxval=0.1)``.
        length: static; at most so many steps.
        key: JAX key of the perturbations.
        discrepancy: traced.
        patience: static.
        window: static; a few tens or hundreds of steps.
        regulariser: g with a gradient, e.g. ``weight * HuberTotalVariation(...)``.
        perturbation: standard deviation of normal noise that is added to z anew in each step.
        optimiser: an optax transformation; Adam with 0.01 by default.
        trace, every: as in :func:`jaxrecon.solve_until`.

    Returns:
        A :class:`Solution`. Its status is CONVERGED where a criterion stopped it, and the state
        has the weights (``state.parameters``).

    Raises:
        ValueError: numbers that are not positive, where known; more than two output channels.

    Source: Ulyanov, Vedaldi and Lempitsky 2018, doi:10.1109/CVPR.2018.00984; stopping by the
    variance: Wang et al., TMLR 2023, doi:10.48550/arXiv.2112.06074 (its ES-EMV).
    """
    what = "deep_image_prior"
    window = check_positive_int(window, what=what, argument="window")
    check_nonnegative(perturbation, what=what, argument="perturbation")
    if discrepancy is not None:
        check_positive(discrepancy, what=what, argument="discrepancy")
    if patience is not None:
        patience = check_positive_int(patience, what=what, argument="patience")
    graph, parameters, rest = nnx.split(network, nnx.Param, ...)
    optimiser = optax.adam(1e-2) if optimiser is None else optimiser
    method = DeepImagePrior(
        fidelity,
        regulariser,
        inputs,
        perturbation,
        1 - 1 / window,
        rest,
        key,
        graph,
        optimiser,
        window,
        patience is not None,
    )

    def left(state: DeepImagePriorState) -> jax.Array:
        """At most 1 where a criterion is met; infinite where there is none to measure by."""
        ratio = jnp.full_like(state.variance, jnp.inf)
        if discrepancy is not None:
            ratio = jnp.mean(state.window) / discrepancy
        if patience is not None:
            ratio = jnp.where(state.since >= patience, 0, ratio)
        return ratio.astype(state.variance.dtype)

    return solve_until(
        method, parameters, length, tolerance=1.0, residual=left, trace=trace, every=every
    )
