"""The convolution and its gradient in the kernel, in the forms that XLA's CPU backend runs fast.

It runs only the canonical form well: NHWC images and HWIO kernels, sides of unit stride. What is
measured besides: rows by Winograd's filtering where there are channels enough, for the gradient of
a kernel a few images at a time; products of matrices where there are one or two; numbers of
channels filled up to the width of a vector; the gradient of a kernel otherwise, in which the batch
takes the place of the channels, with few images cut into strips, and with more channels on the side
of the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from itertools import product
from math import prod
from operator import add
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxrecon.nn import winograd
from jaxrecon.nn.scheduling import apart

_LAYOUTS = {4: ("NHWC", "HWIO", "NHWC"), 5: ("NDHWC", "DHWIO", "NDHWC")}
_STRIPS = 8
"""The gradient of a kernel contracts over the batch: fewer images are cut into so many strips."""
_FEW, _TAPS = 2, 9
"""Up to so many channels on one side, and taps of a kernel, one product of matrices is faster."""
_VALUES = 2**19
"""In so many values of images at a time, gradients by Winograd's filtering stay in cache."""
_VECTOR = 8
_FILLED_INPUTS, _FILLED_OUTPUTS = range(5, _VECTOR), range(3, _VECTOR)
"""Numbers of channels that are faster with zeros up to a vector's width."""


def canonical(x: Any, kernel: Any, padding: Any = "SAME") -> jax.Array:
    """XLA's convolution: the right one for any other backend."""
    ones = (1,) * (x.ndim - 2)
    return lax.conv_general_dilated(x, kernel, ones, padding, dimension_numbers=_LAYOUTS[x.ndim])


def correlate(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """The correlation of the same size, zeros around the image."""
    if winograd.worthwhile(x.dtype, kernel.shape):
        return winograd.correlate(x, kernel, canonical)
    return _correlate(x, kernel)


def positive_part(y: jax.Array, bias: jax.Array | None) -> jax.Array:
    """max(y + bias, 0), with one bias for each channel."""
    return jnp.maximum(y if bias is None else y + bias, 0)


def rectified(x: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
    """The positive part of the correlation and a bias, as one value that is computed once.

    XLA would compute it from the correlation again for all that needs it, and so keep both for a
    backward pass: hence `apart`.
    """
    finish = partial(positive_part, bias=bias)
    if winograd.worthwhile(x.dtype, kernel.shape):
        return winograd.correlate(x, kernel, canonical, finish)
    return apart(finish, _correlate(x, kernel))


def _correlate(x: jax.Array, kernel: jax.Array) -> jax.Array:
    inputs, outputs = kernel.shape[-2:]
    if prod(kernel.shape[:-2]) <= _TAPS:
        if inputs <= min(_FEW, outputs):
            return _from_few(x, kernel)
        if outputs <= _FEW and x.dtype.itemsize >= 4:  # half precision would round every tap
            return _to_few(x, kernel)
    if inputs in _FILLED_INPUTS:
        x = lax.optimization_barrier(_filled(x, -1))
        kernel = _filled(kernel, -2)
    if outputs in _FILLED_OUTPUTS:
        kernel = _filled(kernel, -1)
    return canonical(x, kernel)[..., :outputs]


def kernel_gradient(x: jax.Array, y: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """sum_p conj(x_(p + k)) y_p for all k of a kernel of this size."""
    kernel = (*size, x.shape[-1], y.shape[-1])
    if winograd.worthwhile(x.dtype, kernel, winograd.CHANNELS_OF_GRADIENT):
        return _by_groups(partial(winograd.kernel_gradient, size=size, along=canonical), x, y)
    return apart(partial(_kernel_gradient, size=size), x, y)


def _kernel_gradient(x: jax.Array, y: jax.Array, size: tuple[int, ...]) -> jax.Array:
    if y.shape[-1] < x.shape[-1]:
        axes = tuple(range(len(size)))
        return jnp.flip(_kernel_gradient(y, x, size), axes).swapaxes(-1, -2).conj()
    if x.shape[0] < _STRIPS and x.shape[1] >= 2 * _STRIPS:
        return _by_strips(x, y, size)
    return canonical_kernel_gradient(x, y, [half(n) for n in size])


def canonical_kernel_gradient(x: Any, y: Any, padding: Any) -> jax.Array:
    """The same as one convolution: the batch takes the place of the channels."""
    images, outputs = lax.optimization_barrier((x.swapaxes(0, -1).conj(), jnp.moveaxis(y, 0, -2)))
    kernel = canonical(images, outputs, padding)
    return jnp.moveaxis(lax.optimization_barrier(kernel), 0, -2)


def half(size: int) -> tuple[int, int]:
    """Zeros before and after an axis for a result of the same size; kernels have odd sizes."""
    return size // 2, size // 2


def _shifted(x: jax.Array, size: tuple[int, ...]) -> list[jax.Array]:
    """x_(p + k) for all k of a kernel, in its order, with zeros around the image."""
    sides = x.shape[1 : 1 + len(size)]
    rest = [(0, 0)] * (x.ndim - 1 - len(size))
    x = jnp.pad(x, [(0, 0), *(half(n) for n in size), *rest])
    windows = ([slice(i, i + n) for i in range(k)] for n, k in zip(sides, size, strict=True))
    return [x[(slice(None), *window)] for window in product(*windows)]


def _from_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One product of matrices, for images of few channels: those of all taps side by side."""
    columns = jnp.concatenate(_shifted(x, kernel.shape[:-2]), -1)
    return lax.optimization_barrier(columns) @ kernel.reshape(-1, kernel.shape[-1])


def _to_few(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """One product of matrices to the values of all taps, few channels each, and their sum."""
    *size, inputs, outputs = kernel.shape
    taps = jnp.moveaxis(kernel, -2, 0).reshape(inputs, -1)
    values = lax.optimization_barrier(x @ taps).reshape(*x.shape[:-1], -1, outputs)
    shifted = _shifted(values, tuple(size))
    return reduce(add, [part[..., i, :] for i, part in enumerate(shifted)])


def _filled(a: jax.Array, axis: int) -> jax.Array:
    widths = [(0, 0)] * a.ndim
    widths[axis] = (0, _VECTOR - a.shape[axis])
    return jnp.pad(a, widths)


def _by_groups(gradient: Callable, x: jax.Array, y: jax.Array) -> jax.Array:
    """The sum of the gradients of a few images at a time, so that what they take stays in cache."""
    images = x.shape[0]
    most = max(1, _VALUES * images // max(x.size, 1))
    if images <= most:
        return gradient(x, y)
    size = next(n for n in range(most, 0, -1) if images % n == 0)

    def add(i: jax.Array, sum_: jax.Array) -> jax.Array:
        return sum_ + gradient(*(lax.dynamic_slice_in_dim(a, i * size, size) for a in (x, y)))

    return lax.fori_loop(0, images // size, add, jnp.zeros_like(jax.eval_shape(gradient, x, y)))


def _by_strips(x: jax.Array, y: jax.Array, size: tuple[int, ...]) -> jax.Array:
    """With images cut along their first axis, into strips of x that overlap."""
    before, after = half(size[0])
    count = -(-_STRIPS // x.shape[0])
    length = -(-x.shape[1] // count)
    rest = [(0, 0)] * (x.ndim - 2)
    missing = count * length - x.shape[1]
    x = jnp.pad(x, [(0, 0), (before, after + missing), *rest])
    y = jnp.pad(y, [(0, 0), (0, missing), *rest])
    strips = [x[:, i * length : (i + 1) * length + size[0] - 1] for i in range(count)]
    y = jnp.stack(jnp.split(y, count, axis=1)).reshape(-1, length, *y.shape[2:])
    border = [(0, 0), *(half(n) for n in size[1:])]
    return canonical_kernel_gradient(jnp.concatenate(strips), y, border)
