"""Small problems of emission tomography, with minimisers found in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.solvers.subset_problems import nonnegative_system

BACKGROUND = 1.5


def emission_problem(dtype: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """A matrix of non-negative weights with an empty row, counts and their background.

    The image has two dark pixels at its left end, where the likelihood is largest at 0.
    """
    matrix, _ = nonnegative_system(dtype)
    activity = np.array([0.0, 0.0, 9.0, 14.0, 12.0, 20.0, 11.0, 15.0])
    counts = np.random.default_rng(8).poisson(matrix @ activity + BACKGROUND)
    counts[:2] = 0
    return matrix, counts.astype(dtype), BACKGROUND


def quadratic_matrix(n: int, weight: float) -> np.ndarray:
    """Q with x Q x / 2 = weight / 2 times the sum of squared differences of neighbours."""
    rows = np.diff(np.eye(n), axis=0)
    return weight * rows.T @ rows


def emission_minimiser(
    matrix: Any, counts: Any, background: float, quadratic: Any, lower: float = 0.0
) -> np.ndarray:
    """argmin of KL(y, A x + b) + x Q x / 2 over x >= lower, by Newton's method on the free pixels,
    each of which is let go or held by the sign of its gradient."""
    a, y, q = (np.asarray(v, float) for v in (matrix, counts, quadratic))
    x = np.full(a.shape[1], 5.0)

    def cost(x: np.ndarray) -> float:
        mean = a @ x + background
        return np.sum(mean - y * np.log(mean)) + x @ q @ x / 2

    def gradient(x: np.ndarray) -> np.ndarray:
        return a.T @ (1 - y / (a @ x + background)) + q @ x

    for _ in range(100):
        slope, ratio = gradient(x), y / (a @ x + background) ** 2
        hessian = a.T @ (ratio[:, None] * a) + q + 1e-9 * np.eye(x.size)
        free = (x > lower) | (slope < 0)
        move = np.zeros_like(x)
        move[free] = np.linalg.solve(hessian[np.ix_(free, free)], -slope[free])
        trials = [np.maximum(x + 0.5**k * move, lower) for k in range(40)]
        x = next((t for t in trials if cost(t) < cost(x)), trials[0])
    held = x <= lower
    assert np.max(np.abs(gradient(x)[~held])) < 1e-10
    assert np.all(gradient(x)[held] > 1e-3)
    return x


def balanced_problem(dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A matrix whose rows k, k + 3, k + 6, k + 9 have equal column sums for k = 0, 1, 2, an image,
    and its expected counts, without noise and background."""
    matrix = np.random.default_rng(9).uniform(0.0, 1.0, (12, 5)) ** 4
    for k in range(3):
        matrix[k::3] /= matrix[k::3].sum(0)
    image = np.array([3.0, 5.0, 2.0, 4.0, 6.0])
    return matrix.astype(dtype), (matrix @ image).astype(dtype), image
