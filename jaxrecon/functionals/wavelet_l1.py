"""Sparse wavelet coefficients: the l1 norm of the details."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_nonnegative, check_real
from jaxrecon.core.functional import Functional
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import norm
from jaxrecon.functionals.l1 import L1, soft_threshold
from jaxrecon.linops.wavelet import Wavelet


class WaveletL1(Functional):
    r"""f(x) = sum_i w_i |(W x)_i|, W an orthonormal wavelet transform; real or complex x.

    The weights w are 1 for details and `approximation` for the coarsest approximation, which by
    default is left alone: its coefficients carry the mean intensities and are not sparse.

    prox: W^H of the soft threshold of W v; the conjugate is 0 where |(W y)_i| <= w_i (to
    100 roundings of ||y||) and infinite elsewhere. This is
    the analysis form, min_x f(x) + data term of x. The synthesis form minimises over coefficients,
    min_c data term of W^H c + ||w c||_1:

        g, W = WaveletL1(shape).split()
        fista(LeastSquares(A @ W.H, m), weight * g),  then  x = W.H(c).

    As W is orthonormal, both have the same minimiser, x = W^H c; analysis saves nothing but is
    shorter, synthesis suits methods that take a plain l1 norm. They differ for redundant W.

    Args:
        shape: static, shape of x.
        name: static, 'haar' or 'db1' to 'db10'.
        levels: static; transformed axes are multiples of 2**levels.
        axes: static; axes transformed; all by default.
        approximation: weight of the approximation, >= 0, traced.

    Raises:
        ValueError: as :class:`jaxrecon.linops.Wavelet`; a negative weight (checked when concrete);
            when used, an x of another shape.
        TypeError: a complex weight.

    Source: Elad, Milanfar and Rubinstein 2007, doi:10.1088/0266-5611/23/3/007.
    """

    shape: tuple[int, ...] = static()
    name: str = static(default="db4")
    levels: int = static(default=3)
    axes: tuple[int, ...] | None = static(default=None)
    approximation: Any = 0.0

    def __post_init__(self) -> None:
        wavelet = self.wavelet()
        self._set("shape", wavelet.shape)
        self._set("axes", wavelet.axes)
        what = "WaveletL1(approximation)"
        check_real(self.approximation, what=what, argument="approximation")
        check_nonnegative(self.approximation, what=what, argument="approximation")
        super().__post_init__()

    def wavelet(self, dtype: Any = None) -> Wavelet:
        """W on images of `dtype` (float32 unless given)."""
        dtype = jnp.float32 if dtype is None else dtype
        return Wavelet(self.shape, self.name, self.levels, self.axes, dtype)

    def split(self, dtype: Any = None) -> tuple[L1, Wavelet]:
        """(g, W) with f = g @ W on images of `dtype` (float32 unless given)."""
        wavelet = self.wavelet(dtype)
        return L1(jnp.where(wavelet.details(), 1.0, self.approximation)), wavelet

    def __call__(self, x: Any) -> jax.Array:
        g, wavelet = self.split(x.dtype)
        return g(wavelet(x))

    def prox(self, v: Any, step: Any) -> Any:
        g, wavelet = self.split(v.dtype)
        return wavelet.adjoint(g.prox(wavelet(v), step))

    def conj_prox(self, v: Any, step: Any) -> Any:
        g, wavelet = self.split(v.dtype)
        return wavelet.adjoint(g.conj_prox(wavelet(v), step))

    def conjugate(self, y: Any) -> jax.Array:
        g, wavelet = self.split(y.dtype)
        rounding = 100 * jnp.finfo(y.dtype).eps * norm(y)
        return g.conjugate(soft_threshold(wavelet(y), rounding))
