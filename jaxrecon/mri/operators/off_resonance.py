"""Off-resonance and T2* decay during the readout, by time segments."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core import LinearOperator
from jaxrecon.core.checks import Space, check_real, complex_dtype, describe, real_dtype

_MOST_SEGMENTS = 64


class OffResonance(LinearOperator):
    r"""Encoding of spins that precess and decay while they are read out.

    y_j = sum_x exp(-(R(x) + 2 pi i v(x)) t_j) e_j(x) f(x), where e is the encoding of `encoding`
    without that, e.g. :class:`NonuniformSense`. The exponential is a short sum of products,

        exp(-(R + 2 pi i v) t) = sum_l b_l(t) exp(-(R + 2 pi i v) tau_l),

    so that A f = sum_l b_l * E (c_l * f) costs L of the encodings E. :func:`off_resonance` makes
    it: tau_l lie in equal distances over the readout, and b_l are the least-squares coefficients
    over all rates and frequencies in given intervals. The adjoint is exact.

    Args:
        encoding: E, from an image (or several sets of images, the last axes being those of the
            map) to samples.
        field_map: v in Hz, real, the shape of the image; traced and differentiable.
        decay: R = 1 / T2* in 1/s, like the field map, or None.
        centres: tau in s, (L,).
        coefficients: b, complex, (L, ...), the last axes broadcasting to the samples.

    Domain and codomain: those of E, complex.

    Raises:
        ValueError: a field map or a decay of another shape than the image.
        TypeError: a complex field map or decay.

    Source: Noll et al. 1991, doi:10.1109/42.108599; Sutton, Noll and Fessler 2003,
    doi:10.1109/TMI.2002.808360.
    """

    encoding: LinearOperator
    field_map: jax.Array
    decay: jax.Array | None
    centres: jax.Array
    coefficients: jax.Array

    def __post_init__(self) -> None:
        shape = self.encoding.domain.shape
        for name in ("field_map", "decay"):
            value = getattr(self, name)
            if value is None:
                continue
            value = jnp.asarray(value)
            check_real(value, what="OffResonance", argument=name)
            if value.ndim == 0 or value.shape != shape[len(shape) - value.ndim :]:
                raise ValueError(
                    f"OffResonance expected a {name} of the image's shape, the last axes of "
                    f"{shape}, got {describe(jax.typeof(value))}."
                )
            self._set(name, value)
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return self.encoding.domain

    @property
    def codomain(self) -> Space:
        return self.encoding.codomain

    def _precession(self, centre: jax.Array) -> jax.Array:
        """c_l = exp(-(R + 2 pi i v) tau_l)."""
        angle = (-2 * np.pi * centre) * self.field_map
        phase = jax.lax.complex(jnp.cos(angle), jnp.sin(angle))
        if self.decay is not None:
            phase = jnp.exp(-self.decay * centre) * phase
        return phase.astype(self.domain.dtype)

    def apply(self, x: Any) -> jax.Array:
        def add(total: jax.Array, segment: tuple) -> tuple[jax.Array, None]:
            centre, b = segment
            return total + b * self.encoding.apply(self._precession(centre) * x), None

        zero = jnp.zeros(self.codomain.shape, self.codomain.dtype)
        return jax.lax.scan(add, zero, (self.centres, self.coefficients))[0]

    def adjoint(self, y: Any) -> jax.Array:
        def add(total: jax.Array, segment: tuple) -> tuple[jax.Array, None]:
            centre, b = segment
            return total + self._precession(centre).conj() * self.encoding.adjoint(
                b.conj() * y
            ), None

        zero = jnp.zeros(self.domain.shape, self.domain.dtype)
        return jax.lax.scan(add, zero, (self.centres, self.coefficients))[0]


def off_resonance(
    encoding: LinearOperator,
    field_map: Any,
    times: Any,
    *,
    decay: Any = None,
    frequencies: tuple[float, float] | None = None,
    rates: tuple[float, float] | None = None,
    segments: int | None = None,
    tolerance: float = 1e-4,
) -> OffResonance:
    r"""The encoding with off-resonance and decay: as few time segments as the tolerance allows.

    Args:
        encoding: E of :class:`OffResonance`, with a complex domain.
        field_map: v in Hz, real, of the image's shape.
        times: t in s, concrete, when each sample is read; broadcasts to the samples, so that one
            readout's (samples,) serve all spokes.
        decay: R in 1/s, or None.
        frequencies: (lowest, highest) v in Hz for which the sum holds; by default those in the
            field map. It must be given where the map is traced.
        rates: (lowest, highest) R in 1/s, likewise.
        segments: L; None takes the fewest that meet the tolerance.
        tolerance: largest error of the exponential over the intervals and times, absolute.

    Raises:
        ValueError: the tolerance is not met with the given segments, or with 64; times, field map
            or decay of a wrong shape; an interval upside down.
        TypeError: a complex field map or decay, an encoding of real images, traced times, or a
            traced map without its interval.

    Source: Noll et al. 1991, doi:10.1109/42.108599; least-squares coefficients: Sutton, Noll and
    Fessler 2003, doi:10.1109/TMI.2002.808360.
    """
    _check_times(times, encoding.codomain.shape)
    dtype = encoding.domain.dtype
    if dtype != complex_dtype(dtype):
        raise TypeError(f"off_resonance expected an encoding of complex images, got {dtype}.")
    times = np.asarray(times, np.float64)
    frequencies = _interval(frequencies, field_map, "frequencies", "field_map")
    rates = (0.0, 0.0) if decay is None else _interval(rates, decay, "rates", "decay")
    unique, place = np.unique(times, return_inverse=True)
    counts = range(1, _MOST_SEGMENTS + 1) if segments is None else (segments,)
    error = np.inf
    for count in counts:
        centres, coefficients, error = _segments(unique, frequencies, rates, count)
        if error <= tolerance:
            b = coefficients[:, place.reshape(times.shape)]
            real = real_dtype(dtype)
            return OffResonance(
                encoding,
                jnp.asarray(field_map, real),
                None if decay is None else jnp.asarray(decay, real),
                jnp.asarray(centres, real),
                jnp.asarray(b, dtype),
            )
    raise ValueError(
        f"off_resonance: {counts[-1]} segments leave an error of {error:.1e}, more than the "
        f"tolerance {tolerance:.1e}, over {times.max() - times.min():.4g} s and frequencies from "
        f"{frequencies[0]:.4g} to {frequencies[1]:.4g} Hz. Give more segments, or look whether the "
        "times are in s and the field map in Hz."
    )


def _check_times(times: Any, shape: tuple[int, ...]) -> None:
    if isinstance(times, Tracer):
        raise TypeError("off_resonance expected concrete times: build it outside of jit.")
    got = np.shape(times)
    try:
        fits = bool(got) and np.broadcast_shapes(got, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"off_resonance expected times that broadcast to the samples {shape}, got {got}."
        )


def _interval(given: Any, values: Any, argument: str, source: str) -> tuple[float, float]:
    if given is None:
        if isinstance(values, Tracer):
            raise TypeError(
                f"off_resonance needs {argument} = (lowest, highest) where {source} is traced."
            )
        values = np.asarray(values)
        if np.iscomplexobj(values) or not np.all(np.isfinite(values)):
            raise TypeError(f"off_resonance expected a {source} of finite real numbers.")
        given = (values.min(), values.max())
    low, high = (float(v) for v in given)
    if not low <= high:
        raise ValueError(f"off_resonance expected {argument} (lowest, highest), got {given}.")
    return low, high


def _segments(
    times: np.ndarray, frequencies: tuple, rates: tuple, count: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """(tau_l, b_l at each time, largest error between the points of the fit)."""
    half = (times[-1] - times[0]) / (2 * count)
    centres = np.linspace(times[0] + half, times[-1] - half, count)

    def exponentials(points: int, t: np.ndarray) -> np.ndarray:
        v = np.linspace(frequencies[0], frequencies[1], points)
        r = np.linspace(rates[0], rates[1], 1 if rates[0] == rates[1] else 9)
        z = (r[:, None] + 2j * np.pi * v).reshape(-1, 1)
        return np.exp(-z * t)

    points = 1 if frequencies[0] == frequencies[1] else 4 * count + 16
    b, *_ = np.linalg.lstsq(exponentials(points, centres), exponentials(points, times), rcond=1e-8)
    between = 1 if points == 1 else 3 * points + 1
    error = exponentials(between, centres) @ b - exponentials(between, times)
    return centres, b, float(np.abs(error).max())


def exact_signal(
    image: Any, positions: Any, times: Any, field_map: Any, decay: Any = None
) -> jax.Array:
    r"""The sum that :class:`OffResonance` approximates, term by term, for one coil.

    y_j = (prod n)^(-1/2) sum_x f(x) exp(-(R(x) + 2 pi i v(x)) t_j) exp(-2 pi i k_j . (x - n // 2))

    Args:
        image: f, real or complex, of any shape n with d axes.
        positions: k in cycles per pixel, real, (*samples, d), in the order of the image axes.
        times: t in s, broadcasts to (*samples,).
        field_map: v in Hz, real, of the image's shape.
        decay: R in 1/s, real, of the image's shape, or None.

    Returns:
        Complex (*samples,), of the highest precision among the arguments. Its cost is pixels times
        samples: for references and small images. Coils by `jax.vmap` over s_c f.

    Raises:
        ValueError, TypeError: of JAX, where shapes do not fit; nothing else is checked.

    Source: Sutton, Noll and Fessler 2003, doi:10.1109/TMI.2002.808360.
    """
    image, positions = jnp.asarray(image), jnp.asarray(positions)
    grid = jnp.meshgrid(*(jnp.arange(n) - n // 2 for n in image.shape), indexing="ij")
    x = jnp.stack([axis.reshape(-1) for axis in grid]).astype(positions.dtype)
    rate = 2j * np.pi * jnp.asarray(field_map).reshape(-1)
    if decay is not None:
        rate = rate + jnp.asarray(decay).reshape(-1)
    values = image.reshape(-1) / np.sqrt(image.size)

    def one(sample: tuple) -> jax.Array:
        k, t = sample
        return jnp.sum(values * jnp.exp(-rate * t - 2j * np.pi * jnp.sum(k[:, None] * x, axis=0)))

    shape = positions.shape[:-1]
    flat = (
        positions.reshape(-1, positions.shape[-1]),
        jnp.broadcast_to(jnp.asarray(times), shape).reshape(-1),
    )
    return jax.lax.map(one, flat, batch_size=64).reshape(shape)
