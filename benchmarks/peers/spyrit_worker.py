"""SPyRiT's side of single_pixel_vs_spyrit.py; runs in the environment that has torch and spyrit.

Arguments: an .npz file with `images` (batch, y, x), `training` (batch, y, x) and `order` (y, x),
the number of measurements, and the number of threads. Every request {"work": name} is answered by
the seconds that work took once; {"save": path} writes the results, to be compared.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import sys
import time

import numpy as np
import torch
from spyrit.core.inverse import PseudoInverse
from spyrit.core.meas import HadamSplit2d
from spyrit.core.nnet import ConvNet
from spyrit.core.prep import Unsplit
from spyrit.core.recon import PinvNet


def main() -> None:
    data, count, threads = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    side = data["images"].shape[-1]
    operator = HadamSplit2d(side, count, torch.from_numpy(data["order"]))
    inverse = PseudoInverse(operator)
    images = torch.from_numpy(data["images"])[:, None]
    training = torch.from_numpy(data["training"])[:, None]
    coefficients = operator.measure_H(images)

    network = PinvNet(operator, Unsplit(), ConvNet())
    parameters = [p for p in network.parameters() if p.requires_grad]
    adam = torch.optim.Adam(parameters, lr=1e-3)

    def step() -> torch.Tensor:
        adam.zero_grad()
        loss = torch.nn.functional.mse_loss(network(training), training)
        loss.backward()
        adam.step()
        return loss.detach()

    work = {
        "split": torch.no_grad()(lambda: operator(images)),
        "forward": torch.no_grad()(lambda: operator.measure_H(images)),
        "pinv": torch.no_grad()(lambda: inverse(coefficients)),
        "step": step,
    }
    for line in sys.stdin:
        request = json.loads(line)
        if "save" in request:
            results = {name: work[name]().numpy() for name in ("split", "forward", "pinv")}
            trained = sum(p.numel() for p in parameters)
            np.savez(request["save"], trained=trained, **results)
            answer: object = "saved"
        else:
            start = time.perf_counter()
            work[request["work"]]()
            answer = time.perf_counter() - start
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
