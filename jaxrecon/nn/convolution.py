"""The one convolution that every network uses, with gradients that are fast on every backend.

XLA's CPU backend runs a convolution well only in its canonical form: NHWC images, HWIO kernels.
The gradients that autodiff writes are not in that form, and inside `lax.scan` nothing repairs
them. Here both gradients are convolutions of their own, tied to the forward by `matched`, so that
forward mode, reverse mode, vmap and every order of derivative work. On CPU they take the forms of
`cpu_convolution`; elsewhere the canonical one: cuDNN and TPU compilers choose layouts themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache, partial, update_wrapper
from types import MethodType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.core import Tracer
from jax.custom_derivatives import SymbolicZero

from jaxrecon.core import matched, struct
from jaxrecon.core.checks import check_inexact
from jaxrecon.nn import cpu_convolution
from jaxrecon.nn.activation import Activation
from jaxrecon.nn.scheduling import after


def _correlate(x: Any, kernel: Any) -> jax.Array:
    fast = cpu_convolution.correlate
    return lax.platform_dependent(x, kernel, cpu=fast, default=cpu_convolution.canonical)


def _in_image_transposed(kernel: Any, y: Any) -> jax.Array:
    axes = tuple(range(kernel.ndim - 2))
    flipped = jnp.flip(kernel, axes).swapaxes(-1, -2).conj()
    return _correlate(lax.optimization_barrier(y), flipped)


_in_image, _ = matched(lambda w, x: _correlate(x, w), _in_image_transposed)


def _kernel_gradient(x: Any, y: Any, size: tuple[int, ...]) -> jax.Array:
    border = [cpu_convolution.half(n) for n in size]
    plain = partial(cpu_convolution.canonical_kernel_gradient, padding=border)
    fast = partial(cpu_convolution.kernel_gradient, size=size)
    return lax.platform_dependent(x, y, cpu=fast, default=plain)


@lru_cache
def _in_kernel(size: tuple[int, ...]) -> Any:
    """x fixed, linear in the kernel; its adjoint gives a kernel of the size given."""
    forward, _ = matched(_correlate, partial(_kernel_gradient, size=size))
    return forward


def _in_both_transposed(parameters: tuple, y: Any) -> tuple[jax.Array, jax.Array]:
    x, kernel = parameters
    size = kernel.shape[:-2]

    def in_turn(x: Any, kernel: Any, y: Any) -> tuple[jax.Array, jax.Array]:
        gradient = _kernel_gradient(x, y, size)
        return _in_image_transposed(kernel, after(y, gradient)), gradient

    def together(x: Any, kernel: Any, y: Any) -> tuple[jax.Array, jax.Array]:
        return _in_image_transposed(kernel, y), _kernel_gradient(x, y, size)

    return lax.platform_dependent(x, kernel, y, cpu=in_turn, default=together)


_in_both, _ = matched(
    lambda p, d: _correlate(d[0], p[1]) + _correlate(p[0], d[1]),
    _in_both_transposed,
)
"""Linear in the image and the kernel. On CPU the two gradients are computed in turn, that of the
kernel first: XLA puts it off to the end otherwise, and holds what it takes for all layers."""


def _fixed(tangent: Any) -> bool:
    return type(tangent) is SymbolicZero


def _derivative(x: Any, kernel: Any, dx: Any, dkernel: Any) -> jax.Array | None:
    """Of the correlation along dx and dkernel; None if both are fixed."""
    if _fixed(dx):
        return None if _fixed(dkernel) else _in_kernel(kernel.shape[:-2])(x, dkernel)
    if _fixed(dkernel):
        return _in_image(kernel, dx)
    return _in_both((x, kernel), (dx, dkernel))


@jax.custom_jvp
def _convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return _correlate(x, kernel)


def _convolve_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    y = _correlate(*primals)
    along = _derivative(*primals, *tangents)
    return y, jnp.zeros_like(y) if along is None else along


_convolve.defjvp(_convolve_jvp, symbolic_zeros=True)


def _positive_part(x: Any, kernel: Any, bias: Any) -> jax.Array:
    return cpu_convolution.positive_part(_correlate(x, kernel), bias)


def _positive_part_only(x: Any, kernel: Any, bias: Any) -> jax.Array:
    """The same where it is kept for a derivative: nothing else of its size is."""
    fast = cpu_convolution.rectified
    return lax.platform_dependent(x, kernel, bias, cpu=fast, default=_positive_part)


_rectified, _rectified_and_kept = map(jax.custom_jvp, (_positive_part, _positive_part_only))
"""max(convolve(x, kernel) + bias, 0), with a derivative that is known from the result."""


def _where_positive(y: Any, d: Any) -> jax.Array:
    return jnp.where(y > 0, d, 0)


_rectified_derivative, _ = matched(_where_positive, _where_positive)
"""As one map, as a loop would keep the condition, too, beside y."""


def _rectified_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    x, kernel, bias = primals
    *along, dbias = tangents
    y = _rectified_and_kept(*primals)
    dy = _derivative(x, kernel, *along)
    dy = jnp.zeros_like(y) if dy is None else dy
    if bias is not None and not _fixed(dbias):
        dy = _plus_bias((), (dy, dbias))
    return y, _rectified_derivative(y, dy)


for _function in (_rectified, _rectified_and_kept):
    _function.defjvp(_rectified_jvp, symbolic_zeros=True)


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolution of network layers (a correlation): same size, zero padding, stride 1.

    A kernel of size one is a product of matrices. On CPU, kernels of width 3 with 48 channels or
    more on both sides are applied by Winograd's filtering along rows, and their gradients taken by
    it with 16 or more: half the products, and in float32 rounding errors some three times those of
    the plain sum, 1e-6 of the result.

    Args:
        x: (batch, y, x, channel in), or (batch, z, y, x, channel in).
        kernel: (rows, columns, channel in, channel out), or (planes, rows, columns, ...), all
            sizes odd.

    Returns:
        (batch, y, x, channel out) or (batch, z, y, x, channel out), of the dtype of x.

    Raises:
        ValueError: axes or channels that do not fit, or a kernel of an even size, whose adjoint
            would be shifted by a pixel.

    Source: Lavin and Gray, doi:10.1109/CVPR.2016.435.
    """
    _check(x, kernel)
    return x @ kernel.reshape(kernel.shape[-2:]) if _is_product(kernel) else _convolve(x, kernel)


def _is_product(kernel: jax.Array) -> bool:
    """A kernel of size one is a product of matrices."""
    return kernel.size == kernel.shape[-2] * kernel.shape[-1]


def _check(x: jax.Array, kernel: jax.Array) -> None:
    check_inexact(x, what="convolve", argument="images")
    if any(n % 2 == 0 for n in kernel.shape[:-2]):
        raise ValueError(f"convolve expected a kernel of odd sizes, got {kernel.shape[:-2]}.")
    if x.ndim not in (4, 5) or kernel.ndim != x.ndim:
        raise ValueError(
            "convolve expected images (batch, y, x, channel) or volumes (batch, z, y, x, channel) "
            f"and a kernel (..., channel, channel out) of as many axes, got {x.shape} and "
            f"{kernel.shape}."
        )
    if kernel.shape[-2] != x.shape[-1]:
        raise ValueError(
            f"convolve expected {kernel.shape[-2]} channels, as the kernel {kernel.shape} has, got "
            f"images {x.shape} with {x.shape[-1]}. Was the network made for another number, as "
            "`inputs`? A complex image is two channels, and each map is one more."
        )


def _plus_bias_transposed(_: Any, y: Any) -> tuple[jax.Array, jax.Array]:
    pixels = y.reshape(-1, y.shape[-1])
    return y, jnp.ones(len(pixels), y.dtype) @ pixels  # a product is faster than a reduction


_plus_bias, _ = matched(lambda _, terms: terms[0] + terms[1], _plus_bias_transposed)
"""(images, one value a channel) to their sum: one map, as a `scan` would make images of the values
before its loop, and read those in every step."""


class Convolution(nnx.Module):
    """y = convolve(x, kernel) + bias, for x of shape (batch, y, x, channel in), or with z before y.

    Args:
        inputs, outputs: numbers of channels.
        size: side of the kernel, odd.
        dims: axes of an image, 2 or 3.
        scale: factor on the initial kernel (He normal); 0 makes a layer that starts at zero, as
            the last layer of a residual branch may.
        bias: whether there is one.
        rngs: random streams of Flax; uses `params`.

    ``layer(x, rectified=True)`` is max(y, 0), for which training keeps one image instead of two;
    with kernels of size one it is a relu after the layer.

    Raises:
        ValueError: an even size, or other than 2 or 3 axes.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        size: int = 3,
        dims: int = 2,
        scale: float = 1.0,
        bias: bool = True,
        rngs: nnx.Rngs,
    ):
        if size % 2 == 0:
            raise ValueError(f"Convolution: the kernel size must be odd, got {size}.")
        if dims not in (2, 3):
            raise ValueError(f"Convolution: dims must be 2 or 3, got {dims}.")
        shape = (*(size,) * dims, inputs, outputs)
        initial = jax.nn.initializers.he_normal()(rngs.params(), shape)
        self.kernel = nnx.Param(scale * initial)
        self.bias = nnx.Param(jnp.zeros(outputs)) if bias else None

    def __call__(self, x: jax.Array, rectified: bool = False) -> jax.Array:
        """y, or max(y, 0), of which a backward pass keeps the result alone."""
        kernel = self.kernel[...].astype(x.dtype)
        bias = None if self.bias is None else self.bias[...].astype(x.dtype)
        if rectified and not _is_product(kernel):
            _check(x, kernel)
            return _rectified(x, kernel, bias)
        y = convolve(x, kernel)
        y = y if bias is None else _plus_bias((), (y, bias))
        return jax.nn.relu(y) if rectified else y


def activated(layer: Convolution, activation: Callable, x: jax.Array) -> jax.Array:
    """activation(layer(x)), as one operation where the activation is relu."""
    function = activation.function if isinstance(activation, Activation) else activation
    return layer(x, rectified=True) if function is jax.nn.relu else activation(layer(x))


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


class _Jitted:
    """`jax.jit` of a function, made at its first use: the options ask which backend there is."""

    def __init__(self, function: Any, options: dict[str, Any]):
        update_wrapper(self, function, updated=())
        self._function = function
        self._options = options

    @cached_property
    def _inner(self) -> Any:
        return jax.jit(self._function, **self._options)

    @cached_property
    def _jitted(self) -> Any:
        return jax.jit(self._function, compiler_options=compiler_options(), **self._options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        return self._inner(*args, **kwargs) if traced else self._jitted(*args, **kwargs)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        return self._jitted.lower(*args, **kwargs)

    def trace(self, *args: Any, **kwargs: Any) -> Any:
        return self._jitted.trace(*args, **kwargs)

    def eval_shape(self, *args: Any, **kwargs: Any) -> Any:
        return self._jitted.eval_shape(*args, **kwargs)

    def clear_cache(self) -> None:
        self._jitted.clear_cache()


def jit(function: Any, **options: Any) -> Any:
    """`jax.jit` with :func:`compiler_options`: use it for functions that run networks.

    Nothing starts before the first use, so that a module may have such functions at its top level.
    JAX takes options of the compiler at the top level only: within `jit`, `grad` or `vmap` this is
    `jax.jit`, and what is around it decides; `nn.jit(jax.grad(loss))` has them.

    Args:
        function: what to compile; a method may be decorated, too.
        options: those of `jax.jit`, such as `static_argnames` and `donate_argnums`.

    Returns:
        the compiled function, with `lower`, `trace`, `eval_shape` and `clear_cache` as that of
        `jax.jit` has them.
    """
    return _Jitted(function, options)
