"""The one convolution that every network uses, with gradients that are fast on every backend.

XLA's CPU backend runs a convolution well only in its canonical form: NHWC images, HWIO kernels.
The gradients that autodiff writes are not in that form, and inside `lax.scan` nothing repairs
them. Here both gradients are written as canonical convolutions, tied to the forward by `matched`,
so that forward mode, reverse mode, vmap and every order of derivative work. Elsewhere the same
code is as good as any: cuDNN and TPU compilers choose layouts by themselves.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from jaxrecon.core import matched, struct

_NHWC = ("NHWC", "HWIO", "NHWC")


def _same(x: Any, kernel: Any) -> jax.Array:
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=_NHWC)


def _same_transposed_image(kernel: Any, y: Any) -> jax.Array:
    flipped = kernel[::-1, ::-1].swapaxes(2, 3).conj()
    return _same(lax.optimization_barrier(y), flipped)


def _same_of_kernel(x: Any, kernel: Any) -> jax.Array:
    return _same(x, kernel)


def _same_transposed_kernel(x: Any, y: Any, size: tuple[int, int]) -> jax.Array:
    images, outputs = lax.optimization_barrier(
        (x.transpose(3, 1, 2, 0).conj(), y.transpose(1, 2, 0, 3))
    )
    padding = [((n - 1) // 2, (n - 1) - (n - 1) // 2) for n in size]
    kernel = lax.conv_general_dilated(images, outputs, (1, 1), padding, dimension_numbers=_NHWC)
    return lax.optimization_barrier(kernel).transpose(1, 2, 0, 3)


_in_image, _ = matched(lambda w, x: _same(x, w), _same_transposed_image)


@lru_cache
def _in_kernel(size: tuple[int, int]) -> Any:
    """x fixed, linear in the kernel; its adjoint gives a kernel of the size given."""
    forward, _ = matched(_same_of_kernel, partial(_same_transposed_kernel, size=size))
    return forward


@jax.custom_jvp
def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution of network layers (a correlation): same size, zero padding, stride 1.

    Args:
        x: (batch, y, x, channel in).
        kernel: (rows, columns, channel in, channel out), both sizes odd.

    Returns:
        (batch, y, x, channel out), of the dtype of x.
    """
    return _same(x, kernel)


@convolve.defjvp
def _convolve_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    (x, kernel), (dx, dkernel) = primals, tangents
    tangent = _in_image(kernel, dx) + _in_kernel(kernel.shape[:2])(x, dkernel)
    return _same(x, kernel), tangent


class Convolution(nnx.Module):
    """y = convolve(x, kernel) + bias, for x of shape (batch, y, x, channel in).

    Args:
        inputs, outputs: numbers of channels.
        size: side of the kernel, odd.
        scale: factor on the initial kernel (He normal); 0 makes a layer that starts at zero, as
            the last layer of a residual branch may.
        bias: whether there is one.
        rngs: random streams of Flax; uses `params`.

    Raises:
        ValueError: an even size.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 3,
        scale: float = 1.0,
        bias: bool = True,
        rngs: nnx.Rngs,
    ):
        if size % 2 == 0:
            raise ValueError(f"Convolution: the kernel size must be odd, got {size}.")
        initial = jax.nn.initializers.he_normal()(rngs.params(), (size, size, inputs, outputs))
        self.kernel = nnx.Param(scale * initial)
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        y = convolve(x, self.kernel[...].astype(x.dtype))
        return y if self.bias is None else y + self.bias[...].astype(x.dtype)


def space_to_depth(x: jax.Array, factor: int = 2) -> jax.Array:
    """(batch, y, x, c) to (batch, y / f, x / f, f f c), a permutation of the pixels.

    Raises:
        ValueError: sides that are no multiples of the factor.
    """
    b, rows, columns, c = x.shape
    if rows % factor or columns % factor:
        raise ValueError(
            f"space_to_depth: the image sides {(rows, columns)} must be multiples of {factor}; "
            "pad or crop the image."
        )
    x = x.reshape(b, rows // factor, factor, columns // factor, factor, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, rows // factor, columns // factor, -1)


def depth_to_space(x: jax.Array, factor: int = 2) -> jax.Array:
    """The inverse of :func:`space_to_depth`."""
    b, rows, columns, c = x.shape
    x = x.reshape(b, rows, columns, factor, factor, c // factor**2)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, rows * factor, columns * factor, -1)


@lru_cache
def compiler_options() -> dict[str, str]:
    """Options for `jax.jit` with which convolutions run fast on this backend.

    On CPU they keep convolutions on Eigen, which is faster than the default library for them;
    elsewhere, and where the installed XLA does not know the option, there are none.
    """
    if jax.default_backend() != "cpu":
        return {}
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT"}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(struct(1)).compile()
    except Exception:  # the kind of error for an unknown option is not part of any interface
        return {}
    return options


def jit(function: Any, **options: Any) -> Any:
    """`jax.jit` with :func:`compiler_options`: use it for functions that run networks."""
    return jax.jit(function, compiler_options=compiler_options(), **options)
