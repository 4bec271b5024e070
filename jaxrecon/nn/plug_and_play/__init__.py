"""Plug-and-play: a denoiser as a term of the cost, for the solvers that there are."""

from jaxrecon.nn.plug_and_play.half_quadratic import plug_and_play_half_quadratic
from jaxrecon.nn.plug_and_play.prior import DenoiserPrior
from jaxrecon.nn.plug_and_play.red import RegularisationByDenoising

__all__ = ["DenoiserPrior", "RegularisationByDenoising", "plug_and_play_half_quadratic"]
