"""Random elements of spaces, and inner products and norms in double precision on the host."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.core.checks import Space, describe, is_complex, struct_of


def random_element(key: Any, space: Space, *, nonnegative: bool = False) -> Any:
    """A random element of a space: standard normal, real and imaginary parts independent.

    Args:
        key: JAX key, or a numpy Generator. Numbers are drawn on the host, which compiles nothing.
        space: a ShapeDtypeStruct or a pytree of them, such as ``A.domain``.
        nonnegative: take absolute values (of both parts where complex).
    """
    generator = generator_of(key)
    return jax.tree.map(lambda s: jnp.asarray(normal(generator, s, nonnegative)), space)


def generator_of(key: Any) -> np.random.Generator:
    """A numpy Generator seeded by a JAX key (key(0) for None)."""
    if isinstance(key, np.random.Generator):
        return key
    key = jax.random.key(0) if key is None else key
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return np.random.default_rng(np.asarray(jax.random.key_data(key) if typed else key))


def normal(generator: np.random.Generator, s: Any, nonnegative: bool = False) -> np.ndarray:
    """One random leaf, as a numpy array."""
    parts = generator.standard_normal((2, *s.shape))
    parts = np.abs(parts) if nonnegative else parts
    return (parts[0] + 1j * parts[1] if is_complex(s.dtype) else parts[0]).astype(s.dtype)


def on_host(x: Any) -> Any:
    """The leaves as numpy arrays."""
    return jax.tree.map(np.asarray, x)


def double(a: Any) -> np.ndarray:
    a = np.asarray(a)
    return a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)


def vdot(x: Any, y: Any) -> Any:
    """<x, y> over the leaves, conjugate-linear in x."""
    pairs = zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True)
    return sum(np.vdot(double(a), double(b)) for a, b in pairs)


def norm(x: Any) -> float:
    return float(np.sqrt(sum(np.sum(np.abs(double(a)) ** 2) for a in jax.tree.leaves(x))))


def largest(x: Any) -> float:
    """The largest absolute value of an entry."""
    return max(float(np.max(np.abs(double(a)), initial=0.0)) for a in jax.tree.leaves(x))


def difference(x: Any, y: Any) -> Any:
    return jax.tree.map(lambda a, b: double(a) - double(b), x, y)


def epsilon(space: Space) -> float:
    """Relative precision of the coarsest leaf."""
    return max(float(jnp.finfo(s.dtype).eps) for s in jax.tree.leaves(space))


def tiny(space: Space) -> float:
    return max(float(jnp.finfo(s.dtype).tiny) for s in jax.tree.leaves(space))


def by_precision(given: float | None, space: Space, single: float, double: float) -> float:
    """The given tolerance, or the default for the precision of the space."""
    if given is not None:
        return given
    return single if epsilon(space) > 1e-10 else double


def assert_in_space(x: Any, space: Space, what: str) -> None:
    got = struct_of(x)
    same = jax.tree.structure(got) == jax.tree.structure(space)
    pairs = zip(jax.tree.leaves(got), jax.tree.leaves(space), strict=False)
    same = same and all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
    assert same, f"{what} is {describe(got)}, expected {describe(space)}."


def name_of(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)
