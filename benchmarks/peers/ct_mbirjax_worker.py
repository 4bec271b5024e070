"""MBIRJAX's parallel and cone beams for ct_vs_peers.py; settings: beam, distances.

Its volumes are (y, x, z). A parallel beam has our angles with the other sign; its cone beam at
pi - theta has our source, and its channels run the other way.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip
import mbirjax  # isort: skip  # before JAX, so that it can set up a device for each core

import jax
import numpy as np


def main() -> None:
    data, settings = load()
    cone, flat = settings["beam"] == "cone", data["image"].ndim == 2
    image, probe, sinogram = data["image"], data["probe"], data["sinogram"]
    if flat:
        image, probe, sinogram = image[None], probe[:, None], sinogram[:, None]
    elif not cone:  # slices are a batch of ours
        probe, sinogram = (np.moveaxis(a, 0, 1) for a in (probe, sinogram))
    if cone:
        probe, sinogram = probe[..., ::-1], sinogram[..., ::-1]
    volume = np.ascontiguousarray(np.moveaxis(image, 0, 2))
    probe, sinogram = np.ascontiguousarray(probe), np.ascontiguousarray(sinogram)
    if cone:
        source, detector = settings["distances"]
        angles = np.pi - data["angles"]
        model = mbirjax.ConeBeamModel(probe.shape, angles, source + detector, source)
        pitch = settings["pitch"]
        model.set_params(delta_det_row=pitch[0], delta_det_channel=pitch[1])
    else:
        model = mbirjax.ParallelBeamModel(probe.shape, -data["angles"])
    model.set_params(recon_shape=volume.shape, delta_voxel=1.0, use_ror_mask=False)
    works = {
        "forward": lambda: jax.block_until_ready(model.forward_project(volume)),
        "adjoint": lambda: jax.block_until_ready(model.back_project(probe)),
        "fbp": lambda: jax.block_until_ready(model.direct_recon(sinogram)),
    }

    def read(name: str, result: np.ndarray) -> np.ndarray:
        result = np.asarray(result)
        if name != "forward":
            result = np.moveaxis(result, 2, 0)
            return result[0] if flat else result
        if cone:
            return result[..., ::-1]
        return result[:, 0] if flat else np.moveaxis(result, 1, 0)

    serve(works, read)


if __name__ == "__main__":
    main()
