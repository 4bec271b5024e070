"""Ordered-subset expectation maximisation: EM steps with one subset of the rows after the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxrecon.core.iterate import Method
from jaxrecon.solvers.emission import check_start, data_ratio, em_step, emission_parts
from jaxrecon.solvers.subset_fidelity import SubsetFidelity, subset_fidelity
from jaxrecon.solvers.subsets import Subsets
from jaxrecon.solvers.sums import check_sums, column_sums, inverse_sums


class OSEMState(NamedTuple):
    """The iterate, and the number of the subset that is next."""

    x: jax.Array
    subset: jax.Array


class OSEM(Method):
    r"""x <- x / s_k A_k^T (y_k / (A_k x + b_k)), k cycling. Made by :func:`osem`."""

    fidelity: SubsetFidelity
    inverse_sensitivities: jax.Array

    def init(self, x0: Any) -> OSEMState:
        check_start(x0, self.fidelity.subsets.operator, what="osem")
        return OSEMState(x0, jnp.zeros((), jnp.int32))

    def step(self, state: OSEMState) -> OSEMState:
        x, k = state
        term, operator = self.fidelity.part(k)
        ratio = data_ratio(term, operator.apply(x))
        x = em_step(x, self.inverse_sensitivities[k], operator.adjoint(ratio))
        return OSEMState(x, (k + 1) % self.fidelity.count)


def osem(f: Any, subsets: Subsets) -> OSEM:
    r"""OSEM for counts y ~ Poisson(A x + b): an EM step with each subset of the rows of A.

        x <- x / s_k A_k^T (y_k / (A_k x + b_k)),   s_k = A_k^T 1,  k = 0, 1, ..., n - 1, 0, ...

    One step uses one subset, so n steps, a pass, cost as much as one step of :func:`mlem` and take
    the image about n times as far: ``solve(method, x0, passes * subsets.count)``. One subset is
    MLEM.

    Subsets should be balanced, each seeing every pixel about as well (s_k near s / n), as
    interleaved views do. Where they are, it converges if a solution fits the data exactly; for
    noisy data it ends in a cycle of n images around the maximum of the likelihood, the wider the
    more subsets (the last image is that of the last subset), and the likelihood may fall.
    Unbalanced subsets may cycle far off even without noise. Convergent are `mlem`, `map_em`,
    :func:`bsrem` with its relaxation, and `saga` and `svrg`.

    Zeros of the sensitivity and of the start, masks and dead bins are as in `mlem`; a pixel that a
    subset does not see stays as it is in its step. The sensitivities of all subsets are kept, n
    images.

    Args:
        f: KullbackLeibler(A, counts, background).
        subsets: the rows of the same A; for CT :func:`jaxrecon.ct.view_subsets`.

    Raises: as :func:`mlem`; ValueError for subsets of an operator of other spaces.

    Source: Hudson and Larkin 1994, doi:10.1109/42.363108.
    """
    emission_parts(f, what="osem")
    fidelity = subset_fidelity(f, subsets, what="osem")
    sums = _column_sums(subsets)
    check_sums(sums, what="osem", of="column sums")
    return OSEM(fidelity, jax.vmap(inverse_sums)(sums))


@jax.jit
def _column_sums(subsets: Subsets) -> jax.Array:
    """A_k^T 1 of all subsets, (count, *image)."""
    return jax.lax.map(lambda k: column_sums(subsets.operator_of(k)), jnp.arange(subsets.count))
