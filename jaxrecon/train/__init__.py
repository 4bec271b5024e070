"""Training on optax with checkpoints, losses, evaluation and reports, weights as files."""

from jaxrecon.train import losses
from jaxrecon.train.checkpoints import Checkpoints
from jaxrecon.train.evaluation import Evaluation, evaluate
from jaxrecon.train.export import export_reconstruction
from jaxrecon.train.intervals import Comparison, Interval, confidence_interval, paired
from jaxrecon.train.loop import Fit, fit
from jaxrecon.train.null_space import (
    Components,
    Consistency,
    check_consistency,
    range_null,
)
from jaxrecon.train.optimisers import adam_cosine
from jaxrecon.train.precision import in_precision
from jaxrecon.train.report import report
from jaxrecon.train.sweep import Sweep, sweep
from jaxrecon.train.weights import load_weights, save_weights

__all__ = [
    "Checkpoints",
    "Comparison",
    "Components",
    "Consistency",
    "Evaluation",
    "Fit",
    "Interval",
    "Sweep",
    "adam_cosine",
    "check_consistency",
    "confidence_interval",
    "evaluate",
    "export_reconstruction",
    "fit",
    "in_precision",
    "load_weights",
    "losses",
    "paired",
    "range_null",
    "report",
    "save_weights",
    "sweep",
]
