"""The laws of operators and functionals, as one-line checks for your own.

    from jaxrecon.testing import assert_adjoint, assert_gradient, assert_linear, assert_prox

Each draws random elements from a key, measures, and raises an AssertionError that says what was
measured and what was allowed. They run on the host, outside of jit. Tolerances default to those of
the precision of the data: run them in float64 (``with jax.enable_x64(True):``) to be strict.
"""

from jaxrecon.testing.elements import random_element
from jaxrecon.testing.functionals import assert_gradient, assert_prox
from jaxrecon.testing.operators import assert_adjoint, assert_linear

__all__ = ["assert_adjoint", "assert_gradient", "assert_linear", "assert_prox", "random_element"]
