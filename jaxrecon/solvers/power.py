"""The power method: the norm of an operator, from which step sizes follow."""

from jaxrecon.core.norm import operator_norm

__all__ = ["operator_norm"]
