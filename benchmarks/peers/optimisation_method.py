"""What the workers of optimisation_vs_peers.py share: one method, run for n iterations or watched.

Works: "n" (a number) runs so many iterations from the start; "images" and "projections" are what
is saved, the iterates after every so many iterations and their projections (CT only).
"""

from __future__ import annotations

from serve import serve  # isort: skip

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

Watch = Callable[[Any], None]
Run = Callable[[int, Watch | None], Any]
"""(iterations, watch) -> image; watch is called with the image after each iteration."""


class Works(Mapping):
    """The works of one method."""

    def __init__(self, run: Run, settings: dict[str, Any], project: Callable | None):
        self.run, self.project = run, project
        self.iterations, self.every = settings["iterations"], settings["every"]
        self.images: list[np.ndarray] = []

    def __iter__(self) -> Iterator[str]:
        return iter(("images", "projections") if self.project else ("images",))

    def __len__(self) -> int:
        return 2 if self.project else 1

    def __getitem__(self, name: str) -> Callable[[], Any]:
        if name == "images":
            return self.watched
        if name == "projections":
            return lambda: [self.project(x) for x in self.images]  # type: ignore[misc]
        return lambda: self.run(int(name), None)

    def watched(self) -> list[np.ndarray]:
        count = 0

        def watch(x: Any) -> None:
            nonlocal count
            count += 1
            if count % self.every == 0:
                self.images.append(np.array(x))

        self.run(self.iterations, watch)
        return self.images


def serve_method(run: Run, settings: dict[str, Any], project: Callable | None = None) -> None:
    """Answer requests until standard input ends; `project` is the scaled projector of a CT case."""
    serve(Works(run, settings, project), lambda _, values: np.stack(values))


def gaussian_transfer(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The spectrum of the periodic blur, for NumPy's rfft2."""
    return np.fft.rfft2(_centred(kernel, shape)).astype(np.complex64)


def full_transfer(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same for fft2."""
    return np.fft.fft2(_centred(kernel, shape)).astype(np.complex64)


def _centred(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    padded = np.zeros(shape)
    padded[tuple(slice(n) for n in kernel.shape)] = kernel
    return np.roll(padded, [-(n // 2) for n in kernel.shape], (0, 1))


def without_centring(values: np.ndarray) -> np.ndarray:
    """k-space of a plain FFT from that of the centred one, for images with even sides."""
    y, x = (np.arange(n) for n in values.shape)
    return np.fft.ifftshift(values) * (1 - 2 * ((y[:, None] + x) % 2)).astype(np.float32)
