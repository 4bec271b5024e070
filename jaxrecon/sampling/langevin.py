"""Langevin sampling: gradient descent on a negative log-density, with noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core import Functional, Method
from jaxrecon.core.checks import is_complex, real_dtype
from jaxrecon.core.vectors import add_scaled
from jaxrecon.functionals import Box, MoreauEnvelope
from jaxrecon.nn.networks import on_images
from jaxrecon.nn.plug_and_play.red import RegularisationByDenoising
from jaxrecon.solvers.step_sizes import check_positive


class LangevinState(NamedTuple):
    """The sample, and the key of what follows."""

    x: Any
    key: jax.Array


def standard_normal(key: jax.Array, like: Any) -> Any:
    """Normal numbers of variance 1 shaped as `like`; of complex ones, in each of both parts."""
    leaves, tree = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    return tree.unflatten([_normal(k, a) for k, a in zip(keys, leaves, strict=True)])


def _normal(key: jax.Array, like: Any) -> jax.Array:
    if not is_complex(like.dtype):
        return jax.random.normal(key, like.shape, like.dtype)
    parts = jax.random.normal(key, (2, *like.shape), real_dtype(like.dtype))
    return jax.lax.complex(parts[0], parts[1])


class UnadjustedLangevin(Method):
    r"""x <- x - s grad U(x) + sqrt(2 s) noise. Made by :func:`unadjusted_langevin`."""

    potential: Functional
    key: jax.Array
    step_size: Any

    def init(self, x0: Any) -> LangevinState:
        return LangevinState(x0, self.key)

    def step(self, state: LangevinState) -> LangevinState:
        key, draw = jax.random.split(state.key)
        x = add_scaled(state.x, -self.step_size, self.potential.grad(state.x))
        noise = standard_normal(draw, x)
        return LangevinState(add_scaled(x, jnp.sqrt(2 * self.step_size), noise), key)


def unadjusted_langevin(
    potential: Functional, key: jax.Array, step_size: Any = None
) -> UnadjustedLangevin:
    r"""Samples of the density proportional to exp(-U(x)): the unadjusted Langevin algorithm (ULA).

    x <- x - s grad U(x) + sqrt(2 s) noise. For a convex U with an L-Lipschitz gradient it is stable
    for s < 2/L. It has a bias of first order in s, since no step is rejected: for
    U = 1/2 <x - a, P (x - a)> it samples the mean a and the covariance P^-1 (I - s P / 2)^-1, so
    that s = 1/L doubles the variance along the stiffest direction and s = 0.1/L adds 5 %. It
    forgets its start like (1 - s mu)^k, mu the least curvature.

    Run it with :func:`posterior_moments`; chains side by side by `jax.vmap` over keys.

    Args:
        potential: U = -log density, fidelity in units of the noise variance plus priors.
        key: JAX key.
        step_size: s, traced; 0.1 / potential.lipschitz() unless given.

    Raises:
        NotImplementedError: no step size is given and U knows no Lipschitz constant.
        ValueError: a step size that is not positive, where known.

    Source: Roberts and Tweedie 1996, doi:10.2307/3318418; bounds on the bias: Durmus and Moulines
    2017, doi:10.1214/16-AAP1238.
    """
    if step_size is None:
        step_size = 0.1 / potential.lipschitz()
    check_positive(step_size, what="unadjusted_langevin", argument="step_size")
    return UnadjustedLangevin(potential, key, step_size)


def moreau_yosida_langevin(
    f: Functional, g: Functional, key: jax.Array, *, smoothing: Any, step_size: Any = None
) -> UnadjustedLangevin:
    r"""MYULA: samples of exp(-f - g) for a smooth f and a convex g with a prox, such as TV.

    ULA on f + g_mu, g_mu the :class:`jaxrecon.functionals.MoreauEnvelope`:

        x <- x - s grad f(x) + s/mu (prox_{mu g}(x) - x) + sqrt(2 s) noise.

    Its density approaches exp(-f - g) for mu -> 0; mu = 1/L, L the Lipschitz constant of grad f, is
    the choice of the source, with s between 0.2 and 0.5 / (L + 1/mu). Below 1 / (L + 1/mu) its
    convergence is proved.

    Args:
        f: smooth term, in units of the noise variance.
        g: convex term.
        key: JAX key.
        smoothing: mu, traced, > 0.
        step_size: s, traced; 0.25 / (L + 1/mu) unless given.

    Raises:
        NotImplementedError: no step size is given and f knows no Lipschitz constant.
        ValueError: numbers that are not positive, where known.

    Source: Durmus, Moulines and Pereyra 2018, doi:10.1137/16M1108340.
    """
    potential = f + MoreauEnvelope(g, smoothing)
    if step_size is None:
        step_size = 0.25 / potential.lipschitz()
    return unadjusted_langevin(potential, key, step_size)


def plug_and_play_langevin(
    f: Functional,
    parameters: Any,
    sigma: Any,
    key: jax.Array,
    step_size: Any,
    *,
    denoiser: Callable = on_images,
    weight: Any = 1.0,
    box: tuple[Any, Any] | None = (-1.0, 2.0),
    tails: Any = None,
) -> UnadjustedLangevin:
    r"""PnP-ULA: samples of the posterior whose prior is known by a denoiser D at the level sigma.

        x <- x - s grad f(x) + s weight / sigma^2 (D(x) - x) + s / tails (P x - x) + sqrt(2 s) n,

    n normal noise, P the projection to a box. By Tweedie's formula (D(x) - x) / sigma^2 is the
    score of the images with noise of the level sigma, exactly for the best denoiser, so that the
    prior is smoothed by it: the bias is that of ULA, plus one that vanishes with sigma. The pull to
    the box makes the tails integrable; choose the box so wide that samples hardly meet it.

    With M the Lipschitz constant of I - D and L that of grad f, it is proved to converge for
    s < 1/3 / (L + weight M / sigma^2 + 1 / tails), at tails <= 1 / (2 L + 2 weight M / sigma^2).
    A step larger than 1 / (L + M / sigma^2) may diverge.

    Args:
        f: fidelity in units of the noise variance.
        parameters, denoiser: D, as in :class:`jaxrecon.nn.DenoiserPrior`.
        sigma: its noise level, traced; near the smallest at which it was trained (5/255 in the
            source).
        key: JAX key.
        step_size: s, traced.
        weight: of the prior, traced; 1 is the posterior.
        box: (lower, upper), traced; None for none, as complex images need it.
        tails: traced, > 0; 4.5 step_size unless given, which meets both conditions for s < 1/9 /
            (L + weight M / sigma^2).

    Raises:
        ValueError: numbers that are not positive, where known.

    Source: Laumont, De Bortoli, Almansa, Delon, Durmus and Pereyra 2022, doi:10.1137/21M1406349.
    """
    check_positive((sigma, weight), what="plug_and_play_langevin", argument="sigma and weight")
    prior = RegularisationByDenoising(parameters, sigma, denoiser)
    potential = f + (weight / sigma**2) * prior
    if box is not None:
        tails = 4.5 * step_size if tails is None else tails
        potential = potential + MoreauEnvelope(Box(*box), tails)
    return unadjusted_langevin(potential, key, step_size)
