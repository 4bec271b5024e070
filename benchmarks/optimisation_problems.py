"""The problems of optimisation_vs_peers.py, and what they cost: NumPy and PyWavelets only.

objective() judges the images of every side. It knows none of the packages: blur and k-space are
NumPy's FFT in double precision, wavelets PyWavelets'; only the projections of a CT case come from
the side itself, since each has a projector, and so a problem, of its own.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pywt

LEVELS = 3
GAP = 1e-3
"""Relative gap to the best objective known that counts as reached."""

WATCHED = {
    "deblur": {
        "PDHG": (400, 5),
        "PDHG, prox by FFT": (400, 5),
        "ADMM, FFT": (150, 5),
        "PGD, TV prox 20": (100, 5),
    },
    "ct-tv": {"PDHG": (300, 10), "FISTA, TV prox 20": (60, 2)},
    "ct-wavelet": {"FISTA": (150, 5)},
    "mri": {"FISTA": (100, 1)},
}
"""case -> method -> (iterations run to see how fast the objective falls, every how many)."""


class Variant(NamedTuple):
    """The penalty as a package has it."""

    boundary: str = "replicate"
    """of the differences of total variation"""
    isotropic: bool = True
    wavelet: str = "periodization"
    """continuation of the image, as PyWavelets calls it"""
    approximation: float = 1.0
    """weight of the coarsest approximation"""
    parts: bool = False
    """the l1 norm takes real and imaginary parts apart"""


class Problem(NamedTuple):
    """Arrays and numbers of a case; every side gets these."""

    title: str
    arrays: dict[str, np.ndarray]
    numbers: dict[str, Any]
    truth: np.ndarray


def problems(quick: bool) -> dict[str, Any]:
    """name -> function that makes the problem."""
    n = 64 if quick else 256
    views = 20 if quick else 60
    return {
        "deblur": lambda: deblurring(n),
        "ct-tv": lambda: tomography(n, views, "TV", 2e-3),
        "ct-wavelet": lambda: tomography(n, views, "wavelet", 1e-3),
        "mri": lambda: resonance(n),
    }


def phantom(n: int) -> np.ndarray:
    """The modified Shepp-Logan phantom, averaged over pixels."""
    from jaxrecon.data import phantoms

    return np.asarray(phantoms.rasterise(phantoms.shepp_logan(n), (n, n), 1.0, 8))


def deblurring(n: int) -> Problem:
    """A periodic Gaussian blur of deviation 2 pixels, and noise."""
    truth = phantom(n)
    offsets = np.arange(-8, 9)
    profile = np.exp(-(offsets**2) / 8)
    kernel = np.outer(profile, profile) / profile.sum() ** 2
    noise = 0.02 * np.random.default_rng(0).standard_normal((n, n))
    data = (blurred(truth[None], kernel)[0] + noise).astype(np.float32)
    arrays = {"data": data, "kernel": kernel.astype(np.float32), "start": data}
    ratio, weight = 0.3, 1e-2
    numbers: dict[str, Any] = {"weight": weight, "difference_scale": 1.0}
    numbers |= {"penalty": 20 * weight, "relaxation": 1.8, "step": 0.999, "inner": 20}
    numbers["stacked"] = steps(3.0, ratio)
    numbers["apart"] = steps(np.sqrt(8), ratio)
    return Problem(f"TV deblurring {n}x{n}, periodic Gaussian blur", arrays, numbers, truth)


def tomography(n: int, views: int, penalty: str, weight: float) -> Problem:
    """Exact line integrals of the phantom and noise of 1 %; operator and data over 1.05 ||A||.

    "turned data" are those of images that turn about the pixel n // 2, with other bins.
    """
    from jaxrecon import ct
    from jaxrecon.solvers import operator_norm

    bins = {256: 364, 64: 92}[n]
    geometry = ct.parallel_beam((n, n), views, bins=bins)
    scale = 1 / (1.05 * float(operator_norm(ct.XRayTransform(geometry))))
    middle = (n - 1) / 2 - n // 2
    wide = int(np.ceil(np.sqrt(2) * n))
    offset = (wide - 1) / 2 - wide // 2
    turned = geometry.replace(bins=wide, offset=offset, centre=(middle, middle))
    arrays = {
        "data": (scale * line_data(n, geometry)).astype(np.float32),
        "turned data": (scale * line_data(n, turned)).astype(np.float32),
        "angles": np.asarray(geometry.angles),
        "start": np.zeros((n, n), np.float32),
    }
    beta, ratio = 0.35, 0.3
    numbers: dict[str, Any] = {"weight": weight, "operator_scale": scale, "difference_scale": beta}
    numbers |= {"step": 0.999, "inner": 20, "levels": LEVELS, "side": n, "views": views}
    numbers |= {"bins": bins, "stacked": steps(np.sqrt(1 + 8 * beta**2), ratio)}
    title = f"{penalty} CT {n}x{n}, {views} views, {bins} bins"
    return Problem(title, arrays, numbers, phantom(n))


def line_data(n: int, geometry: Any) -> np.ndarray:
    from jaxrecon.data import line_integrals, phantoms

    point, direction = geometry.rays()
    exact = line_integrals(phantoms.shepp_logan(n), point - geometry.centre, direction)
    noise = np.random.default_rng(1).standard_normal((exact.shape[0], 2 * n))
    return np.asarray(exact) + 0.01 * np.max(exact) * noise[:, : exact.shape[1]]


def resonance(n: int) -> Problem:
    """30 % of k-space, denser at its centre, of the phantom with a smooth phase, and noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:n, :n] / n - 0.5
    truth = phantom(n) * np.exp(1j * (2 * x + 3 * y**2))
    radius = np.hypot(x, y)
    density = np.minimum(1, 0.03 / (5e-4 + radius**2 + 0.05 * radius))
    mask = random.random((n, n)) < 0.3 * density / density.mean()
    noise = 0.01 * (random.standard_normal((n, n)) + 1j * random.standard_normal((n, n)))
    data = (mask * (spectra(truth[None])[0] + noise)).astype(np.complex64)
    arrays = {"data": data, "mask": mask, "start": images(data[None])[0].astype(np.complex64)}
    numbers = {"weight": 1e-2, "step": 0.999, "levels": LEVELS}
    return Problem(f"wavelet MRI {n}x{n}, 30 % of k-space", arrays, numbers, truth)


def steps(norm: float, ratio: float) -> tuple[float, float]:
    """(tau, sigma) with sigma / tau about ratio^2 and tau sigma norm^2 = 0.99."""
    return 0.99 / (norm * ratio), ratio / norm


def blurred(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Periodic convolution of a stack of images, the kernel's centre at shape // 2."""
    placed = np.zeros(x.shape[-2:])
    placed[: kernel.shape[0], : kernel.shape[1]] = kernel
    placed = np.roll(placed, (-(kernel.shape[0] // 2), -(kernel.shape[1] // 2)), (0, 1))
    return np.fft.ifft2(np.fft.fft2(x) * np.fft.fft2(placed)).real


def spectra(x: np.ndarray) -> np.ndarray:
    axes = (-2, -1)
    shifted = np.fft.fft2(np.fft.ifftshift(x, axes), norm="ortho")
    return np.fft.fftshift(shifted, axes)


def images(y: np.ndarray) -> np.ndarray:
    axes = (-2, -1)
    shifted = np.fft.ifft2(np.fft.ifftshift(y, axes), norm="ortho")
    return np.fft.fftshift(shifted, axes)


def objective(
    case: str,
    problem: Problem,
    variant: Variant,
    x: np.ndarray,
    projections: np.ndarray | None = None,
) -> np.ndarray:
    """1/2 ||A x - m||^2 + weight times the penalty, of a stack of images, in double precision."""
    x = x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)
    arrays = problem.arrays
    if case == "deblur":
        reached = blurred(x, arrays["kernel"].astype(np.float64))
    elif case == "mri":
        reached = arrays["mask"] * spectra(x)
    else:
        assert projections is not None
        reached = projections.astype(np.float64)
    data = arrays["data"]
    if reached.shape[1:] != data.shape:
        data = arrays["turned data"]
    misfit = np.sum(np.abs(reached - data) ** 2, axis=(-2, -1)) / 2
    tv = case in ("deblur", "ct-tv")
    penalty = total_variation(x, variant) if tv else wavelet_l1(x, variant)
    return misfit + problem.numbers["weight"] * penalty


def total_variation(x: np.ndarray, variant: Variant) -> np.ndarray:
    periodic = variant.boundary == "periodic"
    parts = []
    for axis in (-2, -1):
        ends = np.take(x, [0 if periodic else -1], axis)
        parts.append(np.diff(x, axis=axis, append=ends))
    lengths = np.hypot(*parts) if variant.isotropic else np.abs(parts).sum(0)
    return lengths.sum(axis=(-2, -1))


def wavelet_l1(x: np.ndarray, variant: Variant) -> np.ndarray:
    first, *details = pywt.wavedec2(x, "db4", variant.wavelet, LEVELS)
    bands = [variant.approximation * first, *(band for level in details for band in level)]
    return sum((_l1(band, variant.parts) for band in bands), np.zeros(len(x)))


def _l1(x: np.ndarray, parts: bool) -> np.ndarray:
    size = np.abs(np.real(x)) + np.abs(np.imag(x)) if parts else np.abs(x)
    return size.sum(axis=(-2, -1))
