"""Regular undersampling as a lattice: which samples are measured, what lies near, what folds."""

from __future__ import annotations

from itertools import product
from math import gcd, prod
from typing import Any, NamedTuple

import numpy as np
from jax.core import Tracer

from jaxrecon.mri.coils.calibration import per_axis


class Lattice(NamedTuple):
    """Every R-th sample along each axis, axis 1 moved on by `shift` at each step of axis 0.

    Sample k is measured when k_0 = o_0 + R_0 i and k_1 = o_1 + shift i + R_1 j for whole i and j,
    and so on along other axes without a shift, o the offset. All numbers are static.
    """

    acceleration: tuple[int, ...]
    shift: int = 0

    @property
    def total(self) -> int:
        """R = prod R_a, the number of samples for one that is measured."""
        return prod(self.acceleration)

    @property
    def period(self) -> tuple[int, ...]:
        """Steps along each axis after which the pattern repeats."""
        r = self.acceleration
        turns = r[1] // gcd(r[1], self.shift) if len(r) > 1 else 1
        return tuple(n * turns if axis == 0 else n for axis, n in enumerate(r))

    def coset(self, position: np.ndarray) -> np.ndarray:
        """(..., d) positions relative to the offset, moved by lattice steps into [0, R)."""
        r = self.acceleration
        k = np.array(position)
        k[..., 1:2] -= self.shift * (k[..., :1] // r[0])
        return k % np.array(r)

    def mask(self, shape: tuple[int, ...], offset: tuple[int, ...]) -> np.ndarray:
        """What is measured, boolean of that shape."""
        return np.all(self.coset(_grid(shape) - np.array(offset)) == 0, axis=-1)

    def missing(self) -> np.ndarray:
        """All cosets but the measured one, (R - 1, d)."""
        cosets = list(product(*(range(r) for r in self.acceleration)))
        return np.array(cosets[1:], int).reshape(-1, len(self.acceleration))

    def sources(self, coset: np.ndarray, kernel: tuple[int, ...]) -> np.ndarray:
        """Steps from a sample of that coset to the measured ones nearest to it, (prod kernel, d).

        Along each axis the kernel says how many: of axis 0 the nearest planes, in each of them of
        axis 1 the nearest lines, and so on.
        """
        steps: list[tuple[int, ...]] = [()]
        for axis, (r, count) in enumerate(zip(self.acceleration, kernel, strict=True)):
            longer = []
            for step in steps:
                start = -int(coset[axis])
                if axis == 1:
                    start += self.shift * ((step[0] + int(coset[0])) // self.acceleration[0])
                reach = range(-count - 1, count + 2)
                near = sorted((start % r + r * j for j in reach), key=lambda d: (abs(d), d))
                longer += [(*step, d) for d in sorted(near[:count])]
            steps = longer
        return np.array(steps, int)

    def aliases(self, shape: tuple[int, ...]) -> np.ndarray:
        """Steps between the pixels that fold onto each other, (R, d); the first is 0.

        Raises:
            ValueError: the lattice does not continue across the edges of k-space.
        """
        if any(n % p for n, p in zip(shape, self.period, strict=True)):
            raise ValueError(
                f"a sampling pattern that repeats after {self.period} samples must fit into the "
                f"shape a whole number of times, got {shape}."
            )
        r = self.acceleration
        steps = []
        for m in product(*(range(a) for a in r)):
            turns = [i / a for i, a in zip(m, r, strict=True)]
            if len(r) > 1:  # a phase of 1 along both steps of the lattice
                turns[0] -= self.shift * m[1] / (r[0] * r[1])
            steps.append([round(t * n) % n for t, n in zip(turns, shape, strict=True)])
        return np.array(steps, int)


def as_lattice(acceleration: Any, shift: int, ndim: int, *, what: str) -> Lattice:
    """A lattice from R along y (the last axis but one), or from one number for each axis.

    Raises:
        ValueError: numbers that are not positive, one too few or too many, or a shift without
            undersampling along axis 1.
    """
    if not isinstance(acceleration, tuple | list):
        factors = [1] * ndim
        factors[-2 if ndim > 1 else 0] = acceleration
        acceleration = tuple(factors)
    factors = per_axis(acceleration, ndim, what=what, argument="acceleration")
    if shift and (ndim < 2 or not 0 < shift < factors[1]):
        raise ValueError(
            f"{what} expected a shift of axis 1 below its acceleration {factors[1:2]}, got {shift}."
        )
    return Lattice(factors, int(shift))


def find_lattice(
    lines: np.ndarray, *, what: str, most: int = 16
) -> tuple[Lattice, tuple[int, ...]]:
    """The densest lattice whose lines are all measured, with an axis for the readout; its offset.

    There may be more lines, as of a calibration region.

    Raises:
        ValueError: none is found with an acceleration up to `most`.
    """
    grid = _grid(lines.shape)
    for lattice in _lattices(lines.shape, most):
        r = lattice.acceleration
        cosets = np.asarray(np.ravel_multi_index(tuple(np.moveaxis(lattice.coset(grid), -1, 0)), r))
        holes = np.bincount(cosets[~lines], minlength=lattice.total)
        if not holes.all():
            offset = list(product(*map(range, r)))[int(holes.argmin())]
            return Lattice((*r, 1), lattice.shift), (*offset, 0)
    raise ValueError(
        f"{what} found no regular undersampling of up to {most} in the mask: all "
        "samples of a regular pattern must be measured. For random masks use spirit, or Sense with "
        "a solver."
    )


def concrete_mask(mask: Any, *, what: str) -> np.ndarray:
    """The mask as a boolean NumPy array.

    Raises:
        TypeError: it is traced, or not boolean.
    """
    if isinstance(mask, Tracer):
        raise TypeError(
            f"{what} expected a mask whose values are known: the sampling pattern is part of the "
            "program. Make the mask with NumPy, outside of jit."
        )
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"{what} expected a boolean mask, got {mask.dtype}. Pass mask > 0.")
    return mask


def _lattices(shape: tuple[int, ...], most: int) -> list[Lattice]:
    """All with at least three samples along each axis, the densest first."""
    found = []
    for factors in product(*(range(1, max(min(n // 3, most), 1) + 1) for n in shape)):
        if prod(factors) <= most:
            shifts = range(factors[1]) if len(factors) > 1 else (0,)
            found += [Lattice(factors, shift) for shift in shifts]
    return sorted(found, key=lambda lattice: lattice.total)


def _grid(shape: tuple[int, ...]) -> np.ndarray:
    return np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
