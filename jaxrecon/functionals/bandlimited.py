"""Images with a spectrum of limited support."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core.functional import Indicator
from jaxrecon.core.pytree import static
from jaxrecon.core.vectors import norm
from jaxrecon.functionals.indicators import indicator
from jaxrecon.linops.coefficients import as_axes
from jaxrecon.linops.diagonal import check_broadcast
from jaxrecon.linops.fourier import fft_centred, ifft_centred


class Bandlimited(Indicator):
    r"""0 where (F x)[k] = 0 for all k outside of the support, else infinity; real or complex x.

    F is the centred orthonormal Fourier transform along `axes`: frequency 0 is entry n // 2. The
    spectrum of a real x is symmetric, so of a real x only frequencies k count with both k and -k in
    the support. prox: the projection F^H (support F v). The conjugate is 0 where F y = 0 inside of
    the support, else infinite. What should be 0 may be as large as 100 roundings of ||x||.

    Args:
        support: boolean array, True where frequencies are allowed; traced; broadcasts to x.
        axes: static; axes along which F transforms; all by default.

    Raises:
        TypeError: a support that is not boolean.
        ValueError: when used, a support that does not broadcast to x, an axis out of range.

    Source: Youla 1978, doi:10.1109/TCS.1978.1084541.
    """

    support: Any
    axes: tuple[int, ...] | None = static(default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("support", jnp.asarray(self.support))
        if self.support.dtype != bool:
            raise TypeError(
                f"Bandlimited expected a boolean support, got {self.support.dtype}. Pass "
                "support > 0 for zeros and ones."
            )

    def _allowed(self, x: Any) -> jax.Array:
        what = "Bandlimited(support)"
        check_broadcast(self.support, x.shape, what=what, argument="support")
        support = jnp.broadcast_to(self.support, x.shape)
        if jnp.iscomplexobj(x):
            return support
        axes = as_axes(self.axes, x.ndim, what=what)
        mirrored = jnp.flip(support, axes)  # k = 0 is entry n // 2: of even n, one further
        return support & jnp.roll(mirrored, [1 - x.shape[a] % 2 for a in axes], axes)

    def _filtered(self, x: Any) -> jax.Array:
        passed = ifft_centred(jnp.where(self._allowed(x), fft_centred(x, self.axes), 0), self.axes)
        return passed if jnp.iscomplexobj(x) else passed.real

    def _small(self, part: jax.Array, x: Any) -> jax.Array:
        allowed = 100 * jnp.finfo(x.dtype).eps * norm(x)
        return indicator(norm(part) <= allowed, allowed)

    def __call__(self, x: Any) -> jax.Array:
        return self._small(x - self._filtered(x), x)

    def prox(self, v: Any, step: Any) -> Any:
        return self._filtered(v)

    def conj_prox(self, v: Any, step: Any) -> Any:
        return v - self._filtered(v)

    def conjugate(self, y: Any) -> jax.Array:
        return self._small(self._filtered(y), y)
