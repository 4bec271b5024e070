"""Small problems with non-negative weights, for the methods that need row and column sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

from jaxrecon.linops.matrix import Matrix
from jaxrecon.solvers import Subsets, split_rows


def nonnegative_system(dtype: Any, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """12 overlapping bumps over 8 pixels, and one ray that misses them all; data of a positive x.

    Without noise the data are consistent.
    """
    centres, pixels = np.linspace(-0.5, 7.5, 12)[:, None], np.arange(8)
    matrix = np.maximum(0, 1.4 - np.abs(centres - pixels))
    matrix[5] = 0
    generator = np.random.default_rng(6)
    data = matrix @ generator.uniform(0.5, 1.5, 8) + noise * generator.standard_normal(12)
    return matrix.astype(dtype), data.astype(dtype)


def sirt_minimiser(matrix: Any, data: Any) -> np.ndarray:
    """argmin ||A x - m||_R^2 over x >= 0, R the inverse row sums, 0 for empty rows."""
    a, m = np.asarray(matrix, float), np.asarray(data, float)
    sums = a.sum(1)
    root = np.sqrt(np.divide(1, sums, out=np.zeros_like(sums), where=sums > 0))
    return scipy.optimize.nnls(root[:, None] * a, root * m)[0]


def transmission_problem(dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A matrix of non-negative weights, counts behind it, the photons and a background."""
    matrix, _ = nonnegative_system(dtype)
    photons = np.linspace(40, 60, 12)
    expected = photons * np.exp(-matrix @ np.linspace(0.2, 0.9, 8)) + 1.5
    counts = np.random.default_rng(7).poisson(expected)
    return matrix, counts.astype(dtype), photons.astype(dtype), 1.5


def transmission_ridge(
    matrix: Any, counts: Any, photons: Any, background: float, damping: float
) -> np.ndarray:
    """argmin of the transmission likelihood + damping/2 ||x||^2, by Newton's method."""
    a, n, flat = (np.asarray(v, float) for v in (matrix, counts, photons))
    x = np.full(a.shape[1], 0.5)
    for _ in range(100):
        y = flat * np.exp(-a @ x)
        mean = y + background
        gradient = a.T @ (y * (n / mean - 1)) + damping * x
        second = y * (1 - n * background / mean**2)
        x = x - np.linalg.solve(a.T @ (second[:, None] * a) + damping * np.eye(x.size), gradient)
    assert np.linalg.norm(gradient) < 1e-11
    assert np.all(x > 0)
    return x


def take_rows(operator: Any, rows: Any) -> Matrix:
    """Some rows of a matrix, for split_rows."""
    return Matrix(operator.matrix[rows])


def matrix_subsets(operator: Matrix, count: int) -> Subsets:
    return split_rows(operator, count, take_rows)
