"""The non-uniform Fourier transform.

- grid: the oversampled grid and window that meet an accuracy, and the way there and back
- taps: where the taps of a sample lie, their weights, their sums
- plan: type 1 by gathers, for positions that are known
- transform: the two types as a matched pair, with batches and derivatives
- operator: NonuniformFourier
"""

from jaxrecon.linops.nonuniform_fourier.operator import NonuniformFourier

__all__ = ["NonuniformFourier"]
