"""A denoiser in the place of a prox: the prior of plug-and-play methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrecon.core import Functional
from jaxrecon.core.pytree import static
from jaxrecon.nn.networks import on_images


class DenoiserPrior(Functional):
    r"""The term g whose prox is a denoiser: prox_{s g}(v) = D(v, sigma) with sigma = sqrt(s).

    A MAP denoiser of white noise of the variance s is the prox of g = -log p with the step s, hence
    the root. g itself is not known, so it has no value, and every solver that needs only a prox
    takes it::

        g = DenoiserPrior(network)
        ista(f, lam * g, step)                     # plug-and-play proximal gradient; fista(...)
        admm(f, lam * g, Identity(space), penalty)
        plug_and_play_half_quadratic(f, g, space, noise_levels, lam)

    ``lam * g`` denoises at sqrt(lam * step), or sqrt(lam / penalty): for a level sigma of your
    choice take lam = sigma**2 / step, or sigma**2 * penalty. Solvers stop at a fixed point, that of
    one level: it depends on lam, and not on the step, only where D is the prox of a g.

    It converges, at a constant level, for a convex f with L-Lipschitz gradient, where there is a
    fixed point and

    - D = (1 - theta) I + theta N with a nonexpansive N and theta < 1 (averaged): `ista` at
      s < 2/L, and half-quadratic splitting with one level. With theta <= 1/2 (firmly
      nonexpansive): `admm` at every penalty, f need not be smooth.
    - I - D is eps-Lipschitz and f strongly convex with the constant mu (A of full rank; it is not
      so for compressed sensing): `ista` is a contraction by (1 + eps) max(|1 - s mu|, |1 - s L|),
      less than 1 for 1/(mu (1 + 1/eps)) < s < 2/L - 1/(L (1 + 1/eps)); `admm`, for eps < 1 and
      1 / penalty > eps / (mu (1 + eps - 2 eps^2)).
    - D has a symmetric Jacobian with eigenvalues in [0, 1] (linear smoothing with a symmetric,
      doubly stochastic, positive semidefinite matrix, for one): it is then the prox of a convex g,
      and all methods converge as for g, `fista` with its rate. With eigenvalues in [-1, 1], where D
      is nonexpansive, too, they need not: D that exchanges two pixels does so for ever in the null
      space of A, and momentum diverges. Without the symmetry momentum may diverge where `ista`
      converges: with a small rotation, averaged with I, in the null space of A it does.
    - D = I - grad h (gradient-step denoiser), grad h less than 1-Lipschitz: D is the prox of a
      g that need not be convex, and `ista` descends on f + lam g for s L < 1. With
      :class:`RegularisationByDenoising`, of gradient grad h, D need not be nonexpansive.

    Networks trained without a bound on their Lipschitz constant promise none of it: watch the
    status of :func:`jaxrecon.solve_until`, or end after a fixed schedule.

    Args:
        parameters: first argument of the denoiser, a pytree (the network).
        denoiser: (parameters, image, sigma) -> image, pure; static, so make it once. By default
            the parameters are a network (batch, y, x, 2 channels: image, sigma) -> (batch, y, x, 1)
            that :func:`jaxrecon.nn.on_images` applies to (..., y, x).

    Raises:
        NotImplementedError: its value or gradient is asked for.

    Source: Venkatakrishnan, Bouman and Wohlberg 2013, doi:10.1109/GlobalSIP.2013.6737048;
    convergence: Sreehari et al. 2016, doi:10.1109/TCI.2016.2599778 (symmetric); Sun, Wohlberg and
    Kamilov 2019, doi:10.1109/TCI.2019.2893568 (averaged); Ryu et al., ICML 2019,
    doi:10.48550/arXiv.1905.05406 (strongly convex); Hurault, Leclaire and Papadakis, ICML 2022,
    doi:10.48550/arXiv.2201.13256 (gradient step).
    """

    parameters: Any
    denoiser: Callable = static(default=on_images)

    def __call__(self, x: Any) -> jax.Array:
        raise NotImplementedError(
            "DenoiserPrior has a prox only; its value is not known. A denoiser as a gradient is "
            "RegularisationByDenoising, with a value where its Jacobian is symmetric."
        )

    def prox(self, v: Any, step: Any) -> Any:
        return self.denoiser(self.parameters, v, jnp.sqrt(step))
