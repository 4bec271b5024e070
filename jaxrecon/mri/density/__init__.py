r"""Density compensation: weights W with one scale, so that gridding A^H W A has unit response.

W_j is the volume of k-space, in (cycles per pixel)^d, that sample j stands for, times the number N
of pixels. A sample of a full Cartesian grid stands for 1 / N and has W_j = 1, and the weights of
any trajectory add up to N times the volume that it covers: N for the whole square, N pi / 4 for the
disc of radius 1/2.

Why: with y(k) = N^(-1/2) sum_x f(x) exp(-2 pi i k . x), the orthonormal scale of
`NonuniformFourier`, the image is f(x) = int N^(1/2) y(k) exp(2 pi i k . x) dk over the unit cell,
and the sum over samples of (W_j / N) in the place of dk is f = A^H W y. An object within the
sampled resolution comes back with its own values, whatever trajectory and number of samples.
"""

from jaxrecon.mri.density.analytic import kooshball_density, radial_density, spiral_density
from jaxrecon.mri.density.pipe_menon import pipe_menon
from jaxrecon.mri.density.voronoi import voronoi

__all__ = ["kooshball_density", "pipe_menon", "radial_density", "spiral_density", "voronoi"]
