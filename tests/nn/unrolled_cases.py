"""A small instance of every unrolled scheme, for the tests of what they have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from jaxrecon import nn
from jaxrecon.linops import Matrix
from jaxrecon.linops.fourier import ifft_centred

SHAPE, COUNT, BATCH, STEPS = (6, 6), 20, 2, 3


class Case(NamedTuple):
    """A scheme on data of its own."""

    name: str
    make: Callable[[Any], Any]
    """shared -> module"""
    arguments: tuple
    """of its call"""
    trace: Callable[[Any], Any] = lambda state: state.x
    """state -> images"""
    ends_at_record: bool = True
    """whether the result is the last record"""


def matrix(shape: tuple[int, int], seed: int = 0, dtype: Any = jnp.float32) -> jax.Array:
    """A random matrix of norm 1."""
    a = jax.random.normal(jax.random.key(seed), shape, dtype)
    return a / jnp.linalg.norm(a, 2)


def images(seed: int, dtype: Any = jnp.float32) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), (BATCH, *SHAPE), dtype)


OPERATOR = Matrix(matrix((COUNT, 36)), SHAPE)
COMPLEX = Matrix(matrix((COUNT, 36), 1, jnp.complex64), SHAPE)
POSITIVE = Matrix(jnp.abs(matrix((COUNT, 36), 2)), SHAPE)
SINOGRAM = Matrix(matrix((COUNT, 36), 10), SHAPE, (4, 5))
CODES = Matrix(matrix((12, 30), 3))
DATA = jax.vmap(OPERATOR)(images(4))
COMPLEX_DATA = jax.vmap(COMPLEX)(images(5, jnp.complex64))
COUNTS = 5 * jax.vmap(POSITIVE)(jnp.abs(images(6)))
START = images(7)
SINOGRAMS = jax.vmap(SINOGRAM)(images(11))
KSPACE = jax.random.normal(jax.random.key(12), (BATCH, 3, *SHAPE), jnp.complex64)
LINES = jnp.arange(6) % 2 == 1
SPARSE_DATA = jax.vmap(CODES)(
    jnp.where(jax.random.uniform(jax.random.key(8), (BATCH, 30)) < 0.2, 2, 0.0)
)


def networks(shared: Any, channels: int = 1, make: Callable | None = None) -> Any:
    """Small networks stacked as `shared` says."""

    def small(rngs: nnx.Rngs) -> Any:
        return nn.CNN((4,), (3, 3), inputs=channels, outputs=channels, rngs=rngs)

    make = small if make is None else make
    if shared is True:
        return make(nnx.Rngs(0))
    count = STEPS if shared is False else len(set(shared))
    return nn.stacked(make, count, jax.random.key(9))


def experts(rngs: nnx.Rngs) -> nn.ExpertsGradient:
    return nn.ExpertsGradient(4, size=3, centres=5, bound=2.0, rngs=rngs)


def iterative(kind: Any, **channels: int) -> Callable[[Any], Any]:
    """A learned iterative scheme, whose networks do not start at zero."""
    options: dict[str, Any] = {"operator_norm": 1.0, "features": 4, "scale": 0.3, **channels}
    return lambda shared: kind(STEPS, shared=shared, rngs=nnx.Rngs(0), **options)


def end_to_end(shared: Any) -> nn.EndToEndVariationalNetwork:
    """The first step size has no gradient, as descent starts at the data: none is learned here."""
    return nn.EndToEndVariationalNetwork(
        networks(shared, channels=2), networks(True, channels=2), steps=STEPS, shared=shared,
        step_size=0.5, learned=False,
    )  # fmt: skip


def scheme(kind: Any, **options: Any) -> Callable[[Any], Any]:
    return lambda shared: kind(networks(shared), steps=STEPS, shared=shared, **options)


CASES = [
    Case("proximal gradient", scheme(nn.UnrolledProximalGradient), (OPERATOR, DATA, START)),
    Case(
        "ISTA-Net+",
        lambda shared: nn.ISTANet(STEPS, features=4, shared=shared, rngs=nnx.Rngs(0)),
        (OPERATOR, DATA, START),
    ),
    Case(
        "LISTA",
        lambda shared: nn.LISTA(CODES.matrix, 0.1, steps=STEPS, shared=shared),
        (SPARSE_DATA,),
    ),
    Case(
        "ALISTA",
        lambda shared: nn.ALISTA(
            CODES.matrix, steps=STEPS, shared=shared, threshold=0.05, learn_weights=True
        ),
        (CODES, SPARSE_DATA),
    ),
    Case("half-quadratic", scheme(nn.UnrolledHalfQuadratic), (OPERATOR, DATA, START)),
    Case("ADMM-Net", scheme(nn.ADMMNet, rate=0.8), (OPERATOR, DATA, START), ends_at_record=False),
    Case("MoDL", scheme(nn.MoDL, iterations=30), (OPERATOR, DATA, START)),
    Case(
        "variational network",
        lambda shared: nn.VariationalNetwork(
            networks(shared, make=experts), steps=STEPS, shared=shared
        ),
        (OPERATOR, DATA, START),
    ),
    Case("learned EM", scheme(nn.LearnedEM), (POSITIVE, COUNTS, jnp.ones((BATCH, *SHAPE)), 0.1)),
    Case(
        "learned primal-dual",
        iterative(nn.LearnedPrimalDual, primal=2, dual=2),
        (SINOGRAM, SINOGRAMS, START),
        lambda state: state.primal[..., 0],
    ),
    Case("learned gradient", iterative(nn.LearnedGradient, memory=1), (OPERATOR, DATA, START)),
    Case(
        "end-to-end variational network",
        end_to_end,
        (KSPACE, LINES, jnp.abs(jnp.arange(6) - 3) < 2),
        lambda state: jnp.linalg.norm(ifft_centred(state.kspace, (-2, -1)), axis=1),
        ends_at_record=False,
    ),
]
