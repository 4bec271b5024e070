"""End-to-end variational network: k-space of many coils, with coil maps that are learned too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.checks import check_choice, describe
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.unrolled.scheme import UnrolledScheme

_IMAGE = (-2, -1)


class EndToEndState(NamedTuple):
    """k-space of all coils, (batch, coil, y, x)."""

    kspace: jax.Array


class EndToEndVariationalNetwork(UnrolledScheme):
    r"""Descent in k-space with learned refinements and learned coil maps, k = 1 ... K:

        z <- z - eta_k P (z - m) + F S (D_k(x) - x),    x = S^H F^-1 z,

    from z = m. P is the sampling mask, F the centred orthonormal Fourier transform, and D_k a
    denoiser of the combined image; while D_k(x) = x it is gradient descent on 1/2 ||P z - m||^2.
    The maps come from the fully sampled centre C of k-space through another denoiser E of single
    coil images: S = E(F^-1 C m) / sqrt(sum over coils |E(F^-1 C m)|^2), so that S^H S = 1. The
    result is the root sum of squares of F^-1 z, in the units of F^-1 m, or |S^H F^-1 z|, in which
    the noise of the coils does not add up where there is no signal.

    Args:
        network: D, of complex images (two channels), shared by all steps or stacked by
            :func:`jaxrecon.nn.stacked`; e.g. ``Normalised(UNet(inputs=2, outputs=2), channels=2)``.
        sensitivity_network: E, likewise; applied to each coil image alone, so that any number of
            coils fits.
        steps: K.
        shared: as in :class:`UnrolledScheme`.
        step_size: initial eta_k; as P is a projection, gradient descent converges for 0 < eta < 2,
            and 1 puts the measured entries back.
        learned: whether the step sizes are trained.

    For images of two axes.

    Raises:
        ValueError: as :class:`UnrolledScheme`.

    Source: Sriram et al. 2020, doi:10.1007/978-3-030-59713-9_7.
    """

    def __init__(
        self,
        network: Any,
        sensitivity_network: Any,
        *,
        steps: int,
        shared: bool | Sequence[int] = False,
        step_size: Any = 1.0,
        learned: bool = True,
    ):
        super().__init__(network, steps=steps, shared=shared)
        self.sensitivity_network = sensitivity_network
        self.step_sizes = self.per_step(step_size, "step_size", learned=learned)

    def numbers(self) -> jax.Array:
        return self.step_sizes[...]

    def maps(self, kspace: jax.Array, centre: jax.Array) -> jax.Array:
        """S, (batch, coil, y, x), from the entries of k-space where `centre` is true."""
        images = ifft_centred(jnp.where(centre, kspace, 0), _IMAGE)
        found = on_images(self.sensitivity_network, images)
        square = jnp.sum(jnp.abs(found) ** 2, axis=1, keepdims=True)
        norm = jnp.sqrt(square + jnp.finfo(square.dtype).tiny)
        return found / norm

    def __call__(  # type: ignore[override]  # masks in the place of one operator for all items
        self,
        kspace: jax.Array,
        mask: Any,
        centre: Any,
        *,
        combine: str = "root sum of squares",
        trace: Callable | None = None,
        remat: bool | int = True,
    ) -> Any:
        """Reconstruct a batch.

        Args:
            kspace: m, complex, (batch, coil, y, x), zero or anything where the mask is false.
            mask: P, booleans that broadcast to (batch, 1, y, x): (y, x), (y, 1), (x,), or, one for
                each item, (batch, 1, y, x).
            centre: C, booleans likewise: the fully sampled lines in the middle.
            combine: static; "root sum of squares" of the coils, or by the learned "maps".
            trace: what to record after each step, state -> pytree.
            remat: recompute each step in the backward pass.

        Returns:
            (batch, y, x), real; with a trace (images, history), the records stacked along axis 0.

        Raises:
            TypeError: k-space that is not complex; a mask that is not boolean.
            ValueError: k-space without four axes; a mask that does not broadcast; another way to
                combine.
        """
        what = "EndToEndVariationalNetwork"
        check_choice(combine, ("root sum of squares", "maps"), what=what, argument="combine")
        if kspace.ndim != 4 or not jnp.iscomplexobj(kspace):
            error = ValueError if kspace.ndim != 4 else TypeError
            raise error(
                f"{what} expected complex k-space (batch, coil, y, x), got "
                f"{describe(jax.typeof(kspace))}."
            )
        mask = _as_mask(mask, kspace.shape, what=what, argument="mask")
        centre = _as_mask(centre, kspace.shape, what=what, argument="centre")
        measured = jnp.where(mask, kspace, 0)
        maps = self.maps(measured, centre)

        def step(network: Any, step_size: jax.Array, state: EndToEndState) -> EndToEndState:
            return end_to_end_step(network, step_size, state, measured, mask, maps)

        state, history = self.run(step, EndToEndState(measured), trace=trace, remat=remat)
        images = ifft_centred(state.kspace, _IMAGE)
        if combine == "maps":
            images = jnp.sum(maps.conj() * images, axis=1, keepdims=True)
        square = jnp.sum(jnp.abs(images) ** 2, axis=1)
        x = jnp.sqrt(square + jnp.finfo(square.dtype).tiny)
        return x if trace is None else (x, history)


def end_to_end_step(
    network: Any,
    step_size: Any,
    state: EndToEndState,
    measured: jax.Array,
    mask: jax.Array,
    maps: jax.Array,
) -> EndToEndState:
    """z <- z - eta P (z - m) + F S (D(x) - x), x = S^H F^-1 z."""
    z = state.kspace
    residual = jnp.where(mask, z - measured, 0)
    x = jnp.sum(maps.conj() * ifft_centred(z, _IMAGE), axis=1)
    change = on_images(network, x) - x
    refinement = fft_centred(maps * change[:, None], _IMAGE)
    return EndToEndState(z - step_size.astype(x.real.dtype) * residual + refinement)


def _as_mask(mask: Any, shape: tuple[int, ...], *, what: str, argument: str) -> jax.Array:
    mask = jnp.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"{what} expected a boolean {argument}, got {mask.dtype}; pass it > 0.")
    wanted = (shape[0], 1, *shape[2:])
    try:
        fits = jnp.broadcast_shapes(mask.shape, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"{what} expected {argument} to broadcast to (batch, 1, y, x) = {wanted}, got "
            f"{mask.shape}."
        )
    return mask
