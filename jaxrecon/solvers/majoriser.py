"""Curvatures that bound the second derivatives of the terms of a cost function."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxrecon.core.functional import Functional, Total, Translated, Weighted
from jaxrecon.core.operator import LinearOperator


def data_curvature(term: Any, operator: LinearOperator) -> jax.Array:
    """c >= f'' of each datum, like the data: ``curvature()`` of the term, or its Hessian if it is
    quadratic.

    Raises:
        NotImplementedError: the term has neither.
    """
    if hasattr(term, "curvature"):
        return term.curvature()
    space = operator.codomain
    return jnp.real(term.hessian(jnp.ones(space.shape, space.dtype)))


def penalty_majoriser(penalty: Functional | None, given: Any = None, *, what: str) -> Any:
    """L, a scalar or an image, such that diag(L) majorises the Hessian of the penalty: the one
    given, else ``curvature()`` where the penalty has it (neighbourhood priors), else its
    Lipschitz constant; 0 without a penalty.

    Raises:
        NotImplementedError: none is known.
        ValueError: it is negative or not finite (checked when concrete).
    """
    if penalty is None:
        return 0.0
    bound = _majoriser(penalty) if given is None else given
    if not isinstance(bound, Tracer):
        values = np.asarray(bound)
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(
                f"{what} expected a finite bound >= 0 of the second derivatives of the penalty, "
                f"got values up to {np.max(values)}. It may need smoothing, such as epsilon > 0 of "
                "a RelativeDifferencePrior or delta > 0 of a HuberTotalVariation."
            )
    return bound


def _majoriser(penalty: Functional) -> Any:
    if isinstance(penalty, Weighted):
        return penalty.scale * _majoriser(penalty.functional)
    if isinstance(penalty, Translated):
        return _majoriser(penalty.functional)
    if isinstance(penalty, Total):
        return sum(_majoriser(term) for term in penalty.terms)
    if hasattr(penalty, "curvature"):
        return penalty.curvature()  # type: ignore[attr-defined]
    return penalty.lipschitz()
