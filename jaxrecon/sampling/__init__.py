"""Samples of the posterior, with means, deviations and their calibration.

Each sampler is a `Method` with a JAX key in its state, over a `Functional` and a denoiser.
"""

from jaxrecon.sampling.calibration import coverage, normal_transform, rank_transform
from jaxrecon.sampling.diffpir import DiffPIR, diffpir
from jaxrecon.sampling.diffusion import DiffusionSampler
from jaxrecon.sampling.dps import DiffusionPosteriorSampling, diffusion_posterior_sampling
from jaxrecon.sampling.effective_sample_size import effective_sample_size
from jaxrecon.sampling.langevin import (
    UnadjustedLangevin,
    moreau_yosida_langevin,
    plug_and_play_langevin,
    unadjusted_langevin,
)
from jaxrecon.sampling.moments import Moments, pooled, posterior_moments
from jaxrecon.sampling.noise_schedule import score, variance_exploding, variance_preserving

__all__ = [
    "DiffPIR",
    "DiffusionPosteriorSampling",
    "DiffusionSampler",
    "Moments",
    "UnadjustedLangevin",
    "coverage",
    "diffpir",
    "diffusion_posterior_sampling",
    "effective_sample_size",
    "moreau_yosida_langevin",
    "normal_transform",
    "plug_and_play_langevin",
    "pooled",
    "posterior_moments",
    "rank_transform",
    "score",
    "unadjusted_langevin",
    "variance_exploding",
    "variance_preserving",
]
