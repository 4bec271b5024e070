"""From an ISMRMRD file to an image in ten lines: prewhitening, ESPIRiT, SENSE with a wavelet prior.

    python examples/mri_from_file.py [output folder] [--file scan.h5]

Without a file it writes one first: a head measured by eight coils of different noise, every third
line and 24 lines in the middle, with readout oversampling and a noise scan, from the k-space of its
ellipses in closed form.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import data, mri, plot, solve
from jaxrecon.functionals import LeastSquares, WaveletL1
from jaxrecon.linops.fourier import ifft_centred
from jaxrecon.solvers import conjugate_gradient, fista

SIZE, PIXEL, COILS = 192, 1.2, 8
WEIGHT = 0.6
"""of the wavelets, in units of the noise, which prewhitening makes 1"""


def reconstruct(path: Path) -> dict[str, jax.Array]:
    """The ten lines."""
    raw = data.read_ismrmrd(path)
    scan = data.cartesian_kspace(raw, axes=())
    whiten = mri.coils.whitening_matrix(mri.coils.noise_covariance(data.noise_samples(raw)))
    y = mri.coils.prewhiten(jnp.asarray(scan.kspace[:, 0]), whiten)
    centre = mri.coils.calibration_region(y, (24, 48))
    maps = jax.jit(mri.espirit, static_argnums=1)(centre, y.shape[1:], crop=0.0).maps
    A = mri.Sense(maps, scan.mask[0])
    f, g = LeastSquares(A, y), WEIGHT * WaveletL1(y.shape[1:], "db4", 3)
    image = jax.jit(lambda m, x: solve(m, x, 60)[0])(fista(f, g, 1.0), A.adjoint(y))
    plain = jax.jit(lambda m, x: solve(m, x, 10)[0])(conjugate_gradient(A, y), 0 * image)
    return {"zero-filled": A.adjoint(y), "CG-SENSE": plain, "wavelets": image, "y": y, "maps": maps}


def write_scan(path: Path) -> jax.Array:
    """Write a simulated scan; returns the image of a full one without noise, in units of noise."""
    shape, wide = (SIZE, SIZE), (SIZE, 2 * SIZE)
    loops = mri.simulate.loop_maps(COILS, shape, PIXEL, radius=75.0, distance=190.0)
    loops = loops / jnp.linalg.norm(loops[:, SIZE // 2, SIZE // 2])
    coils = mri.simulate.fit_exponentials(loops, PIXEL)
    phantom = data.shepp_logan(SIZE * PIXEL)
    k = mri.simulate.cartesian_positions(wide)
    clean = mri.simulate.phantom_kspace(phantom, k, wide, PIXEL, coils)  # twice as wide along x
    covariance = mri.simulate.ring_covariance(COILS, 0.02**2, 0.3 + 0.1j)
    gains = jnp.linspace(0.7, 1.4, COILS)
    covariance = covariance * jnp.outer(gains, gains)
    noisy = mri.simulate.coil_noise(jax.random.key(0), clean, covariance)
    noise = mri.simulate.coil_noise(
        jax.random.key(1), jnp.zeros((COILS, 4096), clean.dtype), covariance
    )
    index = np.arange(SIZE)
    calibration = np.abs(index - SIZE // 2 + 0.5) < 12
    header = data.mri_header(
        (1, *wide),
        (5.0, SIZE * PIXEL, 2 * SIZE * PIXEL),
        image_shape=(1, *shape),
        image_size=(5.0, SIZE * PIXEL, SIZE * PIXEL),
        acceleration=(3, 1),
        calibration="embedded",
    )
    raw = data.cartesian_raw(
        np.asarray(noisy)[:, None], header, mask=(index % 3 == 0) | calibration,
        calibration=calibration, noise=np.asarray(noise), dwell_time=5e-6,
    )  # fmt: skip
    data.write_ismrmrd(path, raw)
    whole = ifft_centred(clean, (-2, -1))[:, :, SIZE // 2 : SIZE // 2 + SIZE]
    whitened = mri.coils.prewhiten(whole, mri.coils.whitening_matrix(covariance))
    return jnp.linalg.norm(whitened, axis=0)


def run(
    output_folder: str | Path | None = None,
    *,
    file: Path | None = None,
    report: Callable[[str], Any] = lambda line: None,
) -> tuple[dict, Any]:
    """Read and reconstruct; returns (results, matplotlib figure) and saves the figure."""
    folder = Path("output" if output_folder is None else output_folder)
    truth = None
    if file is None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "head.h5"
        truth = write_scan(file)
    images = reconstruct(file)
    shown = {name: np.abs(images[name]) for name in ("zero-filled", "CG-SENSE", "wavelets")}
    results: dict[str, float] = {}
    if truth is not None:
        for name, image in shown.items():
            results[name] = float(np.linalg.norm(image - truth) / np.linalg.norm(truth))
            report(f"{name:12s} relative error {results[name]:.4f}")
        shown["all lines, no noise"] = np.asarray(truth)
    titles = [f"{name}, {100 * results[name]:.1f} %" if name in results else name for name in shown]
    window = (0.0, float(np.percentile(shown["wavelets"], 96)))
    figure = plot.image_grid(
        list(shown.values()), titles, columns=len(shown), window=window, size=2.8
    )
    if output_folder is not None:
        plot.save(figure, folder / "mri_from_file.png")
    return results, figure


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--file", type=Path, help="an ISMRMRD file of one Cartesian slice")
    arguments = parser.parse_args()
    run(arguments.folder, file=arguments.file, report=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
