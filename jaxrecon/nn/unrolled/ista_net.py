"""ISTA-Net: proximal gradient for images that are sparse under a learned transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon.functionals import soft_threshold
from jaxrecon.nn.convolution import Convolution
from jaxrecon.nn.networks import on_images, stacked
from jaxrecon.nn.unrolled.fidelity import BatchedFidelity
from jaxrecon.nn.unrolled.scheme import UnrolledScheme, networks_of
from jaxrecon.solvers.proximal_gradient import proximal_gradient_step


class TransformThreshold(nnx.Module):
    r"""H'(soft(H(x), theta)), a soft threshold between learned transforms H and H'.

    H = C relu(B .) and H' = C' relu(B' .) are two convolutions each. With `residual`, the form of
    ISTA-Net+, they act on features: x + G(H'(soft(H(D(x)), theta))), D and G convolutions.

    Args:
        features: channels of the transforms.
        channels: channels of the image, 1 for real and 2 for complex ones.
        size: side of the kernels.
        threshold: initial theta > 0, learned through its logarithm.
        residual: True for ISTA-Net+, False for ISTA-Net.
        rngs: random streams of Flax.

    (batch, y, x, channels) to the same.

    Raises:
        ValueError: a threshold that is not positive, an even size.

    Source: Zhang and Ghanem 2018, doi:10.1109/CVPR.2018.00196.
    """

    def __init__(
        self,
        features: int = 32,
        *,
        channels: int = 1,
        size: int = 3,
        threshold: float = 0.01,
        residual: bool = True,
        rngs: nnx.Rngs,
    ):
        if threshold <= 0:
            raise ValueError(f"TransformThreshold: threshold must be positive, got {threshold}.")

        def convolution(inputs: int, outputs: int, scale: float = 1.0) -> Convolution:
            return Convolution(inputs, outputs, size=size, scale=scale, bias=False, rngs=rngs)

        outer = features if residual else channels
        self.forward = nnx.List([convolution(outer, features), convolution(features, features)])
        self.backward = nnx.List([convolution(features, features), convolution(features, outer)])
        self.encode = convolution(channels, features) if residual else None
        self.decode = convolution(features, channels, scale=0.1) if residual else None
        self.log_threshold = nnx.Param(jnp.log(jnp.asarray(threshold)))

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.with_asymmetry(x)[0]

    def with_asymmetry(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The result, and mean |H'(H(d)) - d|^2 for d = D(x) (x without `residual`), which training
        keeps small so that H' inverts H."""
        inside = x if self.encode is None else self.encode(x)
        coefficients = _transform(self.forward, inside)
        theta = jnp.exp(self.log_threshold[...])
        shrunk = _transform(self.backward, soft_threshold(coefficients, theta))
        y = shrunk if self.decode is None else x + self.decode(shrunk)
        return y, jnp.mean((_transform(self.backward, coefficients) - inside) ** 2)


def _transform(layers: Any, x: jax.Array) -> jax.Array:
    first, second = layers
    return second(first(x, rectified=True))


class ISTANetState(NamedTuple):
    """The iterate, and the asymmetry of the transforms where the step was taken."""

    x: Any
    asymmetry: jax.Array


class ISTANet(UnrolledScheme):
    r"""ISTA-Net+: z = x - eta_k grad f(x), x = T_k(z), T_k a :class:`TransformThreshold`.

    The loss of the paper is ``mean((x - truth)**2) + 0.01 * a.sum()``, ::

        x, a = module(A, m, x0, trace=lambda s: s.asymmetry)

    With T_k the soft threshold in x (H and H' the identity) it is ISTA.

    Args:
        steps: K.
        features, size, threshold, residual: as in :class:`TransformThreshold`.
        channels: 1 for real and 2 for complex images.
        shared: False (as in the paper), True, or for each step the index of its T; see
            :class:`UnrolledScheme`.
        step_size: initial eta_k; 1 / ||A||^2 is safe.
        learned: whether the step sizes are trained.
        rngs: random streams of Flax.

    Raises:
        ValueError: as :class:`UnrolledScheme` and :class:`TransformThreshold`.

    Source: Zhang and Ghanem 2018, doi:10.1109/CVPR.2018.00196.
    """

    def __init__(
        self,
        steps: int = 9,
        *,
        features: int = 32,
        channels: int = 1,
        size: int = 3,
        threshold: float = 0.01,
        residual: bool = True,
        shared: bool | Sequence[int] = False,
        step_size: Any = 1.0,
        learned: bool = True,
        rngs: nnx.Rngs,
    ):
        options: dict[str, Any] = {
            "channels": channels, "size": size, "threshold": threshold, "residual": residual
        }  # fmt: skip

        def make(r: nnx.Rngs) -> TransformThreshold:
            return TransformThreshold(features, rngs=r, **options)

        count = networks_of(steps, shared, what="ISTANet")
        network = make(rngs) if shared is True else stacked(make, count, rngs.params())
        super().__init__(network, steps=steps, shared=shared)
        self.step_sizes = self.per_step(step_size, "step_size", learned=learned)

    def numbers(self) -> jax.Array:
        return self.step_sizes[...]

    def init(self, x0: jax.Array) -> ISTANetState:
        return ISTANetState(x0, jnp.zeros((), x0.real.dtype))

    def step(
        self, fidelity: BatchedFidelity, network: Any, numbers: jax.Array, state: ISTANetState
    ) -> ISTANetState:
        asymmetry = []

        def transform(channels: jax.Array) -> jax.Array:
            y, error = network.with_asymmetry(channels)
            asymmetry.append(error)
            return y

        x = proximal_gradient_step(
            state.x, fidelity.grad, lambda z, _: on_images(transform, z), numbers
        )
        return ISTANetState(x, asymmetry[0])
