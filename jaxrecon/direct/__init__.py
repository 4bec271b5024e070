"""Closed forms: pseudo-inverse, Tikhonov, linear MMSE, statistical completion."""

from jaxrecon.direct.linear_mmse import LinearMMSE, linear_mmse
from jaxrecon.direct.tikhonov import pseudo_inverse, tikhonov

__all__ = ["LinearMMSE", "linear_mmse", "pseudo_inverse", "tikhonov"]
