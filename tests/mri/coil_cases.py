"""Coil data of an object with edges and known smooth maps, made at twice the resolution."""

from functools import cache

import numpy as np


def fft(x):
    axes = tuple(range(1, x.ndim))
    x = np.fft.fftn(np.fft.ifftshift(x, axes), axes=axes, norm="ortho")
    return np.fft.fftshift(x, axes)


def ifft(y):
    axes = tuple(range(1, y.ndim))
    y = np.fft.ifftn(np.fft.ifftshift(y, axes), axes=axes, norm="ortho")
    return np.fft.fftshift(y, axes)


def positions(shape, fine=1):
    """In [-1, 1) along each axis of the field of view."""
    axes = [(np.arange(n * fine) - n * fine // 2) / (n * fine / 2) for n in shape]
    return np.meshgrid(*axes, indexing="ij")


def maps(shape, coils, fine=1):
    """Gaussian falls with the distance from a coil, and a phase of its own for each."""
    *z, y, x = positions(shape, fine)
    found = []
    for c in range(coils):
        angle = 2 * np.pi * c / coils
        dy, dx = y - 1.35 * np.sin(angle), x - 1.35 * np.cos(angle)
        square = dy**2 + dx**2 + (sum(z) - 0.4 * (-1) ** c) ** 2 * bool(z)
        phase = angle + 1.2 * dx * np.cos(angle) + 0.9 * dy
        found.append(np.exp(-square / (2 * 0.75**2) + 1j * phase))
    return np.stack(found)


def body(shape, fine=1, stretch=1.0):
    *z, y, x = positions(shape, fine)
    y = y / stretch

    def ellipse(cy, cx, a, b):
        return ((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 < 1

    image = ellipse(0, 0, 0.8, 0.65) - 0.3 * ellipse(0.2, 0.1, 0.3, 0.2)
    image = image + 0.4 * ellipse(-0.3, -0.2, 0.2, 0.15)
    if z:
        image = image * (np.abs(z[0]) < 0.7)
    return image * np.exp(0.5j * np.sin(2 * y) + 0.3j * x)


@cache
def kspace(shape, coils, stretch=1.0):
    """(coil, *shape), complex128, of the object sampled twice as finely."""
    full = fft(maps(shape, coils, 2) * body(shape, 2, stretch))
    for axis, n in enumerate(shape, 1):
        full = np.take(full, np.arange(n - n // 2, n - n // 2 + n), axis=axis)
    return full


def angles(a, b):
    """Degrees between the vectors over the coils, phases aside."""
    cosine = np.abs((np.conj(a) * b).sum(0))
    size = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    with np.errstate(invalid="ignore"):
        return np.degrees(np.arccos(np.clip(cosine / size, 0, 1)))


def lines(n, acceleration, centre=24):
    """(n, 1): every so many lines, and all near the centre."""
    mask = np.arange(n) % acceleration == 0
    mask[n // 2 - centre // 2 : n // 2 + centre // 2] = True
    return mask[:, None]
