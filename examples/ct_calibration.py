"""A scan with a wrong geometry, corrected from its own data.

A phantom with exact integrals is scanned in two misaligned scanners: a parallel beam, whose centre
of rotation is off by 2.3 pixels and whose angles are off by 0.5 degrees at random, and a fan beam,
whose axis of rotation is off and whose detector is turned. Nothing is known of the object.
Filtered backprojection with the assumed geometry is blurred; `ct.calibrate` finds the true one by
Levenberg-Marquardt steps through the projector.

    python examples/ct_calibration.py [output folder]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import ct, metrics, plot
from jaxrecon.data import Ellipses, line_integrals, rasterise

PIXELS = 128
PIXEL = 1.5  # mm
VIEWS = 180
PHOTONS = 1e6
RAYS = 4  # for each bin, whose mean it measures
CENTRE_ERROR = 2.3 * PIXEL
ANGLE_ERROR = np.deg2rad(0.5)
FAN_SHIFT, FAN_TILT = 2.3 * PIXEL, 0.05
WATER = 0.0192  # 1/mm


def phantom() -> Ellipses:
    """A body of water with 30 inserts at random places, in 1/mm."""
    random = np.random.default_rng(1)
    half, count = PIXELS * PIXEL / 2, 30
    radius, angle = np.sqrt(random.uniform(0.02, 0.6, count)), random.uniform(0, 2 * np.pi, count)
    centre = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    value = WATER * random.uniform(-0.8, 1.2, count)
    sizes = random.uniform(0.02, 0.08, (count, 2))
    return Ellipses(
        np.append(WATER, value).astype(np.float32),
        half * np.vstack([(0.04, -0.03), centre]),
        half * np.vstack([(0.9, 0.82), sizes]),
        np.append(0.3, random.uniform(0, np.pi, count)),
    )


def scan(key: jax.Array, body: Ellipses, geometry: Any) -> jax.Array:
    """Line integrals from noisy counts; each bin averages its rays, exact integrals."""
    fine = geometry.replace(bins=geometry.bins * RAYS, pitch=geometry.pitch / RAYS)
    exact = line_integrals(body, *fine.rays())
    exact = exact.reshape(geometry.views, geometry.bins, RAYS).mean(axis=-1)
    return ct.log_transform(ct.transmission_counts(key, exact, PHOTONS), PHOTONS)[0]


def run(output_folder: str | Path | None = None) -> tuple[dict, Any]:
    """Scan, calibrate and compare; returns (results, matplotlib figure), saves the figure."""
    body, size = phantom(), (PIXELS, PIXELS)
    truth = rasterise(body, size, PIXEL, 4)
    parallel = ct.parallel_beam(size, VIEWS, pixel_size=PIXEL)
    fan = ct.fan_beam(size, VIEWS, 400.0, 200.0, pixel_size=PIXEL).replace(tilt=0.0)
    noise = np.random.default_rng(0).standard_normal(VIEWS)
    wrong = jnp.asarray(ANGLE_ERROR * (noise - noise.mean()), jnp.float32)
    assumed = {"parallel": parallel, "fan": fan}
    true = {
        "parallel": parallel.replace(offset=CENTRE_ERROR, angles=parallel.angles + wrong),
        "fan": fan.replace(axis_shift=FAN_SHIFT, tilt=FAN_TILT),
    }
    sought = {
        "parallel": {"offset": 10.0, "angles": 0.01},
        "fan": {"axis_shift": 10.0, "tilt": 0.1},
    }
    fbp = jax.jit(ct.filtered_backprojection, static_argnames="window")
    keys = jax.random.split(jax.random.key(0))
    images, results, found = {}, {}, {}
    data_range = float(truth.max() - truth.min())
    for key, beam in zip(keys, true, strict=True):
        data = scan(key, body, true[beam])
        start = time.perf_counter()
        found[beam] = jax.block_until_ready(ct.calibrate(data, assumed[beam], sought[beam]))
        seconds = time.perf_counter() - start
        geometries = {
            "as assumed": assumed[beam],
            "calibrated": found[beam].geometry,
            "true geometry": true[beam],
        }
        for name, geometry in geometries.items():
            image = fbp(data, geometry, window="hann")
            label = f"{beam}, {name}"
            images[label] = image
            results[label] = {
                "psnr": float(metrics.psnr(image, truth, data_range)),
                "relative error": float(jnp.sqrt(metrics.nmse(image, truth))),
                **errors(geometry, true[beam]),
                "seconds with compilation": seconds if name == "calibrated" else 0.0,
            }
    figure = draw(truth, images, results, found, true)
    if output_folder is not None:
        plot.save(figure, Path(output_folder) / "ct_calibration.png")
    return {"settings": {"photons per bin": PHOTONS, "pixel in mm": PIXEL}, **results}, figure


def errors(geometry: Any, true: Any) -> dict[str, float]:
    """Of the centre of rotation in pixels, and in degrees of the angles (rms) or the tilt."""
    if isinstance(true, ct.ParallelGeometry):
        centre, angle = geometry.offset - true.offset, jnp.std(geometry.angles - true.angles)
    else:
        centre, angle = geometry.axis_shift - true.axis_shift, jnp.abs(geometry.tilt - true.tilt)
    return {
        "centre, pixels": float(jnp.abs(centre) / PIXEL),
        "angle, degrees": float(jnp.rad2deg(angle)),
    }


def draw(truth: jax.Array, images: dict, results: dict, found: dict, true: dict) -> Any:
    """Before and after, the angles, and how the misfit fell."""
    figure, axes = plot.subplots(2, 4, (3.0, 2.8))
    window = (0.0, 2 * WATER)
    for row, beam in enumerate(true):
        for column, name in enumerate(("as assumed", "calibrated")):
            score = results[f"{beam}, {name}"]
            title = f"{beam}, {name}: {score['psnr']:.1f} dB\n"
            title += f"off by {score['centre, pixels']:.2f} pixels, {score['angle, degrees']:.3f}°"
            plot.show(axes[row, column], images[f"{beam}, {name}"], title, window=window)
    plot.show(axes[0, 2], truth, "the phantom", window=window)
    geometry, goal = found["parallel"].geometry, true["parallel"]
    start = np.arange(VIEWS) * np.pi / VIEWS
    plot.curves(
        axes[0, 3],
        np.arange(VIEWS),
        {
            "error as assumed": np.rad2deg(start - np.asarray(goal.angles)),
            "left after calibration": np.rad2deg(np.asarray(geometry.angles - goal.angles)),
        },
        xlabel="view",
        ylabel="degrees",
        title="angles of the parallel beam",
    )
    axes[0, 3].set_ylim(-1.3, 2.0)
    row = PIXELS // 2
    plot.curves(
        axes[1, 2],
        np.arange(PIXELS),
        {
            "phantom": truth[row],
            "as assumed": images["fan, as assumed"][row],
            "calibrated": images["fan, calibrated"][row],
        },
        xlabel="pixel",
        ylabel="1/mm",
        title=f"row {row}, fan",
    )
    plot.curves(
        axes[1, 3],
        np.arange(len(found["fan"].misfit)),
        {beam: found[beam].misfit for beam in found},
        xlabel="step (filtered by 4 bins, then by 1)",
        ylabel="relative misfit",
        title="misfit",
        log="y",
    )
    return figure


def main() -> None:
    results, _ = run(sys.argv[1] if len(sys.argv) > 1 else "output")
    for name, value in results.pop("settings").items():
        print(f"{name:20s} {value:.4g}")
    print(f"{'':26s} {'PSNR':>6s} {'error':>6s} {'pixels':>7s} {'degrees':>8s} {'s':>6s}")
    for name, score in results.items():
        psnr, error, centre, angle, seconds = score.values()
        print(f"{name:26s} {psnr:6.2f} {error:6.3f} {centre:7.3f} {angle:8.3f} {seconds:6.2f}")


if __name__ == "__main__":
    main()
