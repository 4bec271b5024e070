"""Small problems for splitting methods, with minimisers by dense solves and active sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.optimize

from tests.solvers.problems import draw, lasso

KERNEL = np.asarray([0.1, 0.2, 0.4, 0.2, 0.1])


def circulant(kernel: Any, size: int) -> np.ndarray:
    """The matrix of periodic convolution with a kernel whose centre is entry len // 2."""
    first = np.zeros(size, np.asarray(kernel).dtype)
    for m, value in enumerate(kernel):
        first[(m - len(kernel) // 2) % size] += value
    return scipy.linalg.circulant(first)


def differences(size: int, periodic: bool = False) -> np.ndarray:
    """Forward differences; the last one is 0, or to the first entry."""
    matrix = np.eye(size, k=1) - np.eye(size)
    matrix[-1] = 0
    if periodic:
        matrix[-1, [0, -1]] = 1, -1
    return matrix


def blurred_signal(dtype: Any, size: int = 12) -> np.ndarray:
    """A blurred box with noise."""
    box = np.where((np.arange(size) > 2) & (np.arange(size) < 8), 1.0, 0.1)
    return (circulant(KERNEL, size) @ box + 0.05 * draw(8, (size,), float)).astype(dtype)


def constrained_quadratic(
    hessian: Any, rhs: Any, rows: Any = None, weight: float = 0.0, nonnegative: bool = False
) -> np.ndarray:
    """argmin 1/2 <x, H x> - <b, x> + weight ||B x||_1, over x >= 0 if asked.

    By the active sets of SciPy on the dual: x = H^-1 (b - B^T u + s), |u| <= weight, s >= 0.
    """
    h, b = np.asarray(hessian, float), np.asarray(rhs, float)
    n = b.size
    rows = np.zeros((0, n)) if rows is None else np.asarray(rows, float)
    columns, low, high = rows.T, np.full(len(rows), -weight), np.full(len(rows), weight)
    if nonnegative:
        columns = np.hstack([columns, -np.eye(n)])
        low, high = np.append(low, np.zeros(n)), np.append(high, np.full(n, np.inf))
    root = np.linalg.cholesky(h)
    matrix, data = (scipy.linalg.solve_triangular(root, a, lower=True) for a in (columns, b))
    dual = scipy.optimize.lsq_linear(matrix, data, (low, high), method="bvls", tol=1e-15)
    assert dual.success
    return np.linalg.solve(h, b - columns @ dual.x)


def split_lasso(matrix: Any, data: Any, weight: float, penalty: float) -> np.ndarray:
    """x of argmin_{x, z} 1/2 ||A x - m||^2 + weight ||z||_1 + penalty/2 ||x - z||^2.

    Without x it is a lasso in z, solved by coordinate descent.
    """
    wide = np.complex128 if np.iscomplexobj(matrix) else np.float64
    a, m = np.asarray(matrix, wide), np.asarray(data, wide)
    eye = np.eye(a.shape[1])
    system = a.conj().T @ a + penalty * eye
    quadratic = penalty * eye - penalty**2 * np.linalg.inv(system)
    root = np.linalg.cholesky(quadratic).conj().T
    linear = penalty * np.linalg.solve(system, a.conj().T @ m)
    z = lasso(root, np.linalg.solve(root.conj().T, linear), weight)
    return np.linalg.solve(system, a.conj().T @ m + penalty * z)
