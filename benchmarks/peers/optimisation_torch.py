"""Import before torchvision: beside a torch without CUDA it misses two operators of its own.

Its compiled part is for the CUDA build; what is declared here is only looked up when it is loaded.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import torch

MISSING = torch.library.Library("torchvision", "FRAGMENT")
for name in ("nms", "qnms"):
    MISSING.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
