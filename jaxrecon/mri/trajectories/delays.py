"""Delays of the gradients against the receiver: what they do to a trajectory, their estimate."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.checks import check_real
from jaxrecon.core.products import einsum


def delayed(positions: Any, delays: Any) -> jax.Array:
    r"""The trajectory that is really played when gradients lag behind: k - S dk/dj.

    A delay of an axis by S samples moves k(j) to k(j - S). For spokes, whose speed is constant,
    this is exact: every spoke of direction n is shifted by -S n / samples, along itself and, when
    the axes differ, across. Other curves are shifted to first order, with an error of
    S^2 |d^2 k / dj^2| / 2. Differentiable in both arguments.

    Args:
        positions: (..., samples, d), cycles per pixel, samples in the order of time.
        delays: in samples, a time divided by the dwell time: one number, (d,) for each axis in the
            order of the image axes, or a symmetric matrix (d, d) for oblique slices, whose axes
            are mixtures of those of the gradient coils.

    Returns:
        Positions of the same shape.

    Raises:
        TypeError: complex positions. ValueError: delays of another shape, fewer than two samples.

    Sources: Peters, Derbyshire and McVeigh 2003, doi:10.1002/mrm.10501; Rosenzweig, Holme and
    Uecker 2019, doi:10.1002/mrm.27506.
    """
    positions = jnp.asarray(positions)
    check_real(positions, what="delayed", argument="positions")
    if positions.ndim < 2 or positions.shape[-2] < 2:
        raise ValueError(
            "delayed expected positions of shape (..., samples, d) with at least two samples, got "
            f"{positions.shape}."
        )
    d = positions.shape[-1]
    delays = jnp.asarray(delays, positions.dtype)
    if delays.shape not in ((), (d,), (d, d)):
        raise ValueError(
            f"delayed expected delays of shape (), ({d},) or ({d}, {d}), got {delays.shape}."
        )
    inner = (positions[..., 2:, :] - positions[..., :-2, :]) / 2
    first = positions[..., 1:2, :] - positions[..., :1, :]
    last = positions[..., -1:, :] - positions[..., -2:-1, :]
    speed = jnp.concatenate([first, inner, last], axis=-2)
    if delays.ndim == 2:
        return positions - einsum("ab,...b->...a", delays, speed)
    return positions - delays * speed


def phase_offset(positions: Any, shift: Any = 0.0, phase: Any = 0.0) -> jax.Array:
    r"""Factors exp(i phase - 2 pi i k . shift): they move the image and offset its phase.

    Multiplying k-space by them moves what it shows by `shift` pixels, as a receiver's frequency
    does for a slice off the centre of the magnet, and adds a phase, as eddy currents of the main
    field do to each readout. Dividing by them takes both away.

    Args:
        positions: (*samples, d), cycles per pixel, real.
        shift: pixels, in the order of the image axes, one number or (d,).
        phase: radians; broadcasts against (*samples).

    Returns:
        (*samples), complex. Differentiable.

    Raises:
        TypeError: complex positions.
    """
    positions = jnp.asarray(positions)
    check_real(positions, what="phase_offset", argument="positions")
    shift = jnp.broadcast_to(jnp.asarray(shift, positions.dtype), positions.shape[-1:])
    turns = einsum("...a,a->...", positions, shift)
    angle = jnp.asarray(phase, positions.dtype) - 2 * np.pi * (turns - jnp.round(turns))
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


def estimate_delays(
    data: Any, positions: Any, *, window: int = 4, oversampling: int = 16, pairs: int = 2000
) -> np.ndarray:
    r"""Delays of a radial scan from where its spokes cross (RING), as a symmetric matrix.

    Two spokes of directions n_a and n_b, shifted by S n_a and S n_b, meet in one point of k-space,
    where all coils measured the same: there |y_a(r) - y_b(q)| over the coils is least, for
    interpolated y. Its coordinates r and q on the two spokes give two linear equations for S,

        n_a r - S n_a = n_b q - S n_b,

    in samples from the nominal centre, and all pairs at angles above 30 degrees overdetermine S.
    Wrong crossings, where data agree by chance, are kept from counting by least absolute
    deviations (ten reweighted least-squares solutions). On the host with NumPy, about 0.5 ms a
    pair. Pass the result to :func:`delayed`.

    Args:
        data: (coil, spokes, samples) or (spokes, samples), complex; some coils make it robust.
        positions: (spokes, samples, 2), nominal, as :func:`radial` makes them.
        window: samples on either side of the nominal centre in which spokes are searched to cross;
            larger than the delays, but not by much, as it is also where wrong crossings lie.
        oversampling: of the readout by zero padding, for the position of a crossing; a parabola
            through the least three values refines it further.
        pairs: at most so many pairs of spokes are used, those nearest to a right angle first.

    Returns:
        (2, 2), samples; (y, x).

    Raises:
        TypeError: traced arguments. ValueError: shapes that do not match, fewer than three spokes.

    Source: Rosenzweig, Holme and Uecker 2019, doi:10.1002/mrm.27506.
    """
    what = "estimate_delays"
    if isinstance(data, Tracer) or isinstance(positions, Tracer):
        raise TypeError(f"{what} expected known arrays, got traced ones; call it eagerly.")
    y, k = np.asarray(data), np.asarray(positions, np.float64)
    y = y[None] if y.ndim == 2 else y
    if k.ndim != 3 or k.shape[-1] != 2 or y.shape[1:] != k.shape[:2] or len(k) < 3:
        raise ValueError(
            f"{what} expected data (coil, spokes, samples) and positions (spokes, samples, 2) of "
            f"at least 3 spokes, got {np.shape(data)} and {k.shape}."
        )
    samples = k.shape[1]
    steps = k[:, 1] - k[:, 0]
    directions = steps / np.linalg.norm(steps, axis=1, keepdims=True)
    if not np.allclose(k[:, samples // 2], 0, atol=1e-6):
        raise ValueError(f"{what} expected the nominal spokes to have k = 0 at samples // 2.")
    fine, place = _interpolated(y, window, oversampling)
    first, second = np.triu_indices(len(k), 1)
    n_a, n_b = directions[first], directions[second]
    sine = np.abs(n_a[:, 0] * n_b[:, 1] - n_a[:, 1] * n_b[:, 0])
    chosen = np.argsort(-sine, kind="stable")[: min(pairs, np.count_nonzero(sine > 0.5))]
    if len(chosen) < 2:
        raise ValueError(f"{what} expected spokes that cross at angles above 30 degrees.")
    n_a, n_b = n_a[chosen], n_b[chosen]
    crossings = [
        _crossing(fine[:, a], fine[:, b], place)
        for a, b in zip(first[chosen], second[chosen], strict=True)
    ]
    r, q = np.array(crossings).T[:, :, None]
    right = n_a * r - n_b * q
    y, x = (n_a - n_b).T
    zero = np.zeros_like(y)
    rows = np.stack([np.stack([y, x, zero], -1), np.stack([zero, y, x], -1)], 1)  # S_yy, S_yx, S_xx
    weights = np.ones(len(rows))
    for _ in range(10):
        weighted = (rows * weights[:, None, None]).reshape(-1, 3)
        solution = np.linalg.lstsq(weighted, (right * weights[:, None]).ravel(), rcond=None)[0]
        misfit = np.linalg.norm(rows @ solution - right, axis=1)
        weights = 1 / np.sqrt(misfit + 0.1 * (place[1] - place[0]))
    yy, yx, xx = solution
    return np.array([[yy, yx], [yx, xx]])


def _interpolated(y: np.ndarray, window: int, oversampling: int) -> tuple[np.ndarray, np.ndarray]:
    """Readouts on a finer grid around the centre, and its coordinates in samples."""
    n = y.shape[-1]
    spectrum = np.fft.fftshift(np.fft.fft(np.fft.ifftshift(y, axes=-1)), axes=-1)
    inside = min(window, n // 2 - 1)
    place = np.arange(-inside * oversampling, inside * oversampling + 1) / oversampling
    image = np.arange(n) - n // 2
    waves = np.exp(2j * np.pi * image[:, None] * place / n) / n
    return spectrum @ waves, place


def _crossing(a: np.ndarray, b: np.ndarray, place: np.ndarray) -> tuple[float, float]:
    """Coordinates on two spokes, (coil, places), where they differ least."""
    power = np.sum(np.abs(a) ** 2, 0)[:, None] + np.sum(np.abs(b) ** 2, 0)
    distance = power - 2 * np.real(a.T @ b.conj())
    i, j = np.unravel_index(int(distance.argmin()), distance.shape)
    step = place[1] - place[0]

    def vertex(line: np.ndarray, index: int) -> float:
        if not 0 < index < len(line) - 1:
            return place[index]
        left, middle, right = line[index - 1 : index + 2]
        bend = left - 2 * middle + right
        return place[index] + (step * (left - right) / (2 * bend) if bend > 0 else 0.0)

    return vertex(distance[:, j], int(i)), vertex(distance[i], int(j))
