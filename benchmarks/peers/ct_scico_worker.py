"""SCICO's 2-D X-ray transform for ct_vs_peers.py: its angles are pi/2 less ours."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

import warnings

import jax
import jax.numpy as jnp
import numpy as np
from scico.linop.xray import XRayTransform2D


def main() -> None:
    data, _ = load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels as wide as the bins are wider than it likes
        A = XRayTransform2D(
            data["image"].shape,
            np.pi / 2 - data["angles"],
            dx=1.0,
            det_count=data["probe"].shape[1],
        )
    forward, adjoint, fbp = jax.jit(A.project), jax.jit(A.back_project), jax.jit(A.fbp)
    image, probe, sinogram = (jnp.asarray(data[name]) for name in ("image", "probe", "sinogram"))
    A.fbp(sinogram)  # it keeps its filter and mask, which must not be traced values
    works = {
        "forward": lambda: forward(image).block_until_ready(),
        "adjoint": lambda: adjoint(probe).block_until_ready(),
        "fbp": lambda: fbp(sinogram).block_until_ready(),
    }
    serve(works, lambda _, a: a)


if __name__ == "__main__":
    main()
