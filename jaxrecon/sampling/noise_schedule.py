"""Noise levels of diffusion models, and the score that a denoiser knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.vectors import scaled, subtract
from jaxrecon.nn.networks import on_images
from jaxrecon.solvers.step_sizes import check_positive


def variance_exploding(first: Any, last: Any, count: int) -> jax.Array:
    """Noise levels (count,) from `first`, well above the spread of the images, to `last`, of the
    size of a grey level, in equal ratios: x_k = x + sigma_k noise.

    Source: Song et al., ICLR 2021, doi:10.48550/arXiv.2011.13456.
    """
    count = check_positive_int(count, what="variance_exploding", argument="count")
    check_positive((first, last), what="variance_exploding", argument="first and last")
    return jnp.geomspace(first, last, count)


def variance_preserving(
    count: int, *, times: int = 1000, first: Any = 1e-4, last: Any = 0.02
) -> jax.Array:
    r"""Noise levels (count,), from large to small, of a variance-preserving (DDPM) schedule.

    u_t = sqrt(a_t) x + sqrt(1 - a_t) noise, a_t = prod_{s <= t} (1 - beta_s), with beta_s linear
    from `first` to `last` in `times` times. Divided by sqrt(a_t) it is x + sigma_t noise with
    sigma_t = sqrt((1 - a_t) / a_t): in these units, which all samplers here work in, the two kinds
    of schedule differ in their levels only. A network that was trained on u_t is the denoiser
    D(x, sigma) = (u - sqrt(1 - a) eps(u)) / sqrt(a), at u = x / sqrt(1 + sigma^2), a = 1 /
    (1 + sigma^2). `count` times are taken in equal steps from the last to the first.

    Source: Ho, Jain and Abbeel, NeurIPS 2020, doi:10.48550/arXiv.2006.11239; units: Karras et al.,
    NeurIPS 2022, doi:10.48550/arXiv.2206.00364.
    """
    count = check_positive_int(count, what="variance_preserving", argument="count")
    times = check_positive_int(times, what="variance_preserving", argument="times")
    if count > times:
        raise ValueError(f"variance_preserving expected count <= times = {times}, got {count}.")
    log_a = jnp.cumsum(jnp.log1p(-jnp.linspace(first, last, times)))
    chosen = jnp.round(jnp.linspace(times - 1, 0, count)).astype(int)
    return jnp.sqrt(jnp.expm1(-log_a[chosen]))


def score(parameters: Any, x: Any, sigma: Any, *, denoiser: Callable = on_images) -> Any:
    """grad log p_sigma(x) = (D(x, sigma) - x) / sigma^2, p_sigma the density of images with noise.

    Exact for the best denoiser in the mean-square sense (Tweedie's formula).

    Args:
        parameters, denoiser: D, as in :class:`jaxrecon.nn.DenoiserPrior`.
        x: image with noise.
        sigma: its level, traced.

    Source: Efron 2011, doi:10.1198/jasa.2011.tm11181.
    """
    return scaled(1 / sigma**2, subtract(denoiser(parameters, x, sigma), x))
