"""Small problems with solutions in closed form, in NumPy."""

import numpy as np


def system(rows: int = 14, columns: int = 10, seed: int = 0, dtype=np.float64):
    """(A, m, sigma) with singular values over three decades, and noisy data."""
    random = np.random.default_rng(seed)

    def draw(*shape):
        z = random.standard_normal(shape)
        complex_ = np.issubdtype(dtype, np.complexfloating)
        return z + 1j * random.standard_normal(shape) if complex_ else z

    left, _ = np.linalg.qr(draw(rows, rows))
    right, _ = np.linalg.qr(draw(columns, columns))
    k = min(rows, columns)
    matrix = (left[:, :k] * np.geomspace(1, 1e-3, k)) @ right[:, :k].conj().T
    sigma = 0.05
    data = matrix @ draw(columns) + sigma * draw(rows)
    return matrix.astype(dtype), data.astype(dtype), sigma


def tikhonov(matrix, data, weight):
    """argmin ||A x - m||^2 + weight ||x||^2."""
    n = matrix.shape[1]
    normal = matrix.conj().T @ matrix + weight * np.eye(n)
    return np.linalg.solve(normal, matrix.conj().T @ data)


def influence(matrix, weight):
    """m -> A x."""
    n = matrix.shape[1]
    normal = matrix.conj().T @ matrix + weight * np.eye(n)
    return matrix @ np.linalg.solve(normal, matrix.conj().T)


def soft(z, threshold):
    size = np.abs(z)
    return z * np.maximum(1 - threshold / np.maximum(size, 1e-300), 0)
