"""Fourier transforms of the unit ball and of monomials on it, in the plane and in space."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# by dtype: up to which argument the integral is used, its nodes, and terms of the expansion beyond
_SETTINGS = {"float32": (12.0, 16, 8), "float64": (28.0, 36, 16)}


def ball_transforms(kappa: Any, dimension: int, orders: int = 0) -> list[jax.Array]:
    r"""T_m(k) = (2 pi)^(d/2) J_(d/2+m)(k) / k^(d/2+m) for m = 0 to orders; T_0 is the unit ball's.

    T_0 = 2 pi J_1(k) / k for the disc, 4 pi (sin k - k cos k) / k^3 for the ball, and
    dT_m/dk = -k T_(m+1). Small arguments by Poisson's integral of (1 - t^2)^(m+(d-1)/2) cos(k t)
    with a Gauss rule, which has no cancellation at 0, large ones by Hankel's expansion, which is
    exact in space. Absolute error below 1e-6 of T_m(0) in float32, 1e-14 in float64.

    Args:
        kappa: real, >= 0, any shape. For derivatives at 0 it must be a smooth function there.
        dimension: 2 or 3.
        orders: highest m, small.

    Returns:
        orders + 1 arrays like kappa.

    Source: NIST Digital Library of Mathematical Functions, 10.9.4 and 10.17.3.
    """
    kappa = jnp.asarray(kappa)
    split, nodes, terms = _SETTINGS[kappa.dtype.name]
    near, far = jnp.minimum(kappa, split), jnp.maximum(kappa, split)
    places, weights = _rule(dimension, orders, nodes)
    sums = [jnp.zeros_like(kappa) for _ in range(orders + 1)]
    for place, weight in zip(places, weights, strict=True):
        cosine = jnp.cos(near * place)
        sums = [s + w * cosine for s, w in zip(sums, weight, strict=True)]
    cos, sin, inverse = jnp.cos(far), jnp.sin(far), 1 / far
    return [
        jnp.where(kappa < split, near_m, _hankel(cos, sin, inverse, dimension, m, terms))
        for m, near_m in enumerate(sums)
    ]


@lru_cache
def _rule(dimension: int, orders: int, nodes: int) -> tuple[list[float], list[list[float]]]:
    """Positive nodes and, for each, weights of all orders: those of -t are included."""
    if dimension == 2:
        angle = np.pi * np.arange(1, nodes + 1) / (nodes + 1)
        t, w = np.cos(angle), np.pi / (nodes + 1) * np.sin(angle) ** 2
    else:
        t, w = np.polynomial.legendre.leggauss(nodes)
        w = w * (1 - t**2)
    half = t > 0  # nodes are even, so that none lies at 0
    t, w = t[half], 2 * w[half]
    factors = [
        math.pi ** ((dimension - 1) / 2) / (2**m * math.gamma((dimension + 1) / 2 + m))
        for m in range(orders + 1)
    ]
    weights = np.stack([f * w * (1 - t**2) ** m for m, f in enumerate(factors)], axis=1)
    return t.tolist(), weights.tolist()


def _hankel(
    cos: jax.Array, sin: jax.Array, inverse: jax.Array, dimension: int, m: int, terms: int
) -> jax.Array:
    """T_m for large arguments, given cosine, sine and inverse of them."""
    order = dimension / 2 + m
    coefficients = [1.0]  # a_k
    for k in range(1, terms + 1):
        coefficients.append(coefficients[-1] * (4 * order**2 - (2 * k - 1) ** 2) / (8 * k))
    even, odd = jnp.zeros_like(cos), jnp.zeros_like(cos)
    square = inverse * inverse
    signed = [(-1) ** (k // 2) * a for k, a in enumerate(coefficients)]
    for a in signed[0::2][::-1]:
        even = even * square + a
    for a in signed[1::2][::-1]:
        odd = odd * square + a
    odd = odd * inverse
    shift = (order / 2 + 0.25) * math.pi
    cosine = cos * math.cos(shift) + sin * math.sin(shift)
    sine = sin * math.cos(shift) - cos * math.sin(shift)
    power = inverse ** (order + 0.5)
    scale = (2 * math.pi) ** (dimension / 2) * math.sqrt(2 / math.pi)
    return scale * power * (even * cosine - odd * sine)


def monomial_exponents(dimension: int, degree: int) -> list[tuple[int, ...]]:
    """Exponents of all monomials up to a total degree, in the order of the degree."""
    every = product(range(degree + 1), repeat=dimension)
    return sorted((e for e in every if sum(e) <= degree), key=lambda e: (sum(e), e))


def monomial_transforms(kappa: Any, exponents: list[tuple[int, ...]]) -> jax.Array:
    r"""Integrals of u^e exp(-i kappa . u) over the unit ball, for each tuple of exponents e.

    They are i^|e| d^e T_0(|kappa|), and each derivative a sum of T_m times powers of kappa, as
    dT_m/dkappa_i = -kappa_i T_(m+1).

    Args:
        kappa: (*samples, d), real.
        exponents: tuples of d integers.

    Returns:
        (len(exponents), *samples), complex.
    """
    d = kappa.shape[-1]
    square = jnp.sum(kappa**2, axis=-1)
    length = jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)
    transforms = ball_transforms(length, d, max(sum(e) for e in exponents))
    out = []
    for exponent in exponents:
        total = jnp.zeros_like(length)
        for pairs in product(*(range(a // 2 + 1) for a in exponent)):
            factor, power = 1.0, jnp.ones_like(length)
            for axis, (a, m) in enumerate(zip(exponent, pairs, strict=True)):
                factor *= (-1) ** (a - m) * math.factorial(a)
                factor /= math.factorial(m) * math.factorial(a - 2 * m) * 2**m
                power = power * kappa[..., axis] ** (a - 2 * m)
            total = total + factor * power * transforms[sum(exponent) - sum(pairs)]
        turn = 1j ** sum(exponent)
        out.append(jax.lax.complex(turn.real * total, turn.imag * total))
    return jnp.stack(out)
