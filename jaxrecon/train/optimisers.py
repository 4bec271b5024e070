"""The optimiser that training uses unless another one is given."""

from __future__ import annotations

from typing import Any

import optax

from jaxrecon.solvers.step_sizes import check_positive


def adam_cosine(
    steps: int, learning_rate: float = 1e-3, clip: float = 1.0, *, weight_decay: float = 0.0
) -> Any:
    """Adam with gradients clipped to a norm, a short warm-up, and a cosine decay to 1 %.

    Args:
        steps: of the whole training; the rate falls until then.
        learning_rate: the largest, reached after min(steps / 20, 100) steps.
        clip: largest norm of the gradient over all weights.
        weight_decay: decoupled from the gradient, as in AdamW; 0 is Adam.

    Raises:
        ValueError: a learning rate that is not positive and finite.

    Source: Kingma and Ba 2015, arXiv:1412.6980; Loshchilov and Hutter 2017, arXiv:1608.03983, and
    2019, arXiv:1711.05101.
    """
    check_positive(learning_rate, what="adam_cosine", argument="learning_rate")
    warmup = max(1, min(steps // 20, 100))
    schedule = optax.warmup_cosine_decay_schedule(
        0.1 * learning_rate, learning_rate, warmup, max(steps, warmup + 1), 0.01 * learning_rate
    )
    adam = (
        optax.adamw(schedule, weight_decay=weight_decay) if weight_decay else optax.adam(schedule)
    )
    return optax.chain(optax.clip_by_global_norm(clip), adam)
