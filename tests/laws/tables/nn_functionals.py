"""Functionals whose filters and potentials are learned."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from flax import nnx

from jaxrecon import nn
from jaxrecon.core.checks import complex_dtype
from tests.laws.cases import FunctionalCase
from tests.solvers.problems import draw


def gradient_step(dtype: Any) -> tuple:
    network = nn.DnCNN(2, 3, inputs=2, rngs=nnx.Rngs(0))
    f = nn.GradientStepPotential(nn.GradientStep(network), jnp.asarray(0.1, dtype))
    return f, jnp.asarray(draw(3, (4, 5), dtype))


def fields_of_experts(dtype: Any) -> tuple:
    return nn.fields_of_experts(3, 3, rngs=nnx.Rngs(0)), jnp.asarray(draw(3, (4, 5), dtype))


def gradient_step_of_volumes(dtype: Any) -> tuple:
    network = nn.DnCNN(2, 3, inputs=2, dims=3, rngs=nnx.Rngs(0))
    f = nn.GradientStepPotential(nn.GradientStep(network), jnp.asarray(0.1, dtype), dims=3)
    return f, jnp.asarray(draw(3, (3, 4, 3), dtype))


def experts_of_volumes(dtype: Any) -> tuple:
    f = nn.fields_of_experts(2, 3, dims=3, rngs=nnx.Rngs(0))
    return f, jnp.asarray(draw(3, (3, 4, 3), dtype))


def complex_ridge(dtype: Any) -> tuple:
    f = nn.convex_ridge(3, 3, 4, reach=2.0, rngs=nnx.Rngs(0))
    return f, jnp.asarray(draw(3, (4, 5), complex_dtype(dtype)))


def ridge_of_volumes(dtype: Any) -> tuple:
    f = nn.convex_ridge(2, 3, 2, reach=2.0, dims=3, rngs=nnx.Rngs(0))
    return f, jnp.asarray(draw(3, (3, 4, 3), dtype))


def _smooth(name: str, make: Any, convex: bool, variant: bool = False) -> FunctionalCase:
    return FunctionalCase(name, make, has_prox=False, has_grad=True, convex=convex, variant=variant)


FUNCTIONALS = [
    _smooth("GradientStepPotential", gradient_step, False),
    _smooth("GradientStepPotential, 3-D", gradient_step_of_volumes, False, True),
    _smooth("FieldsOfExperts", fields_of_experts, False),
    _smooth("FieldsOfExperts, 3-D", experts_of_volumes, False, True),
    _smooth("ConvexRidge, complex", complex_ridge, True, True),
    _smooth("ConvexRidge, 3-D", ridge_of_volumes, True, True),
]
