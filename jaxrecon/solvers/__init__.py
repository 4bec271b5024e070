"""Iterative methods: each is a `Method` of pure functions, run by `jaxrecon.solve`."""

from jaxrecon.solvers.proximal_gradient import FISTA, ISTA, fista, ista, proximal_gradient_step

__all__ = ["FISTA", "ISTA", "fista", "ista", "proximal_gradient_step"]
