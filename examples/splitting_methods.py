"""Splitting methods: deblurring without a smooth cost, by ADMM, primal-dual methods and others.

A photograph of 512x512 pixels is blurred, averaged onto 128x128 pixels and measured with noise, but
for its border. The image x repeats, so that K and D are diagonal in Fourier space, and a mask M
leaves out what is not measured, and with it the wrong neighbours over the border. Two forms:

1. total variation as a penalty, min_x 1/2 ||M K x - m||^2 + weight ||D x||_{2,1}: which method is
   fast, and what exact x-updates by FFT are worth;
2. constrained by the noise, min_x R(x) subject to ||M K x - m|| <= sigma sqrt(n) and 0 <= x <= 1,
   where no weight has to be chosen: total variation, total generalised variation, and wavelets.

    python examples/splitting_methods.py [output folder] [--seconds 1.5] [--steps 600]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import Functional, LinearOperator, Method, iterate, metrics, noise, plot
from jaxrecon import separable, solve, stack
from jaxrecon.core import Pytree
from jaxrecon.data.images import packaged_image, reduce
from jaxrecon.functionals import (
    Box,
    L2Ball,
    LeastSquares,
    TotalGeneralisedVariation,
    TotalVariation,
    WaveletL1,
    Zero,
)
from jaxrecon.linops import Convolution, Mask
from jaxrecon.solvers import (
    adaptive_primal_dual,
    admm,
    douglas_rachford,
    fista,
    fourier_update,
    half_quadratic_splitting,
    geometric_penalties,
    linearised_admm,
    operator_norm,
    primal_dual_hybrid_gradient,
)

SIZE, BLUR = 128, 1.5  # standard deviation of the point spread function, in pixels
SIGMA = 0.01
WEIGHT = 1e-3


class Data(Pytree):
    """What is measured: m on the grid of the image, 0 where nothing is, the mask, and K."""

    blur: Convolution
    mask: jax.Array
    values: jax.Array

    @property
    def measured(self) -> LinearOperator:
        """M K."""
        return Mask(self.mask, dtype=self.values.dtype) @ self.blur

    @property
    def fidelity(self) -> LeastSquares:
        """1/2 ||M K x - m||^2."""
        return LeastSquares(self.blur, self.values, self.mask.astype(self.values.dtype))

    @property
    def ball(self) -> Functional:
        """||M K x - m|| <= sigma sqrt(n)."""
        return L2Ball(SIGMA * jnp.sqrt(jnp.sum(self.mask)), self.values)


def gaussian(sigma: float) -> np.ndarray:
    """A Gaussian point spread function cut off at 4 sigma."""
    radius = int(np.ceil(4 * sigma))
    profile = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return (kernel / kernel.sum()).astype(np.float32)


def measure(size: int) -> tuple[np.ndarray, Data]:
    """The photograph on size x size, and what is measured of it: all but the border.

    It is blurred at its 512x512 pixels, so that the model has not made its own data.
    """
    fine = packaged_image("astronaut.png")
    factor = len(fine) // size
    blur = Convolution(jnp.asarray(gaussian(BLUR * factor)), fine.shape, "valid")
    clean = reduce(np.asarray(jax.jit(blur.apply)(jnp.asarray(fine))), factor)
    values = noise.gaussian(jax.random.key(0), clean, SIGMA)
    lost = (size - len(clean)) // 2
    mask = jnp.pad(jnp.ones_like(values, bool), lost)
    kernel = Convolution(jnp.asarray(gaussian(BLUR)), (size, size))
    return reduce(fine, factor), Data(kernel, mask, jnp.pad(values, lost))


def penalised(data: Data) -> dict[str, Callable[[], Method]]:
    """Methods for the first form; penalties and steps are set by hand where none is default."""
    shape = data.values.shape
    total_variation = TotalVariation(shape, boundary="periodic")
    norm, difference = total_variation.split()
    norm = WEIGHT * norm
    data_term = LeastSquares(None, data.values, data.fidelity.weights)
    both, operator = separable(data_term, norm), stack(data.blur, difference)
    exact = fourier_update(Zero(), operator)
    return {
        "ADMM, exact by FFT": lambda: admm(Zero(), both, operator, PENALTY, x_update=exact),
        "  adaptive penalty": lambda: admm(
            Zero(), both, operator, 1.0, x_update=exact, adaptive=True
        ),
        "ADMM, conjugate gradients": lambda: admm(data.fidelity, norm, difference, PENALTY),
        "linearised ADMM": lambda: linearised_admm(Zero(), both, operator, PENALTY),
        "half-quadratic splitting": lambda: half_quadratic_splitting(
            data.fidelity, norm, difference, geometric_penalties(PENALTY, 100 * PENALTY, 50)
        ),
        "PDHG": lambda: primal_dual_hybrid_gradient(Zero(), both, operator),
        "PDHG, adaptive": lambda: adaptive_primal_dual(Zero(), both, operator),
        "Condat-Vu": lambda: primal_dual_hybrid_gradient(
            Zero(), norm, difference, smooth=data.fidelity
        ),
        "Douglas-Rachford": lambda: douglas_rachford(
            data.fidelity, WEIGHT * total_variation, PROX_STEP
        ),
        "FISTA, restart": lambda: fista(data.fidelity, WEIGHT * total_variation, restart=True),
    }


PENALTY, PROX_STEP, RATIO = 0.02, 20.0, 10.0


class First(LinearOperator):
    """(x, w) -> A x, for costs of image and field."""

    operator: LinearOperator
    field: Any

    @property
    def domain(self) -> Any:
        return self.operator.domain, self.field

    @property
    def codomain(self) -> Any:
        return self.operator.codomain

    def apply(self, x: Any) -> Any:
        return self.operator.apply(x[0])

    def adjoint(self, y: Any) -> Any:
        return self.operator.adjoint(y), jnp.zeros(self.field.shape, self.field.dtype)


def constrained(data: Data) -> dict[str, tuple[Method, Any]]:
    """Method and start for the second form, for each R."""
    x0, box = data.values, Box(0.0, 1.0)
    shape = x0.shape

    def method(f: Functional, term: Functional, operator: LinearOperator, measured: Any) -> Method:
        both = stack(measured, operator)
        dual_step = RATIO / operator_norm(both)
        return primal_dual_hybrid_gradient(f, separable(data.ball, term), both, dual_step=dual_step)

    tv = TotalVariation(shape, boundary="periodic").split()
    wavelet = WaveletL1(shape, "db2", 4).split()
    tgv = TotalGeneralisedVariation(shape, boundary="periodic")
    term, operator = tgv.split()
    pairs = First(data.measured, operator.domain[1])
    return {
        "total variation": (method(box, *tv, data.measured), x0),
        "total generalised variation": (method(tgv.lift(box), term, operator, pairs), tgv.start(x0)),
        "wavelets": (method(box, *wavelet, data.measured), x0),
    }
