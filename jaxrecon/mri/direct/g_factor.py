"""How much noise parallel imaging adds: the g-factor, in closed form and by pseudo-replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_positive_int
from jaxrecon.core.products import tensordot
from jaxrecon.mri.coils.calibration import complex_coils
from jaxrecon.mri.direct.combine import whitened
from jaxrecon.mri.direct.grappa import GrappaWeights, grappa_image_weights
from jaxrecon.mri.direct.lattice import as_lattice
from jaxrecon.mri.simulate.noise import coil_noise


def sense_g_factor(
    maps: Any,
    acceleration: int | tuple[int, ...],
    *,
    shift: int = 0,
    noise_covariance: Any = None,
) -> jax.Array:
    r"""g_p = sqrt([(S^H Psi^-1 S)^-1]_pp [S^H Psi^-1 S]_pp) of Cartesian SENSE, at each pixel p.

    S is (coil, R), the maps at the R pixels that a regular undersampling folds onto each other. The
    noise of the least squares reconstruction is g sqrt(R) times that of a fully sampled one;
    g >= 1. Pixels where all maps are 0 count as empty: they take no part in the folding.

    Args:
        maps: (coil, *image), complex.
        acceleration: static; along y, or for each axis of the image.
        shift: static; of the pattern along axis 1 from one measured step of axis 0 to the next
            (CAIPIRINHA), as in :func:`grappa_weights`.
        noise_covariance: Psi, (coil, coil), Hermitian and positive definite; None is I.

    Returns:
        (*image), real; 0 where all maps are 0. Differentiable. Where maps of folded pixels depend
        on each other g is infinite; in complex64 values above about 300 are of rounding, or inf.
        Memory is that of R^2 images.

    Raises:
        ValueError: a pattern that does not fit into the shape a whole number of times.
        TypeError: maps that are not complex.

    Source: Pruessmann, Weiger, Scheidegger and Boesiger 1999,
    doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S.
    """
    what = "sense_g_factor"
    maps = complex_coils(maps, what=what, argument="maps", axes="(coil, *image)")
    shape = maps.shape[1:]
    steps = as_lattice(acceleration, shift, len(shape), what=what).aliases(shape)
    return _sense(whitened(maps, noise_covariance, what=what), steps)


@jax.jit
def _sense(maps: jax.Array, steps: Any) -> jax.Array:
    axes = tuple(range(1, maps.ndim))
    folded = jax.vmap(lambda step: jnp.roll(maps, -step, axes))(jnp.asarray(steps))
    rows = jax.lax.map(lambda one: jnp.sum(one.conj() * folded, axis=1), folded)
    gram = jnp.moveaxis(rows, (0, 1), (-2, -1))  # *image, R, R
    count = gram.shape[-1]
    power = jnp.diagonal(gram, axis1=-2, axis2=-1).real
    empty = power == 0
    gram = gram + jnp.where(empty, 1, 0)[..., None] * jnp.eye(count, dtype=gram.dtype)
    scale = jax.lax.rsqrt(jnp.where(empty, 1, power))  # to a diagonal of 1
    gram = scale[..., None] * gram * scale[..., None, :]
    first = jnp.zeros((*gram.shape[:-1], 1), gram.dtype).at[..., 0, 0].set(1)
    inverse = jnp.linalg.solve(gram, first)[..., 0, 0].real
    apart = inverse > 0.5  # it is at least 1, but where rounding decides
    g = jnp.where(apart, jnp.sqrt(jnp.maximum(jnp.where(apart, inverse, 1), 1)), jnp.inf)
    return jnp.where(empty[..., 0], 0, g)


def grappa_g_factor(
    weights: GrappaWeights,
    combination: Any,
    *,
    noise_covariance: Any = None,
) -> jax.Array:
    r"""g = |p W L| / (R |p L|) at each pixel, Psi = L L^H, of GRAPPA and a combination p of coils.

    W(r) is :func:`grappa_image_weights`. The noise of m = sum_c p_c x_c, x the coil images of
    k-space filled from the pattern alone, is g sqrt(R) times that of fully sampled k-space.
    Damping of the weights lowers it, below 1 too, at the price of folding. Calibration lines that
    are kept lower it further, by what this formula leaves out.

    Args:
        weights: of :func:`grappa_weights`.
        combination: p, (coil, *image), complex: conj(s) / sum |s|^2 for maps s, or for the root of
            the sum of squares of the images x themselves, conj(x) / sqrt(sum |x|^2).
        noise_covariance: Psi, (coil, coil), Hermitian and positive definite; None is I.

    Returns:
        (*image), real; 0 where p is 0.

    Raises:
        ValueError: shapes that do not match, or a pattern that does not fit into the shape a whole
            number of times, for which no product at each pixel exists.
        TypeError: a combination that is not complex.

    Source: Breuer, Kannengiesser, Blaimer, Seiberlich, Jakob and Griswold 2009,
    doi:10.1002/mrm.22066.
    """
    what = "grappa_g_factor"
    p = complex_coils(combination, what=what, argument="combination", axes="(coil, *image)")
    weights.lattice.aliases(p.shape[1:])  # or its error
    w = grappa_image_weights(weights, p.shape[1:])
    if w.shape[0] != p.shape[0]:
        raise ValueError(f"{what} expected a combination of {w.shape[0]} coils, got {p.shape}.")
    accelerated = _power(jnp.sum(p[:, None] * w, axis=0), noise_covariance, what)
    full = _power(p, noise_covariance, what)
    seen = full > 0
    ratio = jnp.where(seen, accelerated, 0) / jnp.where(seen, full, 1)
    return jnp.sqrt(ratio) / weights.lattice.total


def _power(p: jax.Array, noise_covariance: Any, what: str) -> jax.Array:
    """p Psi p^H at each pixel."""
    if noise_covariance is None:
        return jnp.sum(p.real**2 + p.imag**2, axis=0)
    psi = jnp.asarray(noise_covariance).astype(p.dtype)
    if psi.shape != (p.shape[0],) * 2:
        raise ValueError(
            f"{what} expected a noise covariance of shape {(p.shape[0],) * 2}, got {psi.shape}."
        )
    return jnp.sum(tensordot(psi.T, p, 1) * p.conj(), axis=0).real


def pseudo_replica_noise(
    reconstruct: Callable,
    kspace: Any,
    key: jax.Array,
    *,
    noise_covariance: Any = 1.0,
    replicas: int = 128,
    batch: int = 1,
) -> jax.Array:
    r"""Standard deviation of the noise of an image at each pixel, from reconstructions of noise.

    sqrt(E |m - E m|^2) of m = reconstruct(kspace + n), n complex Gaussian with E n n^H = Psi at
    every sample. For linear reconstructions it does not depend on k-space, which may be 0; for
    others, as the root of the sum of squares, it is the noise about that signal. The relative error
    of the result is about 1 / (2 sqrt(replicas)), for real images 1 / sqrt(2 replicas).

    Args:
        reconstruct: pure function of k-space, which picks the samples it uses. Large arrays should
            be arguments of a `jax.tree_util.Partial`, rather than closed over.
        kspace: (coil, *samples), complex; the noise has its shape and dtype.
        key: JAX random key.
        noise_covariance: Psi, (coil, coil), or the variance E|n|^2 of all coils.
        replicas: static; a multiple of batch.
        batch: static; replicas that are reconstructed at once. Memory does not grow with replicas.

    Returns:
        real, of the shape of the reconstruction.

    Raises:
        ValueError: fewer than 2 replicas, or not a multiple of batch.

    Source: Robson, Grant, Madhuranthakam, Lattanzi, Sodickson and McKenzie 2008,
    doi:10.1002/mrm.21728.
    """
    what = "pseudo_replica_noise"
    kspace = complex_coils(kspace, what=what, argument="kspace", axes="(coil, *samples)")
    replicas = check_positive_int(replicas, what=what, argument="replicas")
    batch = check_positive_int(batch, what=what, argument="batch")
    if replicas < 2 or replicas % batch:
        raise ValueError(
            f"{what} expected at least 2 replicas and a multiple of batch, got {replicas} and "
            f"{batch}."
        )
    centre = reconstruct(kspace)

    def deviation(key: jax.Array) -> jax.Array:
        return reconstruct(coil_noise(key, kspace, noise_covariance)) - centre

    def add(sums: tuple[jax.Array, jax.Array], keys: jax.Array) -> tuple[Any, None]:
        d = jax.vmap(deviation)(keys)
        square = d.real**2 + d.imag**2 if jnp.iscomplexobj(d) else d**2
        return (sums[0] + d.sum(0), sums[1] + square.sum(0)), None

    keys = jax.random.split(key, (replicas // batch, batch))
    start = jnp.zeros_like(centre), jnp.zeros(centre.shape, centre.real.dtype)
    (total, squares), _ = jax.lax.scan(add, start, keys)
    spread = squares - jnp.abs(total) ** 2 / replicas
    return jnp.sqrt(jnp.maximum(spread, 0) / (replicas - 1))


def pseudo_replica_g_factor(
    reconstruct: Callable,
    reference: Callable,
    kspace: Any,
    key: jax.Array,
    *,
    acceleration: Any,
    noise_covariance: Any = 1.0,
    replicas: int = 128,
    batch: int = 1,
) -> jax.Array:
    r"""g = noise of `reconstruct` / (sqrt(R) noise of `reference`), each by pseudo-replicas.

    See :func:`pseudo_replica_noise`. Both get fully sampled noise of their own; the relative error
    of g is about 1 / sqrt(2 replicas).

    Args:
        reconstruct: k-space -> image, from the accelerated part of the samples.
        reference: k-space -> image of the same scale, from all samples.
        kspace: (coil, *samples), complex.
        key: JAX random key.
        acceleration: R, the number of samples over those used, traced.
        noise_covariance, replicas, batch: see :func:`pseudo_replica_noise`.

    Returns:
        real, of the shape of the image; 0 where the reference has no noise.

    Raises:
        ValueError: as :func:`pseudo_replica_noise`.

    Source: Robson et al. 2008, doi:10.1002/mrm.21728.
    """
    options = {"noise_covariance": noise_covariance, "replicas": replicas, "batch": batch}
    first, second = jax.random.split(key)
    noise = pseudo_replica_noise(reconstruct, kspace, first, **options)
    full = pseudo_replica_noise(reference, kspace, second, **options)
    seen = full > 0
    return jnp.where(seen, noise, 0) / jnp.where(seen, full * jnp.sqrt(acceleration), 1)
