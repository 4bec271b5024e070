"""How quality changes when the test departs from the training: one sweep for every cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrecon.train.evaluation import Evaluation, evaluate
from jaxrecon.train.intervals import Interval, confidence_interval, image_values


class Sweep(NamedTuple):
    """What :func:`sweep` returns."""

    values: tuple
    """what was varied"""
    evaluations: dict[str, list[Evaluation]]
    """for each method, one for each value"""

    def means(self, measure: str = "psnr") -> dict[str, np.ndarray]:
        """Mean over the test images, (values,) for each method; psnr, ssim or squared_error."""
        return {
            name: np.array([getattr(e, measure).mean() for e in found])
            for name, found in self.evaluations.items()
        }

    def intervals(
        self, measure: str = "psnr", level: float = 0.95, *, key: jax.Array | None = None
    ) -> dict[str, Interval]:
        """The same with confidence intervals: mean, low and high, (values,) each.

        Args:
            measure: psnr, ssim or squared_error.
            level, key: of :func:`confidence_interval`.

        Raises:
            ValueError: fewer than two images, or a measure that is NaN: it names the method.
        """

        def one(name: str, found: list[Evaluation]) -> Interval:
            what = f"Sweep.intervals: {measure} of '{name}'"
            columns = [image_values(getattr(e, measure), what) for e in found]
            ends = [confidence_interval(column, level, key=key) for column in columns]
            return Interval(*(np.array(column) for column in zip(*ends, strict=True)))

        return {name: one(name, found) for name, found in self.evaluations.items()}


def sweep(
    methods: Mapping[str, Callable],
    at: Callable[[Any], tuple[Mapping[str, tuple], Any]],
    values: Sequence[Any],
    data_range: Any,
) -> Sweep:
    """Evaluate methods under one condition after the other.

    What a condition is, `at` says: noise of another level, fewer measurements, data of another
    geometry than the operator of the reconstruction, images of another kind. A method is compiled
    once for all conditions of the same shapes::

        def at(sigma):
            m = noise.gaussian(key, measured, sigma)
            return {"FBP": (operator, m), "network": (network, operator, m)}, truth

    Args:
        methods: name -> reconstruct(*arguments) -> images (n, y, x).
        at: value -> (name -> arguments, truth (n, y, x)).
        values: of the condition, numbers or names.
        data_range: of PSNR and SSIM: a number, one per image (n,), or a function of the truth,
            for conditions with other images.

    Raises:
        ValueError: no methods or no values; `at` gives no arguments for one of the methods.
    """
    if not methods or not len(values):
        raise ValueError(
            f"sweep expected one or more methods and values, got {len(methods)} methods and "
            f"{len(values)} values."
        )
    evaluations: dict[str, list[Evaluation]] = {name: [] for name in methods}
    for value in values:
        arguments, truth = at(value)
        if missing := set(methods) - set(arguments):
            raise ValueError(f"sweep: at({value!r}) gave no arguments for {sorted(missing)}.")
        span = data_range(truth) if callable(data_range) else data_range
        for name, reconstruct in methods.items():
            result = evaluate(reconstruct, arguments[name], truth, span, repeats=0)
            evaluations[name].append(result)
    return Sweep(tuple(values), evaluations)
