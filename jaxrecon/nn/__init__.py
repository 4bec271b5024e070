"""Reconstruction networks on Flax NNX: denoisers, direct, unrolled and plug-and-play."""

from jaxrecon.nn.cnn import CNN, DnCNN
from jaxrecon.nn.convolution import (
    Convolution,
    compiler_options,
    convolve,
    depth_to_space,
    jit,
    space_to_depth,
)
from jaxrecon.nn.direct import AffineLayer, DirectReconstruction, Frozen
from jaxrecon.nn.networks import Normalised, on_images, parameter_count, stacked
from jaxrecon.nn.plug_and_play import PlugAndPlayHalfQuadratic
from jaxrecon.nn.unet import ResidualBlock, UNet
from jaxrecon.nn.unrolled import UnrolledProximalGradient, unroll, unrolled_proximal_gradient

__all__ = [
    "CNN",
    "AffineLayer",
    "Convolution",
    "DirectReconstruction",
    "DnCNN",
    "Frozen",
    "Normalised",
    "PlugAndPlayHalfQuadratic",
    "ResidualBlock",
    "UNet",
    "UnrolledProximalGradient",
    "compiler_options",
    "convolve",
    "depth_to_space",
    "jit",
    "on_images",
    "parameter_count",
    "space_to_depth",
    "stacked",
    "unroll",
    "unrolled_proximal_gradient",
]
