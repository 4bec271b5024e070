"""Linear least squares of a CT scan: what every method does first, and what noise does to it after.

A Shepp-Logan phantom is scanned in 90 views with 2 % noise on exact line integrals. Landweber,
SIRT, SART, SART by blocks of views (OS-SART), conjugate gradients, CGLS and LSQR all head for a
least-squares solution. The error of their images falls, and grows as they fit the noise: the number
of passes through the data is the regulariser (semi-convergence). Subsets and Krylov spaces are
there in a few passes, and the discrepancy principle stops a little late. A ramp filter as
preconditioner gets to the data first, and to the noise as well.

    python examples/algebraic_methods.py [output folder] [--size 192] [--passes 60]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrecon import Method, ct, plot, solve
from jaxrecon.core.operator import LinearOperator
from jaxrecon.data.phantoms import radon, rasterise, shepp_logan
from jaxrecon.solvers import cgls, conjugate_gradient, landweber, lsqr, sart, sirt

NOISE = 0.02
VIEWS = 90


class Ramp(LinearOperator):
    """|w| in the Fourier plane, about the inverse of A^H A: a symmetric preconditioner."""

    space: Any

    @property
    def domain(self) -> Any:
        return self.space

    @property
    def codomain(self) -> Any:
        return self.space

    def apply(self, x: Any) -> Any:
        rows, columns = (2 * n for n in x.shape)
        w = jnp.hypot(jnp.fft.fftfreq(rows)[:, None], jnp.fft.rfftfreq(columns))
        spectrum = jnp.fft.rfft2(x, s=(rows, columns)) * jnp.maximum(w, 1 / rows).astype(x.dtype)
        return jnp.fft.irfft2(spectrum, s=(rows, columns))[: x.shape[0], : x.shape[1]]

    def adjoint(self, y: Any) -> Any:
        return self.apply(y)


def problem(size: int) -> tuple[ct.XRayTransform, jax.Array, jax.Array, float]:
    """A, data, truth and the standard deviation of the noise."""
    geometry = ct.parallel_beam((size, size), VIEWS)
    phantom = shepp_logan(float(size))
    clean = radon(phantom, geometry.angles, geometry.positions)
    sigma = NOISE * float(jnp.mean(jnp.abs(clean)))
    data = clean + sigma * jax.random.normal(jax.random.key(0), clean.shape)
    return (
        ct.XRayTransform(geometry, "shear"),
        data,
        rasterise(phantom, (size, size), 1.0, 8),
        sigma,
    )


def methods(A: ct.XRayTransform, data: jax.Array) -> dict[str, tuple[Method, int]]:
    """Name -> (method, steps in a pass through the data)."""
    blocks, single = ct.view_subsets(A, 10), ct.view_subsets(A, VIEWS)
    ramp = Ramp(A.domain)
    return {
        "Landweber": (landweber(A, data), 1),
        "SIRT": (sirt(A, data), 1),
        "OS-SART, 10 blocks": (sart(blocks, data), blocks.count),
        "SART, relaxation 0.3": (sart(single, data, relaxation=0.3), single.count),
        "CG": (conjugate_gradient(A, data), 1),
        "CG, ramp": (conjugate_gradient(A, data, preconditioner=ramp), 1),
        "CGLS": (cgls(A, data), 1),
        "LSQR": (lsqr(A, data), 1),
    }


def run(folder: Path, size: int = 192, passes: int = 60) -> dict[str, dict[str, Any]]:
    """Histories of all methods; draws algebraic_methods.png."""
    A, data, truth, sigma = problem(size)
    x0 = jnp.zeros_like(truth)

    @jax.jit
    def error(x: jax.Array) -> jax.Array:
        return jnp.linalg.norm(x - truth) / jnp.linalg.norm(truth)

    @jax.jit
    def misfit(x: jax.Array) -> jax.Array:
        return jnp.linalg.norm(A.apply(x) - data) / (sigma * np.sqrt(data.size))

    results = {}
    for name, (method, steps) in methods(A, data).items():

        def record(state: Any, method: Method = method) -> tuple[jax.Array, jax.Array]:
            image = method.solution(state)
            return image, misfit(image)

        length = passes * steps
        images, misfits = jax.jit(
            lambda m, x, n=length, k=steps, r=record: solve(m, x, n, trace=r, every=k)[1]
        )(method, x0)
        errors = np.asarray(jax.vmap(error)(images))
        best = int(np.argmin(errors))
        below = np.flatnonzero(np.asarray(misfits) <= 1)
        results[name] = {
            "errors": errors,
            "misfits": np.asarray(misfits),
            "best": best,
            "stop": int(below[0]) if below.size else None,
            "image": np.asarray(images[best]),
            "last": np.asarray(images[-1]),
        }
        print(f"{name}: done", flush=True)
    _draw(folder, results, np.asarray(truth), passes)
    return results


def _draw(folder: Path, results: dict[str, Any], truth: np.ndarray, passes: int) -> None:
    figure, axes = plot.subplots(2, 4, (3.2, 3.0))
    along = np.arange(1, passes + 1)
    drawn = {
        "CGLS (CG and LSQR lie on it)" if name == "CGLS" else name: r
        for name, r in results.items()
        if name not in ("CG", "LSQR")
    }
    plot.curves(
        axes[0, 0],
        along,
        {name: r["errors"] for name, r in drawn.items()},
        xlabel="passes through the data",
        ylabel="relative error",
        title="error: it falls, then the noise is fitted",
        log="xy",
    )
    axes[0, 0].legend(frameon=False, fontsize=6)
    plot.curves(
        axes[1, 0],
        along,
        {name: r["misfits"] for name, r in drawn.items()},
        xlabel="passes through the data",
        ylabel="|A x - m| / (sigma sqrt(n))",
        title="misfit: at 1 the discrepancy principle stops",
        log="xy",
    )
    axes[1, 0].legend().remove()
    axes[1, 0].axhline(1, color="black", linewidth=0.8)
    shown = [name for name in ("SIRT", "SART, relaxation 0.3", "CGLS") if name in results]
    for column, name in enumerate(shown, start=1):
        r = results[name]
        title = f"{name}: best, pass {r['best'] + 1}\nerror {r['errors'][r['best']]:.3f}"
        plot.show(axes[0, column], r["image"], title, window=(0.0, 0.5))
        title = f"{name}: pass {passes}\nerror {r['errors'][-1]:.3f}"
        plot.show(axes[1, column], r["last"], title, window=(0.0, 0.5))
    plot.save(figure, folder / "algebraic_methods.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("output"))
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--passes", type=int, default=60)
    arguments = parser.parse_args()
    results = run(arguments.folder, arguments.size, arguments.passes)
    head = ("best error", "at pass", "misfit 1 at", "error there", "last")
    print(f"{'':24s}" + "".join(f"{title:>13s}" for title in head))
    for name, r in results.items():
        stop = r["stop"]
        there = "-" if stop is None else f"{r['errors'][stop]:.3f}"
        at = "-" if stop is None else f"{stop + 1}"
        print(
            f"{name:24s}{r['errors'][r['best']]:13.3f}{r['best'] + 1:13d}{at:>13s}{there:>13s}"
            f"{r['errors'][-1]:13.3f}"
        )


if __name__ == "__main__":
    main()
