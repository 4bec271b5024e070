"""SENSE on a Cartesian grid: coil maps, the Fourier transform, and a mask of what was measured."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core import LinearOperator, matched, static, struct
from jaxrecon.core.checks import Space, complex_dtype, describe, is_complex, real_dtype
from jaxrecon.linops.coefficients import as_coefficients

LARGE = 2**25
"""Images of more pixels, those of all coils together, go through the Fourier transform coil by
coil, which bounds memory."""


class Sense(LinearOperator):
    r"""y_c = P F (s_c f): the k-space that each coil measures of an image, on a Cartesian grid.

    F is the centred orthonormal Fourier transform over all axes of the image and P keeps what was
    measured, with zeros elsewhere. With several sets of maps (SoftSENSE) y_c = P F sum_k s_kc f_k.
    A series has an axis of frames in front, and may have a mask for each.

    A^H A needs no centring, and transforms only along the axes on which the mask depends: with
    undersampling along one axis, 1-D transforms. Which axes these are is part of the structure of
    the operator. A concrete mask is looked at once, and stored with the length 1 along the others;
    inside jit give it that shape, (y, 1), say.

    Args:
        maps: s, (coil, *image), or (set, coil, *image) with `soft`; traced and differentiable. With
            sum_c \|s_c\|^2 <= 1 the norm of A is at most 1.
        mask: boolean, traced; broadcasts to the codomain, e.g. (y, x), or (frame, 1, y, x) for
            frames that differ. All is measured when None.
        soft: static; whether the maps have a leading axis of sets.
        frames: static; the number of frames of a series, or None for a single image. A mask with an
            axis of frames says it too.

    Domain: (frame, set, *image), of which the first two only where there are any, complex.
    Codomain: (frame, coil, *image). Images are (y, x) or (z, y, x), k-space has its origin at entry
    n // 2 of each axis.

    Raises:
        ValueError: maps without axes for the coils and the image, or a mask that does not broadcast
            to the codomain.
        TypeError: maps of integers, or a mask that is not boolean.

    Source: Pruessmann, Weiger, Scheidegger and Boesiger 1999,
    doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S; several sets: Uecker et al.
    2014, doi:10.1002/mrm.24751.
    """

    maps: jax.Array
    mask: Any = None
    soft: bool = static(default=False)
    frames: int | None = static(default=None)
    ordered_maps: Any = dataclasses.field(init=False)
    """the maps with the axes on which the mask depends as the last, for A^H A; None if they are"""

    def __post_init__(self) -> None:
        self._set("maps", as_coefficients(self.maps, what="Sense", argument="maps"))
        self._set("soft", bool(self.soft))
        if self.maps.ndim < (3 if self.soft else 2):
            axes = "(set, coil, *image)" if self.soft else "(coil, *image)"
            raise ValueError(
                f"Sense expected maps {axes}, got {describe(jax.typeof(self.maps))}. A single coil "
                "needs an axis of its own, too."
            )
        self._set_mask(True if self.mask is None else self.mask)
        _, order = _axes_and_order(jnp.asarray(self.mask), len(self.image))
        natural = order == tuple(range(len(order)))
        self._set("ordered_maps", None if natural else _move(self.maps, order))
        super().__post_init__()

    def _set_mask(self, mask: Any) -> None:
        mask = mask if isinstance(mask, Tracer) else np.asarray(mask)
        if mask.dtype != bool:
            raise TypeError(
                f"Sense expected a boolean mask, got {mask.dtype}. Pass mask > 0 for zeros and "
                "ones; weights belong to the data term or the solver."
            )
        axes = 1 + len(self.image)
        if self.frames is None and mask.ndim > axes:
            self._set("frames", mask.shape[0])
        full = self.codomain.shape
        try:
            fits = np.broadcast_shapes(mask.shape, full) == full
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"Sense expected a mask that broadcasts to the k-space {full}, got {mask.shape}. "
                "Masks of frames are (frame, 1, *image): mask[:, None]."
            )
        mask = mask.reshape((1,) * (len(full) - mask.ndim) + mask.shape)
        if not isinstance(mask, Tracer):
            mask = _without_constant_axes(mask)
        self._set("mask", jnp.asarray(mask))

    @property
    def image(self) -> tuple[int, ...]:
        """Shape of one image, (y, x) or (z, y, x)."""
        return self.maps.shape[2 if self.soft else 1 :]

    @property
    def domain(self) -> Space:
        frames = () if self.frames is None else (self.frames,)
        sets = self.maps.shape[:1] if self.soft else ()
        return struct((*frames, *sets, *self.image), as_complex(self.maps.dtype))

    @property
    def codomain(self) -> Space:
        frames = () if self.frames is None else (self.frames,)
        coils = self.maps.shape[1 if self.soft else 0]
        return struct((*frames, coils, *self.image), as_complex(self.maps.dtype))

    def apply(self, x: Any) -> jax.Array:
        return self._each_frame(_measure, self.maps, x if self.soft else self._with_set(x))

    def adjoint(self, y: Any) -> jax.Array:
        like = struct((self._sets, *self.image), y.dtype)
        x = self._each_frame(lambda p, y: _combine(p, y, like), self.maps, y)
        return x if self.soft else self._without_set(x)

    def normal(self, x: Any) -> jax.Array:
        maps = self.maps if self.ordered_maps is None else self.ordered_maps
        x = self._each_frame(_gram, maps, x if self.soft else self._with_set(x))
        return x if self.soft else self._without_set(x)

    @property
    def _sets(self) -> int:
        return self.maps.shape[0] if self.soft else 1

    def _with_set(self, x: jax.Array) -> jax.Array:
        return jnp.expand_dims(x, 0 if self.frames is None else 1)

    def _without_set(self, x: jax.Array) -> jax.Array:
        return jnp.squeeze(x, 0 if self.frames is None else 1)

    def _each_frame(self, function: Callable, maps: jax.Array, x: jax.Array) -> jax.Array:
        maps = jnp.moveaxis(maps, 1, 0) if self.soft else maps[:, None]
        if self.frames is None:
            return function((maps, self.mask), x)
        if self.mask.ndim == 1 + len(self.image) or len(self.mask) < self.frames:
            mask = self.mask.reshape(self.mask.shape[-1 - len(self.image) :])
            return jax.vmap(lambda x: function((maps, mask), x))(x)
        return jax.vmap(lambda mask, x: function((maps, mask), x))(self.mask, x)


def as_complex(dtype: Any) -> Any:
    """The complex dtype of that precision, also where x64 is off again."""
    return dtype if is_complex(dtype) else complex_dtype(dtype)


def _forward(parameters: tuple, x: jax.Array) -> jax.Array:
    """Maps (coil, set, *image), a mask (coil or 1, *image or 1s), x (set, *image)."""
    maps, mask = parameters
    space, frequency = _centring(x.shape[1:], x.dtype)
    x = _times(space, x) * _real(1 / math.sqrt(math.prod(x.shape[1:])), x)

    def coil(maps: jax.Array, mask: jax.Array) -> jax.Array:
        y = _times(frequency, jnp.fft.fftn(jnp.sum(maps * x, axis=0)))
        return jnp.where(mask, y, 0)

    one, items = _items(coil, maps, mask)
    return jax.lax.map(one, items) if _large(maps) else jax.vmap(one)(items)


def _backward(parameters: tuple, y: jax.Array) -> jax.Array:
    maps, mask = parameters
    space, frequency = _centring(y.shape[1:], y.dtype)

    def coil(maps: jax.Array, mask: jax.Array, y: jax.Array) -> jax.Array:
        y = _times(_conjugates(frequency), jnp.where(mask, y, 0))
        return maps.conj() * jnp.fft.ifftn(y)

    one, items = _items(coil, maps, mask, y)
    x = _sum_in_turn(one, items) if _large(maps) else _sum_together(one, items)
    return _times(_conjugates(space), x) * _real(math.sqrt(math.prod(x.shape[1:])), x)


def _normal(parameters: tuple, x: jax.Array) -> jax.Array:
    """sum_c conj(s_c) F^H P F s_c x, with the maps in the order of :func:`_axes_and_order`.

    With the mask in the order of the plain transform the signs of the centring cancel, and so do
    the transforms along axes on which the mask does not depend.
    """
    maps, mask = parameters
    ndim = x.ndim - 1
    axes, order = _axes_and_order(mask, ndim)
    mask = _move(jnp.fft.ifftshift(mask, tuple(mask.ndim - ndim + a for a in axes)), order)
    maps, x = maps.conj(), _move(x, order).conj()  # of the maps one array, which leaves loops
    last = tuple(range(ndim - len(axes), ndim))

    def coil(maps: jax.Array, mask: jax.Array) -> jax.Array:
        y = jnp.sum(maps * x, axis=0).conj()
        if axes:
            y = jnp.fft.ifftn(jnp.where(mask, jnp.fft.fftn(y, axes=last), 0), axes=last)
        else:
            y = jnp.where(mask, y, 0)
        return maps * y

    one, items = _items(coil, maps, mask)
    if _large(maps):
        product = _sum_in_turn(one, items)
    elif order == tuple(range(ndim)):
        product = _sum_together(one, items)
    else:  # together XLA's CPU reads all coils across the rows, to save a pass over one image
        together, in_turn = partial(_sum_together, one), partial(_sum_in_turn, one)
        product = jax.lax.platform_dependent(items, cpu=in_turn, default=together)
    return _move(product, tuple(order.index(a) for a in range(ndim)))


_measure, _combine = matched(_forward, _backward, loop_on_cpu=True)
_gram, _ = matched(_normal, _normal, loop_on_cpu=True)


def _axes_and_order(mask: jax.Array, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Axes of the image on which the mask depends, and the order of axes with these as the last."""
    axes = tuple(a for a in range(ndim) if mask.shape[mask.ndim - ndim + a] > 1)
    return axes, tuple(a for a in range(ndim) if a not in axes) + axes


def _large(maps: jax.Array) -> bool:
    return len(maps) * math.prod(maps.shape[2:]) > LARGE


def _sum_together(one: Callable, items: tuple) -> jax.Array:
    return jnp.sum(jax.vmap(one)(items), axis=0)


def _sum_in_turn(one: Callable, items: tuple) -> jax.Array:
    first = jax.eval_shape(one, jax.tree.map(lambda a: a[0], items))
    start = jnp.zeros(first.shape, first.dtype)
    return jax.lax.scan(lambda total, item: (total + one(item), None), start, items)[0]


def _items(function: Callable, maps: jax.Array, mask: jax.Array, *data: jax.Array) -> tuple:
    """A function of one coil's (maps, mask, *data) in a tuple, and the tuples of all coils."""
    if len(mask) == 1:
        return lambda item: function(item[0], mask[0], *item[1:]), (maps, *data)
    return lambda item: function(*item), (maps, mask, *data)


def _move(x: jax.Array, order: tuple[int, ...]) -> jax.Array:
    """The last axes of x in another order."""
    leading = x.ndim - len(order)
    return jnp.transpose(x, (*range(leading), *(leading + a for a in order)))


def _centring(shape: tuple[int, ...], dtype: Any) -> tuple[list, list]:
    r"""Factors a_j, b_k along each axis, with which exp(-2 pi i (j - c)(k - c) / n) =
    a_j exp(-2 pi i j k / n) b_k, c = n // 2. Along even axes they are signs."""
    space, frequency = [], []
    for axis, n in enumerate(shape):
        c, j = n // 2, np.arange(n)
        if n % 2 == 0:
            pair = 1 - 2 * (j % 2), 1 - 2 * ((j - c) % 2)
            kind = real_dtype(dtype)
        else:
            pair = np.exp(2j * np.pi * (c * j % n) / n), np.exp(2j * np.pi * (c * (j - c) % n) / n)
            kind = dtype
        along = [-1 if i == axis else 1 for i in range(len(shape))]
        space.append(pair[0].reshape(along).astype(kind))
        frequency.append(pair[1].reshape(along).astype(kind))
    return space, frequency


def _conjugates(factors: list) -> list:
    return [f.conj() for f in factors]


def _times(factors: list, x: jax.Array) -> jax.Array:
    """The product of x with factors along its axes: the signs by a real product."""
    signs: Any = 1
    for f in factors:
        if np.isrealobj(f):
            signs = jnp.asarray(f) * signs
        else:
            x = jnp.asarray(f) * x
    return x if isinstance(signs, int) else jax.lax.complex(signs * x.real, signs * x.imag)


def _real(scalar: float, x: jax.Array) -> jax.Array:
    return jnp.asarray(scalar, real_dtype(x.dtype))


def _without_constant_axes(mask: np.ndarray) -> np.ndarray:
    """The mask with the length 1 along the axes on which it does not depend."""
    for axis in range(mask.ndim):
        first = np.take(mask, [0], axis)
        if mask.shape[axis] and np.array_equal(np.broadcast_to(first, mask.shape), mask):
            mask = first
    return mask
