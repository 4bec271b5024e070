"""How far an image is from the constraints of a cost, and constraints that contradict."""

import jax.numpy as jnp
import pytest

from jaxrecon import Status, separable
from jaxrecon.core import Identity, struct_of
from jaxrecon.functionals import (
    L1,
    Affine,
    Box,
    HalfSpace,
    L2Ball,
    LeastSquares,
    NonNegative,
    perturbed,
    rescaled,
)
from jaxrecon.linops import Matrix
from jaxrecon.solvers import constraint_violation, minimise

SUM_OF_5 = Matrix(jnp.ones((1, 5)))
CONTRADICTIONS = {
    "half-space": [Box(0.0, 1.0), HalfSpace(jnp.ones(5), -1.0)],
    "affine": [NonNegative(), Affine(SUM_OF_5, -jnp.ones(1))],
    "ball of data": [LeastSquares(None, jnp.ones(5)), L2Ball(0.1, -jnp.ones(1)) @ SUM_OF_5, Box()],
}


@pytest.mark.parametrize("cost", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_constraints_that_contradict_each_other_are_told(cost) -> None:
    result = minimise(cost, jnp.ones(5), 2000, tolerance=1e-5)
    assert result.status != Status.CONVERGED
    assert result.violation > 0.5
    if result.status == Status.INFEASIBLE:
        assert "the constraints contradict each other" in result.describe()


def test_constraint_violation_is_the_relative_distance_from_the_farthest_set() -> None:
    x = jnp.asarray([3.0, 4.0])
    cost = LeastSquares(None, x) + Box(0.0, 4.0) + L2Ball(4.0)
    assert constraint_violation(cost, x) == pytest.approx(0.2)
    turned = L2Ball(1.0) @ Matrix(jnp.asarray([[0.0, -1.0], [1.0, 0.0]]))
    assert constraint_violation([2.0 * turned, Box(0.0, 1.0)], x) == pytest.approx(0.8)
    assert constraint_violation(L1(), x) == 0
    result = minimise(cost, x, 500, tolerance=1e-5)
    assert result.status == Status.CONVERGED
    assert result.violation < 1e-3


X = jnp.asarray([3.0, 4.0])  # ||X|| = 5; its nearest point of the unit ball is X / 5
HIDDEN = {
    "weighted": (3.0 * L2Ball(1.0), X, 0.8),
    "translated": (L2Ball(1.0).translate(jnp.asarray([6.0, 8.0])), X, 4 / 9),  # from X to 9/5 X
    "rescaled": (rescaled(L2Ball(2.0), -2.0), X, 0.8),
    "perturbed": (perturbed(L2Ball(1.0), slope=X, curvature=3.0), X, 0.8),
    "separable": (separable(L1(), L2Ball(1.0), NonNegative()), (X, X, -X), 1.0),
    "sum": (2.0 * (L1() + L2Ball(1.0)), X, 0.8),
    "composed": (L2Ball(1.0) @ (2.0 * Identity(struct_of(X))), X, 0.9),
    "translated composed": (
        (L2Ball(1.0) @ (2.0 * Identity(struct_of(X)))).translate(X / 2),
        X,
        0.4,
    ),
    "nested": (rescaled(2.0 * perturbed(separable(L2Ball(2.0)), curvature=1.0), 2.0), (X,), 0.8),
    "none": (perturbed(L1(), curvature=1.0), X, 0.0),
}


@pytest.mark.parametrize(("cost", "x", "expected"), HIDDEN.values(), ids=HIDDEN)
def test_constraints_inside_of_other_terms_are_seen(cost, x, expected) -> None:
    assert constraint_violation(cost, x) == pytest.approx(expected, rel=1e-6)


def test_contradictions_of_rescaled_and_translated_constraints_are_told() -> None:
    below = rescaled(HalfSpace(jnp.ones(5), -2.0), 2.0)  # sum x <= -1
    cost = [NonNegative().translate(jnp.ones(5)), perturbed(below, curvature=0.1)]
    result = minimise(cost, jnp.ones(5), 2000, tolerance=1e-5)
    assert result.status != Status.CONVERGED
    assert result.violation > 0.5
