"""Learned ISTA for sparse codes: LISTA with learned matrices, ALISTA with analytic weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.core import Tracer

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import check_real, is_complex, struct
from jaxrecon.core.products import matmul
from jaxrecon.functionals import soft_threshold
from jaxrecon.linops import Matrix
from jaxrecon.nn.batch import check_batched
from jaxrecon.nn.direct import Frozen
from jaxrecon.nn.unrolled.scheme import UnrolledScheme, networks_of
from jaxrecon.solvers.proximal_gradient import ISTAState, proximal_gradient_step
from jaxrecon.solvers.step_sizes import check_positive


class ListaWeights(nnx.Module):
    """The matrices of a step of LISTA: W_e on the data, S on the code."""

    def __init__(self, encode: jax.Array, recur: jax.Array):
        self.encode = nnx.Param(encode)
        self.recur = nnx.Param(recur)

    def __call__(self, x: jax.Array, measurements: jax.Array) -> jax.Array:
        return matmul(measurements, self.encode[...].T) + matmul(x, self.recur[...].T)


class LISTA(UnrolledScheme):
    r"""Learned ISTA: x <- soft(W_e m + S x, theta_k), k = 1 ... K, from x = 0.

    It starts as ISTA for 1/2 ||A x - m||^2 + weight ||x||_1 with the step s = 1 / ||A||^2:
    W_e = s A^T, S = I - s A^T A, theta = s weight.

    Args:
        matrix: A, real (M, N).
        weight: > 0, of the l1 norm.
        steps: K.
        shared: whether W_e and S are those of all steps (True, as in the paper), of each step, or
            of groups of steps; see :class:`UnrolledScheme`. Each step has a threshold of its own.
        learned: whether the thresholds are trained, through their logarithms.

    Raises:
        TypeError: a complex matrix.
        ValueError: a matrix without two axes or of zeros, a weight that is not positive and finite;
            as :class:`UnrolledScheme`.

    Source: Gregor and LeCun, Learning fast approximations of sparse coding, ICML 2010.
    """

    def __init__(
        self,
        matrix: Any,
        weight: float,
        *,
        steps: int,
        shared: bool | Sequence[int] = True,
        learned: bool = True,
    ):
        _check_axes(matrix, what="LISTA")
        check_real(matrix, what="LISTA", argument="matrix")
        check_positive(weight, what="LISTA", argument="weight")
        a = np.asarray(matrix)
        norm = np.linalg.norm(a, 2)
        check_positive(norm, what="LISTA", argument="the norm of the matrix")
        step = 1 / norm**2
        recur = np.eye(a.shape[1], dtype=a.dtype) - step * a.T @ a
        network = ListaWeights(jnp.asarray(step * a.T), jnp.asarray(recur))
        if shared is not True:
            count = networks_of(steps, shared, what="LISTA")
            network = jax.tree.map(lambda a: jnp.stack([a] * count), network)
        super().__init__(network, steps=steps, shared=shared)
        self.log_thresholds = self.log_per_step(step * weight, "weight", learned=learned)

    def numbers(self) -> jax.Array:
        return jnp.exp(self.log_thresholds[...])

    def __call__(
        self, measurements: jax.Array, *, trace: Callable | None = None, remat: bool | int = True
    ) -> Any:
        """Codes (batch, N) of measurements (batch, M); trace and remat as in
        :class:`UnrolledScheme`.

        Raises:
            ValueError: measurements of another shape.
            TypeError: measurements of another dtype than the matrix has.
        """
        codes, data = self.network.recur.shape[-1], self.network.encode
        check_batched("LISTA", measurements=(measurements, struct(data.shape[-1], data.dtype)))

        def step(network: ListaWeights, threshold: jax.Array, state: ISTAState) -> ISTAState:
            return ISTAState(soft_threshold(network(state.x, measurements), threshold))

        x0 = jnp.zeros((*measurements.shape[:-1], codes), measurements.dtype)
        state, history = self.run(step, ISTAState(x0), trace=trace, remat=remat)
        return state.x if trace is None else (state.x, history)


class ALISTA(UnrolledScheme):
    r"""Analytic LISTA: x <- soft(x - gamma_k W^H (A x - m), theta_k), k = 1 ... K, from x = 0.

    W is computed from A beforehand, without data, and only the 2 K numbers are learned. With W = A,
    gamma = s and theta = s weight it is ISTA with the step s.

    Args:
        weights: W, (M, N), e.g. :func:`analytic_weights` of A. Stored, and not trained unless
            `learn_weights`, which makes it LISTA with coupled weights.
        steps: K.
        step_size: initial gamma_k; 1 suits analytic weights.
        threshold: initial theta_k > 0, learned through its logarithm.
        shared: True, one W for all steps; False or indices, as in :class:`UnrolledScheme`, copies
            of it: for `learn_weights`.
        learned: whether the numbers are trained.
        learn_weights: whether W is trained; real ones only.

    Raises:
        ValueError: weights without two axes, a threshold that is not positive; as
            :class:`UnrolledScheme`.
        TypeError: complex weights that are to be trained.

    Source: Liu, Chen, Wang and Yin, ALISTA: analytic weights are as good as learned weights in
    LISTA, ICLR 2019; coupled weights: Chen, Liu, Wang and Yin, NeurIPS 2018,
    doi:10.48550/arXiv.1808.10038.
    """

    def __init__(
        self,
        weights: Any,
        *,
        steps: int,
        step_size: Any = 1.0,
        threshold: Any = 0.1,
        shared: bool | Sequence[int] = True,
        learned: bool = True,
        learn_weights: bool = False,
    ):
        _check_axes(weights, what="ALISTA")
        weights = jnp.asarray(weights)
        if learn_weights:
            check_real(weights, what="ALISTA(learn_weights=True)", argument="weights")
        if shared is not True:
            weights = jnp.stack([weights] * networks_of(steps, shared, what="ALISTA"))
        network = (nnx.Param if learn_weights else Frozen)(weights)
        super().__init__(network, steps=steps, shared=shared)
        self.step_sizes = self.per_step(step_size, "step_size", learned=learned)
        self.log_thresholds = self.log_per_step(threshold, "threshold", learned=learned)

    def numbers(self) -> tuple[jax.Array, jax.Array]:
        return self.step_sizes[...], jnp.exp(self.log_thresholds[...])

    def __call__(
        self,
        operator: LinearOperator,
        measurements: jax.Array,
        *,
        trace: Callable | None = None,
        remat: bool | int = True,
    ) -> Any:
        """Codes of a batch.

        Args:
            operator: A, on one code of N entries in any shape.
            measurements: batch of m, each in the codomain of A.
            trace, remat: as in :class:`UnrolledScheme`.

        Raises:
            ValueError: measurements that do not fit the operator.
            TypeError: measurements of another dtype than the operator has; complex weights for a
                real one.
        """
        if not is_complex(operator.domain.dtype):
            check_real(self.network[...], what="ALISTA", argument="W for a real operator")
        check_batched("ALISTA", measurements=(measurements, operator.codomain))
        space = operator.domain

        def step(network: Any, numbers: tuple, state: ISTAState) -> ISTAState:
            step_size, threshold = numbers
            w = Matrix(network[...].astype(space.dtype), space.shape, operator.codomain.shape)

            def gradient(x: jax.Array) -> jax.Array:
                return jax.vmap(lambda a, m: w.adjoint(operator(a) - m))(x, measurements)

            x = proximal_gradient_step(
                state.x, gradient, lambda z, _: soft_threshold(z, threshold), step_size
            )
            return ISTAState(x)

        x0 = jnp.zeros((measurements.shape[0], *space.shape), space.dtype)
        state, history = self.run(step, ISTAState(x0), trace=trace, remat=remat)
        return state.x if trace is None else (state.x, history)


def analytic_weights(matrix: Any) -> jax.Array:
    r"""The weights of ALISTA: W = argmin ||W^H A||_F^2 subject to w_i^H a_i = 1 for each column i.

    The columns are independent, and each has a closed form: w_i = G^+ a_i / (a_i^H G^+ a_i) with
    G = A A^H. The products w_i^H a_j, j /= i, are as small as they can be together.

    Args:
        matrix: A, (M, N), real or complex.

    Returns:
        (M, N), of the dtype of A.

    Raises:
        ValueError: a matrix without two axes, or (where concrete) with a column of zeros.

    Source: Liu, Chen, Wang and Yin, ALISTA, ICLR 2019, eq. (16).
    """
    _check_axes(matrix, what="analytic_weights")
    matrix = jnp.asarray(matrix)
    if not isinstance(matrix, Tracer) and not np.all(np.any(np.asarray(matrix) != 0, axis=0)):
        raise ValueError("analytic_weights expected columns that are not zero: w^H a = 1 for each.")
    inverse = jnp.linalg.pinv(matrix)  # (G^+ A)^H
    diagonal = jnp.sum(inverse * matrix.T, axis=1)
    return (inverse / diagonal[:, None]).conj().T


def _check_axes(matrix: Any, *, what: str) -> None:
    if jnp.ndim(matrix) != 2:
        raise ValueError(f"{what} expected a matrix (M, N), got the shape {jnp.shape(matrix)}.")
