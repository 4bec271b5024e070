"""Small problems with minimisers found independently of the library, in NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import scipy.optimize


def draw(seed: int, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Standard normal numbers; for a complex dtype both parts are."""
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(shape)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * generator.standard_normal(shape)
    return x.astype(dtype)


def system(dtype: Any, rows: int = 12, columns: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A well-conditioned matrix and data."""
    matrix = draw(1, (rows, columns), dtype) / np.sqrt(rows)
    return matrix.astype(dtype), draw(2, (rows,), dtype)


def ridge(matrix: Any, data: Any, weights: Any, damping: float) -> np.ndarray:
    """argmin_x 1/2 ||A x - m||_W^2 + damping/2 ||x||^2."""
    a, m = np.asarray(matrix, complex), np.asarray(data, complex)
    hessian = a.conj().T @ (np.asarray(weights, float)[:, None] * a)
    x = np.linalg.solve(hessian + damping * np.eye(a.shape[1]), a.conj().T @ (weights * m))
    return x if np.iscomplexobj(matrix) else x.real


def lasso(matrix: Any, data: Any, weight: float) -> np.ndarray:
    """argmin_x 1/2 ||A x - m||^2 + weight ||x||_1, by coordinate descent to rounding."""
    wide = np.complex128 if np.iscomplexobj(matrix) else np.float64
    a, m = np.asarray(matrix, wide), np.asarray(data, wide)
    x, squares = np.zeros(a.shape[1], wide), np.sum(np.abs(a) ** 2, 0)
    for _ in range(2000):
        before = x.copy()
        for j in range(x.size):
            correlation = a[:, j].conj() @ (m - a @ x) + squares[j] * x[j]
            size = np.abs(correlation)
            x[j] = 0 if size <= weight else (1 - weight / size) * correlation / squares[j]
        if np.max(np.abs(x - before)) <= 1e-16 * np.max(np.abs(x)):
            break
    return x


def nonnegative_least_squares(matrix: Any, data: Any) -> np.ndarray:
    """argmin_{x >= 0} 1/2 ||A x - m||^2, by the active-set method of SciPy."""
    return scipy.optimize.nnls(np.asarray(matrix, float), np.asarray(data, float))[0]


def counts_problem(dtype: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """A non-negative matrix, counts (one of them 0) and a background."""
    matrix = np.random.default_rng(3).uniform(0.1, 1.0, (12, 5)).astype(dtype)
    counts = np.random.default_rng(4).poisson(4 * matrix.sum(1)).astype(dtype)
    counts[3] = 0
    return matrix, counts, 0.5


def poisson_ridge(matrix: Any, counts: Any, background: float, damping: float) -> np.ndarray:
    """argmin_x KL(counts, A x + background) + damping/2 ||x||^2, by Newton's method."""
    a, y = np.asarray(matrix, float), np.asarray(counts, float)
    x = np.ones(a.shape[1])
    for _ in range(50):
        expected = a @ x + background
        gradient = a.T @ (1 - y / expected) + damping * x
        hessian = a.T @ ((y / expected**2)[:, None] * a) + damping * np.eye(x.size)
        x = x - np.linalg.solve(hessian, gradient)
    assert np.all(a @ x + background > 0)
    return x


def step_signal(dtype: Any, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """A jump of 1 between two halves of 6, and its minimiser of 1/2 ||x - m||^2 + weight TV(x)."""
    jump = np.repeat([0.0, 1.0], 6)
    return jump.astype(dtype), np.repeat([weight / 6, 1 - weight / 6], 6)


def as_jax(*arrays: np.ndarray) -> tuple:
    return tuple(jnp.asarray(a) for a in arrays)
