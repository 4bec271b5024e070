"""Errors of the non-uniform Fourier transform against the exact sum, for each accuracy asked for.

White-noise images and data, 1500 random positions, in 1-D (1000 pixels), 2-D (256x192) and 3-D
(20x24x18), in single precision to 1e-6 and in double precision to 1e-12. Errors are relative, in
the Euclidean norm, to the sum in double precision at the positions as the operator holds them. The
last column is |<A f, y> - <f, A^H y>| / (|A f| |y|), by which types 1 and 2 miss being adjoint.

Run: python benchmarks/nufft_errors.py
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.linops import NonuniformFourier

SHAPES = ((1000,), (256, 192), (20, 24, 18))
ACCURACIES = {
    "complex64": (1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
    "complex128": (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12),
}
SAMPLES = 1500


def noise(generator: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    parts = generator.standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]).astype(dtype)


def exact(positions: Any, image: np.ndarray, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Types 2 and 1 by their sums, a factor exp(-2 pi i k (x - n // 2)) for each axis."""
    k = np.asarray(positions, np.float64)
    waves, letters = [], "abc"[: image.ndim]
    for axis, n in enumerate(image.shape):
        waves.append(np.exp(-2j * np.pi * np.outer(k[:, axis], np.arange(n) - n // 2)))
    axes = ",".join(f"j{letter}" for letter in letters)
    scale = image.size**-0.5
    forward = np.einsum(f"{axes},{letters}->j", *waves, image.astype(complex), optimize=True)
    conjugates = [wave.conj() for wave in waves]
    backward = np.einsum(f"{axes},j->{letters}", *conjugates, data.astype(complex), optimize=True)
    return scale * forward, scale * backward


def relative(got: Any, expected: np.ndarray) -> float:
    return float(np.linalg.norm(np.asarray(got) - expected) / np.linalg.norm(expected))


def row(shape: tuple[int, ...], dtype: str, accuracy: float) -> list[str]:
    generator = np.random.default_rng(0)
    positions = generator.uniform(-0.5, 0.5, (SAMPLES, len(shape)))
    image, data = noise(generator, shape, dtype), noise(generator, (SAMPLES,), dtype)
    operator = NonuniformFourier(
        jnp.asarray(positions), shape, accuracy=accuracy, dtype=jnp.dtype(dtype)
    )
    forward, backward = (np.asarray(a) for a in (operator(image), operator.H(data)))
    exact_forward, exact_backward = exact(operator.positions, image, data)
    left = complex(np.vdot(forward.astype(complex), data.astype(complex)))
    right = complex(np.vdot(image.astype(complex), backward.astype(complex)))
    gap = abs(left - right) / (np.linalg.norm(forward) * np.linalg.norm(data))
    return [
        "x".join(map(str, shape)),
        dtype,
        f"{accuracy:.0e}",
        f"{relative(forward, exact_forward):.1e}",
        f"{relative(backward, exact_backward):.1e}",
        f"{gap:.0e}",
    ]


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0]).parse_args()
    rows = []
    for dtype, accuracies in ACCURACIES.items():
        with jax.enable_x64(dtype == "complex128"):
            rows += [row(shape, dtype, accuracy) for shape in SHAPES for accuracy in accuracies]
    head = ["pixels", "dtype", "asked for", "type 2", "type 1", "adjoint to"]
    for cells in (head, ["---", "---", *["---:"] * 4], *rows):
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
