"""Training on optax: the loop with checkpoints, weights as files, evaluation on a test set."""

from jaxrecon.train.evaluation import Evaluation, evaluate
from jaxrecon.train.loop import Fit, adam_cosine, fit
from jaxrecon.train.weights import load_weights, save_weights

__all__ = [
    "Evaluation",
    "Fit",
    "adam_cosine",
    "evaluate",
    "fit",
    "load_weights",
    "save_weights",
]
