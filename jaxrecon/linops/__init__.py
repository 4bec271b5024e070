"""Linear operators that belong to no modality.

- dense and diagonal: Matrix, Diagonal, Identity
- sampling: Mask (an image with holes), Sample (a list of entries)
- transforms: Fourier, Wavelet, WalshHadamard (orthonormal), NonuniformFourier
  (linops.finufft.FinufftFourier is the same by an optional library)
- cyclic and Toeplitz: Circulant, Toeplitz (products by FFTs), circulant_preconditioner
- filters: Convolution, FiniteDifference, DirectionalDifference, SymmetrisedDerivative
- grids: Downsample, Resize, Crop, Pad
- series of images: Frames, one operator for each

The functions that they bundle are public too: fft_centred and ifft_centred, convolve and
convolve_adjoint, gradient and divergence, wavelet_transform and inverse_wavelet_transform,
walsh_hadamard.
"""

from jaxrecon.core import Identity
from jaxrecon.linops.convolution import (
    Convolution,
    convolve,
    convolve_adjoint,
    transfer_function,
)
from jaxrecon.linops.diagonal import Diagonal
from jaxrecon.linops.directional_difference import DirectionalDifference
from jaxrecon.linops.finite_difference import FiniteDifference, divergence, gradient
from jaxrecon.linops.fourier import Fourier, fft_centred, ifft_centred
from jaxrecon.linops.frames import Frames
from jaxrecon.linops.hadamard import (
    WalshHadamard,
    hadamard_matrix,
    sequency_order,
    walsh_hadamard,
)
from jaxrecon.linops.mask import Mask, Sample
from jaxrecon.linops.matrix import Matrix
from jaxrecon.linops.nonuniform_fourier import NonuniformFourier
from jaxrecon.linops.resample import Crop, Downsample, Pad, Resize
from jaxrecon.linops.symmetrised_derivative import SymmetrisedDerivative
from jaxrecon.linops.toeplitz import Circulant, Toeplitz, circulant_preconditioner
from jaxrecon.linops.wavelet import (
    Wavelet,
    inverse_wavelet_transform,
    wavelet_filters,
    wavelet_transform,
)

__all__ = [
    "Circulant",
    "Convolution",
    "Crop",
    "Diagonal",
    "DirectionalDifference",
    "Downsample",
    "FiniteDifference",
    "Fourier",
    "Frames",
    "Identity",
    "Mask",
    "Matrix",
    "NonuniformFourier",
    "Pad",
    "Resize",
    "Sample",
    "SymmetrisedDerivative",
    "Toeplitz",
    "WalshHadamard",
    "Wavelet",
    "circulant_preconditioner",
    "convolve",
    "convolve_adjoint",
    "divergence",
    "fft_centred",
    "gradient",
    "hadamard_matrix",
    "ifft_centred",
    "inverse_wavelet_transform",
    "sequency_order",
    "transfer_function",
    "walsh_hadamard",
    "wavelet_filters",
    "wavelet_transform",
]
