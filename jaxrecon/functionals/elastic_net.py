"""The elastic net: l1 and squared l2 norm together."""

from __future__ import annotations

from typing import Any

import jax

from jaxrecon.core.checks import check_nonnegative, check_real
from jaxrecon.core.functional import Functional
from jaxrecon.functionals.l1 import L1
from jaxrecon.functionals.perturbed import perturbed
from jaxrecon.solvers.step_sizes import check_positive


class ElasticNet(Functional):
    r"""f(x) = a ||x||_1 + b/2 ||x||^2, on any array or pytree, real or complex.

    Sparse like l1, but strongly convex (by b): correlated values are kept together.

    prox: the soft threshold at s a, over 1 + s b. The conjugate is sum max(|y_i| - a, 0)^2 / (2 b).

    Args:
        l1: a >= 0, traced scalar.
        squared_l2: b > 0, traced scalar.

    Raises:
        ValueError: a < 0 or b <= 0 (checked when concrete).
        TypeError: complex weights.

    Source: Zou and Hastie 2005, doi:10.1111/j.1467-9868.2005.00503.x.
    """

    l1: Any = 1.0
    squared_l2: Any = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        what = "ElasticNet(l1, squared_l2)"
        for name in ("l1", "squared_l2"):
            check_real(getattr(self, name), what=what, argument=name)
        check_nonnegative(self.l1, what=what, argument="l1")
        check_positive(self.squared_l2, what=what, argument="squared_l2")

    def _sum(self) -> Functional:
        return perturbed(L1(self.l1), curvature=self.squared_l2)

    def __call__(self, x: Any) -> jax.Array:
        return self._sum()(x)

    def prox(self, v: Any, step: Any) -> Any:
        return self._sum().prox(v, step)

    def conjugate(self, y: Any) -> jax.Array:
        return self._sum().conjugate(y)
