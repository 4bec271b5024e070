"""The test-set risk of a reconstruction, and its image quality, method by method."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon.metrics import psnr, ssim
from jaxrecon.nn.convolution import jit


class Evaluation(NamedTuple):
    """What :func:`evaluate` returns; arrays have one entry per test image."""

    images: np.ndarray
    """(n, y, x), the reconstructions"""
    psnr: np.ndarray
    """dB, with the data range that was given"""
    ssim: np.ndarray
    squared_error: np.ndarray
    """mean |f^ - f|^2 over the pixels"""
    seconds: float
    """run time per image of the compiled batch"""
    compile_seconds: float

    @property
    def risk(self) -> float:
        """Empirical risk on the test set: the mean over images of the mean squared error."""
        return float(self.squared_error.mean())

    @property
    def risk_error(self) -> float:
        """Standard error of the risk, for independent test images; NaN of a single one."""
        count = len(self.squared_error)
        return float(self.squared_error.std(ddof=1) / np.sqrt(count)) if count > 1 else np.nan

    def summary(self) -> dict[str, float | None]:
        """Means and deviations over the test set, ready for JSON: None where one is not finite,
        such as the standard error of a single image or the PSNR of a perfect one."""
        with np.errstate(invalid="ignore"):  # the deviation of infinite values
            numbers = self._numbers()
        return {name: value if np.isfinite(value) else None for name, value in numbers.items()}

    def _numbers(self) -> dict[str, float]:
        return {
            "psnr_mean": float(self.psnr.mean()),
            "psnr_deviation": float(self.psnr.std()),
            "ssim_mean": float(self.ssim.mean()),
            "ssim_deviation": float(self.ssim.std()),
            "risk": self.risk,
            "risk_standard_error": self.risk_error,
            "seconds_per_image": self.seconds,
            "compile_seconds": self.compile_seconds,
        }


@lru_cache(maxsize=64)
def _compiled(reconstruct: Callable, structure: Any, shapes: tuple) -> Any:
    leaves = [jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in shapes]
    return jit(reconstruct).lower(*jax.tree.unflatten(structure, leaves)).compile()


def evaluate(
    reconstruct: Callable, arguments: tuple, truth: Any, data_range: Any, *, repeats: int = 2
) -> Evaluation:
    """Run a reconstruction on a test set, compiled, and measure quality and time.

    Args:
        reconstruct: ``reconstruct(*arguments)`` -> images (n, y, x); compiled here, once for each
            function and set of shapes.
        arguments: what it takes: measurements, and operators or networks as pytrees (closed over,
            they would be compiled in as constants).
        truth: (n, y, x), the images that were measured.
        data_range: of PSNR and SSIM, a number or one per image (n,). Report it with the results.
        repeats: runs after the first, unless that took over two seconds; the fastest is the time.

    Raises:
        TypeError: arguments that are no tuple.
        ValueError: the reconstruction has another shape than the truth.
    """
    if not isinstance(arguments, tuple | list):
        raise TypeError(
            "evaluate expected arguments as a tuple of what reconstruct takes, got one "
            f"{type(arguments).__name__}. Is it the only argument? Give (measurements,)."
        )
    began = time.perf_counter()
    leaves, structure = jax.tree.flatten(arguments)
    shapes = tuple((np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
    compiled = _compiled(reconstruct, structure, shapes)
    compile_seconds = time.perf_counter() - began

    def timed() -> tuple[jax.Array, float]:
        began = time.perf_counter()
        return jax.block_until_ready(compiled(*arguments)), time.perf_counter() - began

    images, seconds = timed()
    for _ in range(repeats if seconds < 2 else 0):
        seconds = min(seconds, timed()[1])
    truth = jnp.asarray(truth)
    if images.shape != truth.shape:
        raise ValueError(
            f"evaluate: the reconstruction has the shape {np.shape(images)}, the truth "
            f"{truth.shape}; it must return one image for each test image."
        )
    return Evaluation(
        np.asarray(images),
        np.asarray(psnr(images, truth, data_range)),
        np.asarray(ssim(images, truth, data_range)),
        np.asarray(jnp.mean((images - truth) ** 2, axis=(-2, -1))),
        seconds / len(truth),
        compile_seconds,
    )
