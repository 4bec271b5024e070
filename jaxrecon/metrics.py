"""Image quality: one number per image, comparable between papers because nothing is guessed."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import (
    check_inexact,
    check_positive_int,
    check_real,
    check_space,
    struct_of,
)


def psnr(x: Any, truth: Any, data_range: Any) -> jax.Array:
    r"""Peak signal-to-noise ratio in dB, 10 log10(data_range^2 / mean |x - truth|^2).

    Args:
        x: images (..., y, x), real or complex; leading axes are a batch.
        truth: the images compared with, of the same shape and dtype.
        data_range: difference of the largest and smallest possible value, a positive number or an
            array that broadcasts against the batch. Record it with the result: results with
            different ranges cannot be compared.

    Returns:
        array (...) of the real dtype of x, one value per image; infinite where x = truth.

    Raises:
        ValueError: shapes differ, fewer than two axes, or data_range <= 0.
        TypeError: dtypes differ, or are integer.
    """
    x, truth = _pair(x, truth, "psnr")
    data_range = _range(data_range, x, "psnr")
    mean_square = jnp.mean(_squared(x - truth), axis=(-2, -1))
    return 10 * jnp.log10(data_range**2 / mean_square)


def nmse(x: Any, truth: Any) -> jax.Array:
    r"""Normalised mean squared error, ||x - truth||^2 / ||truth||^2, for each image.

    Takes (..., y, x), real or complex, returns (...). Its square root is the relative error.

    Raises:
        ValueError, TypeError: shapes or dtypes differ.
    """
    x, truth = _pair(x, truth, "nmse")
    axes = (-2, -1)
    return jnp.sum(_squared(x - truth), axis=axes) / jnp.sum(_squared(truth), axis=axes)


def ssim(
    x: Any,
    truth: Any,
    data_range: Any,
    *,
    gaussian: bool = False,
    sample_covariance: bool = True,
    window: int = 7,
) -> jax.Array:
    r"""Mean structural similarity,

    SSIM = (2 m_x m_t + C1)(2 s_xt + C2) / ((m_x^2 + m_t^2 + C1)(s_x^2 + s_t^2 + C2)),

    with local means m and (co)variances s, C1 = (0.01 data_range)^2, C2 = (0.03 data_range)^2,
    averaged over the pixels whose window lies inside the image. The defaults equal those of
    scikit-image's ``structural_similarity``. The paper's own choice is ``gaussian=True,
    sample_covariance=False``.

    Args:
        x: real images (..., y, x); leading axes are a batch.
        truth: the images compared with, of the same shape and dtype.
        data_range: as in :func:`psnr`.
        gaussian: an 11x11 Gaussian window of standard deviation 1.5 in place of the uniform one.
        sample_covariance: normalise (co)variances by N - 1 instead of N, N pixels in the window.
        window: odd side of the uniform window.

    Returns:
        array (...) of the dtype of x, one value per image, at most 1.

    Raises:
        ValueError: shapes differ, an even window, or an image smaller than the window.
        TypeError: dtypes differ, or are integer or complex.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, doi:10.1109/TIP.2003.819861.
    """
    x, truth = _pair(x, truth, "ssim")
    check_real(x, what="ssim", argument="x")
    data_range = _range(data_range, x, "ssim")
    weights = _gaussian_window() if gaussian else _uniform_window(window)
    size = len(weights)
    if min(x.shape[-2:]) < size:
        raise ValueError(
            f"ssim needs images of at least {size}x{size} pixels, the size of its window, "
            f"got {x.shape[-2]}x{x.shape[-1]}."
        )

    def mean(a: jax.Array) -> jax.Array:
        return _valid_filter(a, weights)

    # variances do not change when both images are shifted: centring keeps float32 accurate
    centre = jnp.mean(truth, axis=(-2, -1), keepdims=True)
    u, v = x - centre, truth - centre
    mean_u, mean_v = mean(u), mean(v)
    unbiased = size**2 / (size**2 - 1) if sample_covariance else 1.0
    variance_u = unbiased * (mean(u * u) - mean_u**2)
    variance_v = unbiased * (mean(v * v) - mean_v**2)
    covariance = unbiased * (mean(u * v) - mean_u * mean_v)

    c1 = ((0.01 * data_range) ** 2)[..., None, None]
    c2 = ((0.03 * data_range) ** 2)[..., None, None]
    mean_x, mean_t = mean_u + centre, mean_v + centre
    luminance = (2 * mean_x * mean_t + c1) / (mean_x**2 + mean_t**2 + c1)
    structure = (2 * covariance + c2) / (variance_u + variance_v + c2)
    return jnp.mean(luminance * structure, axis=(-2, -1))


def _squared(x: jax.Array) -> jax.Array:
    return x.real**2 + x.imag**2 if jnp.iscomplexobj(x) else x**2


def _valid_filter(x: jax.Array, weights: tuple[float, ...]) -> jax.Array:
    """Separable correlation along the last two axes, without the border."""
    size = len(weights) - 1
    rows, columns = x.shape[-2] - size, x.shape[-1] - size
    x = sum(w * x[..., k : k + rows, :] for k, w in enumerate(weights))  # type: ignore[assignment]
    return sum(w * x[..., k : k + columns] for k, w in enumerate(weights))  # type: ignore[return-value]


def _uniform_window(window: int) -> tuple[float, ...]:
    window = check_positive_int(window, what="ssim", argument="window")
    if window % 2 == 0 or window < 3:
        raise ValueError(f"ssim expected an odd window of at least 3, got {window}.")
    return (1 / window,) * window


def _gaussian_window() -> tuple[float, ...]:
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    return tuple(float(w) for w in weights / weights.sum())


def _pair(x: Any, truth: Any, what: str) -> tuple[jax.Array, jax.Array]:
    x, truth = jnp.asarray(x), jnp.asarray(truth)
    for name, array in (("x", x), ("truth", truth)):
        check_inexact(array, what=what, argument=name)
    check_space(truth, struct_of(x), what=what, argument="truth, like x,")
    if x.ndim < 2:
        raise ValueError(f"{what} expected images (..., y, x), got the shape {x.shape}.")
    return x, truth


def _range(data_range: Any, x: jax.Array, what: str) -> jax.Array:
    concrete = not isinstance(data_range, Tracer)
    if concrete and not np.all(np.asarray(data_range) > 0):
        raise ValueError(
            f"{what} expected data_range > 0, got {data_range!r}: it is the largest minus the "
            "smallest possible value, e.g. 1.0 for images in [0, 1]."
        )
    return jnp.asarray(data_range, x.real.dtype)
