"""Changing the grid: block averages, interpolation, cropping and padding."""

from __future__ import annotations

import math
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxrecon.core import LinearOperator, static, struct
from jaxrecon.core.checks import Space, check_choice, is_complex
from jaxrecon.linops.coefficients import as_shape, inexact_dtype

PADDING = {"zero": "constant", "replicate": "edge", "reflect": "reflect", "periodic": "wrap"}


class Downsample(LinearOperator):
    """Block averages: y[n] = mean of x over the block of `factor` pixels along each axis.

    Its adjoint spreads y[n] / (block size) over the block.

    Args:
        shape: shape of x.
        factor: whole number, or one for each axis; it divides the shape.
        dtype: dtype of x, float32 by default.

    Raises:
        ValueError: a factor that does not divide the shape, or not one for each axis.
    """

    shape: tuple[int, ...] = static()
    factor: int | tuple[int, ...] = static(default=2)
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Downsample"))
        factor = self.factor
        factor = (factor,) * len(self.shape) if isinstance(factor, int) else factor
        factor = as_shape(factor, what="Downsample", argument="factor")
        if len(factor) != len(self.shape) or any(
            n % f for n, f in zip(self.shape, factor, strict=True)
        ):
            raise ValueError(
                f"Downsample expected a factor that divides the shape {self.shape} along each "
                f"axis, got {factor}. Crop or pad the image first."
            )
        self._set("factor", factor)
        self._set("dtype", inexact_dtype(self.dtype, what="Downsample"))
        super().__post_init__()

    def _factors(self) -> tuple[int, ...]:
        return self.factor if isinstance(self.factor, tuple) else (self.factor,)

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        pairs = zip(self.shape, self._factors(), strict=True)
        return struct(tuple(n // f for n, f in pairs), self.dtype)

    def apply(self, x: Any) -> jax.Array:
        pairs = zip(self.codomain.shape, self._factors(), strict=True)
        blocks = x.reshape([n for pair in pairs for n in pair])
        return jnp.mean(blocks, axis=tuple(range(1, blocks.ndim, 2)))

    def adjoint(self, y: Any) -> jax.Array:
        size = math.prod(self._factors())
        x = jnp.expand_dims(y / size, tuple(range(1, 2 * y.ndim, 2)))
        pairs = zip(self.codomain.shape, self._factors(), strict=True)
        return jnp.broadcast_to(x, [n for pair in pairs for n in pair]).reshape(self.shape)


class Resize(LinearOperator):
    """Interpolation onto another number of pixels over the same field of view.

    Pixel n of m covers [n, n+1] / m of the field, and its value sits in the middle. Weights are
    normalised at the edges, so that a constant image stays constant.

    Args:
        shape: shape of x.
        output_shape: shape of the result, as many axes.
        method: 'linear' (default), 'cubic' (Keys, a = -1/2) or 'nearest'.
        antialias: widen the interpolation kernel when the grid gets coarser (no effect on
            'nearest'); True by default.
        dtype: dtype of x, float32 by default.

    Raises:
        ValueError: another number of axes, or an unknown method.

    Source of the cubic kernel: Keys 1981, doi:10.1109/TASSP.1981.1163711.
    """

    shape: tuple[int, ...] = static()
    output_shape: tuple[int, ...] = static()
    method: Literal["linear", "cubic", "nearest"] = static(default="linear")
    antialias: bool = static(default=True)
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Resize"))
        self._set("output_shape", as_shape(self.output_shape, what="Resize"))
        _check_same_axes(self.shape, self.output_shape, what="Resize")
        check_choice(self.method, ("linear", "cubic", "nearest"), what="Resize", argument="method")
        self._set("dtype", inexact_dtype(self.dtype, what="Resize"))
        super().__post_init__()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.output_shape, self.dtype)

    def apply(self, x: Any) -> jax.Array:
        if is_complex(self.dtype):
            return jax.lax.complex(self._resize(x.real), self._resize(x.imag))
        return self._resize(x)

    def _resize(self, x: jax.Array) -> jax.Array:
        return jax.image.resize(x, self.output_shape, self.method, antialias=self.antialias)


class Crop(LinearOperator):
    """A window of the image. Its adjoint embeds the window in zeros.

    Args:
        shape: shape of x.
        output_shape: shape of the window.
        start: first entry of the window along each axis. By default the window is centred: entry
            output_shape // 2 of it is entry shape // 2 of x.
        dtype: dtype of x, float32 by default.

    Raises:
        ValueError: a window that leaves the image, or has another number of axes.
    """

    shape: tuple[int, ...] = static()
    output_shape: tuple[int, ...] = static()
    start: tuple[int, ...] | None = static(default=None)
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Crop"))
        self._set("output_shape", as_shape(self.output_shape, what="Crop"))
        _check_same_axes(self.shape, self.output_shape, what="Crop")
        sizes = tuple(zip(self.shape, self.output_shape, strict=True))
        start = tuple(n // 2 - m // 2 for n, m in sizes) if self.start is None else self.start
        start = tuple(start)
        if len(start) != len(sizes) or any(
            s < 0 or s + m > n for s, (n, m) in zip(start, sizes, strict=True)
        ):
            raise ValueError(
                f"Crop expected a window within the image {self.shape}, got the shape "
                f"{self.output_shape} from {start} on."
            )
        self._set("start", start)
        self._set("dtype", inexact_dtype(self.dtype, what="Crop"))
        super().__post_init__()

    def _window(self) -> tuple[slice, ...]:
        pairs = zip(self.start or (), self.output_shape, strict=True)
        return tuple(slice(s, s + m) for s, m in pairs)

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        return struct(self.output_shape, self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return x[self._window()]

    def adjoint(self, y: Any) -> jax.Array:
        window = self._window()
        widths = [(w.start, n - w.stop) for w, n in zip(window, self.shape, strict=True)]
        return jnp.pad(y, widths)


class Pad(LinearOperator):
    """The image continued beyond its border.

    Args:
        shape: shape of x.
        widths: entries added on both sides of each axis: a whole number, or a pair
            (before, after) for each axis.
        boundary: what is added: 'zero' (default), 'replicate' (the border pixel), 'reflect'
            (mirrored at the border pixel, which is not repeated) or 'periodic'.
        dtype: dtype of x, float32 by default.

    Raises:
        ValueError: negative widths, not one pair for each axis, or an unknown boundary.
    """

    shape: tuple[int, ...] = static()
    widths: int | tuple[tuple[int, int], ...] = static()
    boundary: Literal["zero", "replicate", "reflect", "periodic"] = static(default="zero")
    dtype: Any = static(default=jnp.float32)

    def __post_init__(self) -> None:
        self._set("shape", as_shape(self.shape, what="Pad"))
        widths = self.widths
        if isinstance(widths, int):
            widths = ((widths, widths),) * len(self.shape)
        widths = tuple(tuple(pair) for pair in widths)
        if len(widths) != len(self.shape) or any(len(p) != 2 or min(p) < 0 for p in widths):
            raise ValueError(
                f"Pad expected a pair (before, after) of whole numbers >= 0 for each axis of "
                f"{self.shape}, got {widths}."
            )
        self._set("widths", widths)
        check_choice(self.boundary, tuple(PADDING), what="Pad", argument="boundary")
        self._set("dtype", inexact_dtype(self.dtype, what="Pad"))
        super().__post_init__()

    def _pairs(self) -> tuple[tuple[int, int], ...]:
        return self.widths if isinstance(self.widths, tuple) else ()

    @property
    def domain(self) -> Space:
        return struct(self.shape, self.dtype)

    @property
    def codomain(self) -> Space:
        pairs = zip(self.shape, self._pairs(), strict=True)
        return struct(tuple(n + before + after for n, (before, after) in pairs), self.dtype)

    def apply(self, x: Any) -> jax.Array:
        return jnp.pad(x, self._pairs(), mode=PADDING[self.boundary])


def _check_same_axes(shape: tuple, output_shape: tuple, *, what: str) -> None:
    if len(shape) != len(output_shape):
        raise ValueError(
            f"{what} expected an output_shape with {len(shape)} axes like the shape {shape}, got "
            f"{output_shape}."
        )
