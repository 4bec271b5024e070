"""ASTRA's CPU projectors for ct_vs_peers.py; settings: kernel, vol_geom, proj_geom."""

# pyright: reportMissingImports=false
from __future__ import annotations

from serve import load, serve  # isort: skip

import astra
import numpy as np


def main() -> None:
    data, settings = load()
    volume, projection = settings["vol_geom"], settings["proj_geom"]
    for name in ("ProjectionAngles", "Vectors"):
        if name in projection:
            projection[name] = np.array(projection[name])
    projector = astra.create_projector(settings["kernel"], projection, volume)

    def algorithm(kind: str, image: np.ndarray, sinogram: np.ndarray, output: str) -> tuple:
        image_id = astra.data2d.create("-vol", volume, image)
        sinogram_id = astra.data2d.create("-sino", projection, sinogram)
        config = astra.astra_dict(kind)
        config["ProjectorId"] = projector
        config["ProjectionDataId"] = sinogram_id
        config["VolumeDataId" if kind == "FP" else "ReconstructionDataId"] = image_id
        if kind == "FBP":
            config["FilterType"] = "ram-lak"
        return astra.algorithm.create(config), sinogram_id if output == "sinogram" else image_id

    empty = np.zeros_like(data["image"])
    runs = {
        "forward": algorithm("FP", data["image"], np.zeros_like(data["probe"]), "sinogram"),
        "adjoint": algorithm("BP", empty, data["probe"], "image"),
    }
    if settings["fbp"]:
        runs["fbp"] = algorithm("FBP", empty, data["sinogram"], "image")
    works = {name: (lambda run=run: astra.algorithm.run(run[0])) for name, run in runs.items()}
    serve(works, lambda name, _: astra.data2d.get(runs[name][1]))


if __name__ == "__main__":
    main()
