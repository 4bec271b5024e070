"""Convolutions by Winograd's minimal filtering along rows: half the products, for CPUs.

Four neighbouring outputs of a filter of three taps need twelve products, or six by F(4, 3)

    y = A [(G g) * (B d)],    d: six inputs, g: three taps, y: four outputs

so that an image becomes six of a quarter of its width, each convolved with a kernel of width one.
Sums over channels and over the other axes of the kernel are made before A, which is why only the
rows are transformed: F(4, 3) along both axes would need a quarter of the products, and costs more
than it saves in passes over memory (measured at 32 to 256 channels).

Source: Lavin and Gray, Fast algorithms for convolutional neural networks,
doi:10.1109/CVPR.2016.435.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrecon.nn.scheduling import after, apart

_WIDTH = 4
_TAPS = 3
_B = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_G = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_A = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
CHANNELS, CHANNELS_OF_GRADIENT = 48, 16
"""With fewer channels on either side, transforms cost what products save (measured)."""
_SHORT = 4
"""Rows of up to so many blocks are short."""


def worthwhile(dtype: Any, kernel: tuple[int, ...], channels: int = CHANNELS) -> bool:
    """Whether this is the faster and equally exact way, for a kernel of this shape.

    Rounding grows about threefold: harmless in float32, not in the half precisions.
    """
    full = dtype in (jnp.float32, jnp.float64)
    return full and kernel[-3] == _TAPS and min(kernel[-2:]) >= channels


def _combined(rows: Any, parts: Any) -> list[jax.Array]:
    """The combinations of the parts with each row's coefficients, without products by 0 or 1."""

    def combination(row: Any) -> Any:
        terms = [(c, x) for c, x in zip(row, parts, strict=True) if c]
        return reduce(add, [x if c == 1 else -x if c == -1 else c * x for c, x in terms])

    return [combination(row) for row in rows]


def _padded(width: int) -> tuple[int, tuple[int, int]]:
    """Number of blocks of a row, and zeros before and after it for blocks and halo."""
    blocks = -(-width // _WIDTH)
    return blocks, (1, (blocks + 1) * _WIDTH - width - 1)


def _blocks(x: jax.Array, axis: int) -> list[jax.Array]:
    """The first, second, ... pixel of every block along an axis, which they shorten."""
    count = x.shape[axis] // _WIDTH
    x = jnp.moveaxis(x.reshape(*x.shape[:axis], count, _WIDTH, *x.shape[axis + 1 :]), axis + 1, 0)
    return [x[i] for i in range(_WIDTH)]


def _inputs(x: jax.Array, axis: int) -> list[jax.Array]:
    """B d of all blocks, for padded rows along an axis."""
    parts = _blocks(x, axis)
    count = parts[0].shape[axis]
    first = [lax.slice_in_dim(p, 0, count - 1, axis=axis) for p in parts]
    halo = [lax.slice_in_dim(p, 1, count, axis=axis) for p in parts[: _TAPS - 1]]
    return _combined(_B, first + halo)


def correlate(x: jax.Array, kernel: jax.Array, along: Any, finish: Any = None) -> jax.Array:
    """The correlation of the same size, zeros around the image, by F(4, 3) along the last axis.

    Args:
        x: (batch, ..., x, channel in).
        kernel: (..., 3, channel in, channel out).
        along: function (x, kernel) of the correlation along the other axes, for kernels of width 1.
        finish: function of each value and its channel, applied as the rows are put together; the
            result is then one value, which nothing else computes again.
    """
    width = x.shape[-2]
    blocks, border = _padded(width)
    x = jnp.pad(x, [*((0, 0),) * (x.ndim - 2), border, (0, 0)])
    taps = [kernel[..., i : i + 1, :, :] for i in range(_TAPS)]
    inputs = lax.optimization_barrier(_inputs(x, x.ndim - 2))
    products = [along(d, g) for d, g in zip(inputs, _combined(_G, taps), strict=True)]

    def rows(*products: jax.Array) -> jax.Array:
        outputs = _combined(_A, products)
        y = jnp.stack(outputs if finish is None else [finish(part) for part in outputs], -2)
        return y.reshape(*y.shape[:-3], blocks * _WIDTH, y.shape[-1])[..., :width, :]

    if finish is not None:
        return apart(rows, *products)
    return lax.optimization_barrier(rows(*lax.optimization_barrier(products)))


def kernel_gradient(x: jax.Array, y: jax.Array, size: Any, along: Any) -> jax.Array:
    """The adjoint of `correlate` in the kernel: sum_p x_(p + k) y_p = G^T [sum (B d) (A^T y)].

    The blocks of a row take the place of channels that are contracted, and the channels of x that
    of the batch; of short rows, those of all images lie side by side.

    Args:
        x, y: (batch, ..., x, channel in), (batch, ..., x, channel out).
        size: of the kernel, (..., 3).
        along: function (x, y, zeros around x) of the correlation along the other axes.
    """
    x = after(x, y)  # else it is transformed in the forward pass, and kept
    *_, width, last = range(x.ndim)
    blocks, border = _padded(x.shape[width])
    rest = [(0, 0)] * width
    inputs = _inputs(jnp.pad(x, [*rest, border, (0, 0)]), width)
    y = jnp.pad(y, [*rest, (0, blocks * _WIDTH - y.shape[width]), (0, 0)])
    outputs = _combined(tuple(zip(*_A, strict=True)), _blocks(y, width))
    halves = [(n // 2, n // 2) for n in size[:-1]]

    def product(d: jax.Array, e: jax.Array) -> jax.Array:
        if blocks > _SHORT:
            return along(jnp.moveaxis(d, last, 0), e, [(0, 0), *halves])[:, 0]
        d = jnp.transpose(d, (last, *range(1, width), 0, width))
        count = d.shape[-2] * d.shape[-1]
        d = d.reshape(*d.shape[:-2], 1, count)
        e = jnp.moveaxis(e, 0, -3)
        e = e.reshape(*e.shape[:-3], 1, count, e.shape[-1])
        return along(d, e, [*halves, (0, 0)])[..., 0, :]

    def products(*parts: jax.Array) -> list[jax.Array]:
        half = len(parts) // 2
        return [product(d, e) for d, e in zip(parts[:half], parts[half:], strict=True)]

    taps = apart(products, *inputs, *outputs)
    taps = _combined(tuple(zip(*_G, strict=True)), lax.optimization_barrier(taps))
    return jnp.moveaxis(jnp.stack(taps, -2), 0, -2)
