"""Our side of the benchmarks of unrolled networks: a training step of proximal gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from timing import compiled

from jaxrecon import nn
from jaxrecon.linops import Matrix
from jaxrecon.train.step import in_parts

SIDE, BATCH, COUNT = 64, 16, 333


class Case(NamedTuple):
    """Compressed sensing, unrolled with a shared residual chain of 3x3 convolutions."""

    steps: int
    depth: int
    features: int


def arrays() -> dict[str, np.ndarray]:
    """A matrix (M, N) of norm one, images, and their measurements."""
    random = np.random.default_rng(0)
    matrix = random.standard_normal((COUNT, SIDE * SIDE))
    matrix /= np.linalg.norm(matrix, 2)
    truth = random.random((BATCH, SIDE, SIDE))
    data = truth.reshape(BATCH, -1) @ matrix.T
    found = {"matrix": matrix, "truth": truth, "measurements": data}
    return {name: a.astype(np.float32) for name, a in found.items()}


class Training:
    """The compiled training step with its state: loss, gradient, and an update by Adam.

    The batch is taken in `accumulate` parts as `jaxrecon.train.fit` does it.
    """

    def __init__(
        self,
        case: Case,
        data: dict[str, np.ndarray],
        *,
        remat: bool = True,
        accumulate: int = 1,
    ):
        network = nn.DnCNN(case.depth, case.features, rngs=nnx.Rngs(0))
        module = nn.UnrolledProximalGradient(network, steps=case.steps, shared=True)
        graph, self.parameters, rest = nnx.split(module, nnx.Param, ...)
        self.weights = {
            f"{kind}.{i}": np.asarray(getattr(layer, kind)[...])
            for i, layer in enumerate(network.layers)
            for kind in ("kernel", "bias")
        }
        operator = Matrix(jnp.asarray(data["matrix"]), (SIDE, SIDE))
        truth, m = jnp.asarray(data["truth"]), jnp.asarray(data["measurements"])
        adam = optax.adam(1e-4)
        self.state = adam.init(self.parameters)
        self.data = (operator, m, truth)

        def run(parameters: Any, operator: Any, m: Any) -> Any:
            x0 = jax.vmap(operator.adjoint)(m)
            return nnx.merge(graph, parameters, rest)(operator, m, x0, remat=remat)

        def loss(parameters: Any, operator: Any, m: Any, truth: Any) -> Any:
            return jnp.mean((run(parameters, operator, m) - truth) ** 2)

        def slope(parameters: Any, operator: Any, m: Any, truth: Any) -> tuple:
            def of_part(parameters: Any, part: tuple, key: Any) -> tuple:
                return jax.value_and_grad(loss)(parameters, operator, *part)

            return in_parts(of_part, parameters, (m, truth), jax.random.key(0), accumulate)

        def update(parameters: Any, state: Any, operator: Any, m: Any, truth: Any) -> tuple:
            value, gradient = slope(parameters, operator, m, truth)
            updates, state = adam.update(gradient, state, parameters)
            return optax.apply_updates(parameters, updates), state, value

        self.executable, self.compile_seconds = compiled(
            nn.jit(update), self.parameters, self.state, *self.data
        )
        self._run, self._gradient = nn.jit(run), nn.jit(lambda *given: slope(*given)[1])

    def __call__(self) -> Any:
        self.parameters, self.state, value = self.executable(
            self.parameters, self.state, *self.data
        )
        return jax.block_until_ready(value)

    def results(self) -> dict[str, np.ndarray]:
        """The reconstruction, and the gradients of the kernels."""
        gradient = self._gradient(self.parameters, *self.data)
        kernels = [layer["kernel"] for layer in _layers(gradient)]
        found = {f"gradient.{i}": np.asarray(k[...]) for i, k in enumerate(kernels)}
        return found | {"output": np.asarray(self._run(self.parameters, *self.data[:2]))}


def _layers(gradient: Any) -> list:
    layers = gradient["network"]["layers"]
    return [layers[i] for i in range(len(layers))]
