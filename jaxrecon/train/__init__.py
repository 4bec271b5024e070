"""Training on optax: the loop with checkpoints, weights as files, evaluation."""

from jaxrecon.train.loop import Fit, adam_cosine, fit
from jaxrecon.train.weights import load_weights, save_weights

__all__ = ["Fit", "adam_cosine", "fit", "load_weights", "save_weights"]
