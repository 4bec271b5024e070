"""Reconstruction networks on Flax NNX: denoisers, direct, unrolled and plug-and-play."""

from jaxrecon.nn.cnn import CNN, DnCNN
from jaxrecon.nn.convex_ridge import ConvexRidge, convex_ridge
from jaxrecon.nn.convolution import (
    Convolution,
    compiler_options,
    convolve,
    jit,
)
from jaxrecon.nn.deep_image_prior import deep_image_prior
from jaxrecon.nn.direct import AffineLayer, DirectReconstruction, Frozen
from jaxrecon.nn.drunet import DRUNet
from jaxrecon.nn.equilibrium import DeepEquilibrium, LearnedStep, equilibrium
from jaxrecon.nn.fields_of_experts import FieldsOfExperts, fields_of_experts
from jaxrecon.nn.filter_bank import filter_bank_bound, filter_responses
from jaxrecon.nn.gradient_step import GradientStep, GradientStepPotential
from jaxrecon.nn.networks import on_images, parameter_count, stacked
from jaxrecon.nn.normalisation import GroupNormalisation, Normalised
from jaxrecon.nn.plug_and_play import (
    DenoiserPrior,
    RegularisationByDenoising,
    plug_and_play_half_quadratic,
)
from jaxrecon.nn.residual import ResidualBlock
from jaxrecon.nn.resolution import (
    Downsample,
    Upsample,
    depth_to_space,
    max_pool,
    space_to_depth,
)
from jaxrecon.nn.spectral import jacobian_norm, lipschitz_penalty
from jaxrecon.nn.unet import UNet
from jaxrecon.nn.unrolled import (
    ALISTA,
    LISTA,
    ADMMNet,
    BatchedFidelity,
    EndToEndVariationalNetwork,
    ExpertsGradient,
    ISTANet,
    LearnedEM,
    LearnedGradient,
    LearnedPrimalDual,
    MoDL,
    TransformThreshold,
    UnrolledHalfQuadratic,
    UnrolledProximalGradient,
    UnrolledScheme,
    UpdateNetwork,
    VariationalNetwork,
    analytic_weights,
    data_consistency,
    learned_gradient_step,
    learned_primal_dual_step,
    spread,
    unroll,
)

__all__ = [
    "ALISTA",
    "CNN",
    "LISTA",
    "ADMMNet",
    "AffineLayer",
    "BatchedFidelity",
    "ConvexRidge",
    "Convolution",
    "DRUNet",
    "DeepEquilibrium",
    "DenoiserPrior",
    "DirectReconstruction",
    "DnCNN",
    "Downsample",
    "EndToEndVariationalNetwork",
    "ExpertsGradient",
    "FieldsOfExperts",
    "Frozen",
    "GradientStep",
    "GradientStepPotential",
    "GroupNormalisation",
    "ISTANet",
    "LearnedEM",
    "LearnedGradient",
    "LearnedPrimalDual",
    "LearnedStep",
    "MoDL",
    "Normalised",
    "RegularisationByDenoising",
    "ResidualBlock",
    "TransformThreshold",
    "UNet",
    "UnrolledHalfQuadratic",
    "UnrolledProximalGradient",
    "UnrolledScheme",
    "UpdateNetwork",
    "Upsample",
    "VariationalNetwork",
    "analytic_weights",
    "compiler_options",
    "convex_ridge",
    "convolve",
    "data_consistency",
    "deep_image_prior",
    "depth_to_space",
    "equilibrium",
    "fields_of_experts",
    "filter_bank_bound",
    "filter_responses",
    "jacobian_norm",
    "jit",
    "learned_gradient_step",
    "learned_primal_dual_step",
    "lipschitz_penalty",
    "max_pool",
    "on_images",
    "parameter_count",
    "plug_and_play_half_quadratic",
    "space_to_depth",
    "spread",
    "stacked",
    "unroll",
]
