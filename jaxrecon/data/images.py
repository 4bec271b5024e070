"""Natural images that ship inside scikit-image and scikit-learn, cut into patches, split by image.

Nothing is downloaded: only files that lie in the two wheels are read. Both packages come with the
extra `examples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

TRAINING_IMAGES = (
    "astronaut.png",
    "brick.png",
    "coins.png",
    "flower.jpg",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "retina.jpg",
    "rocket.jpg",
)
TEST_IMAGES = ("camera.png", "chelsea.png", "china.jpg", "coffee.png")

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def packaged_image(name: str) -> np.ndarray:
    """One packaged image in grey, float32 in [0, 1], shape (y, x), first row at the top.

    Args:
        name: a file name of :data:`TRAINING_IMAGES` or :data:`TEST_IMAGES`.

    Raises:
        ImportError: scikit-image or scikit-learn is missing; names the extra.
        FileNotFoundError: the installed wheels have no such file.
    """
    try:
        import skimage.io
        import sklearn.datasets
    except ImportError as error:
        raise ImportError(
            "the packaged images need scikit-image and scikit-learn: "
            'pip install "jaxrecon[examples]"'
        ) from error
    folders = (
        Path(skimage.__file__).parent / "data",
        Path(sklearn.datasets.__file__).parent / "images",
    )
    for folder in folders:
        if (folder / name).exists():
            return to_grey(skimage.io.imread(folder / name))
    raise FileNotFoundError(
        f"no image '{name}' in the installed scikit-image and scikit-learn; known names are "
        f"{TRAINING_IMAGES + TEST_IMAGES}."
    )


def to_grey(image: np.ndarray) -> np.ndarray:
    """uint8 (y, x) or (y, x, 3 or 4) to BT.601 luma, float32 in [0, 1].

    Raises:
        ValueError: another dtype or number of axes.
    """
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(
            "to_grey expected uint8 of shape (y, x) or (y, x, channel), "
            f"got {image.dtype} of shape {image.shape}."
        )
    scaled = image.astype(np.float32) / 255
    return scaled if image.ndim == 2 else scaled[..., :3] @ _LUMA


def reduce(image: np.ndarray, factor: int) -> np.ndarray:
    """Block average by a whole factor; rows and columns that do not fill a block are cut off."""
    rows, columns = (n // factor for n in image.shape)
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    return blocks.mean(axis=(1, 3))


def patches(images: Sequence[np.ndarray], size: int, stride: int) -> np.ndarray:
    """All size x size patches on a grid of the given stride, shape (patch, size, size)."""
    cut = [
        image[i : i + size, j : j + size]
        for image in images
        for i in range(0, image.shape[0] - size + 1, stride)
        for j in range(0, image.shape[1] - size + 1, stride)
    ]
    if not cut:
        raise ValueError(f"no image is as large as a patch of {size} x {size}.")
    return np.stack(cut)


def natural_patches(split: str, size: int = 64, count: int | None = None) -> np.ndarray:
    """Patches of natural images for training or testing, float32 in [0, 1], (patch, y, x).

    The images are reduced by 2, 3 and 4 (block average), so that a patch shows about as much of a
    scene as an STL-10 image does, and cut on a grid: densely for training, every half patch for
    testing. The split is by image: no training patch shares an image or a scene with a test patch.
    Every training image gives the same number of patches, whatever its size.

    Args:
        split: 'train' (13 images) or 'test' (4 other images).
        size: side of a patch in pixels.
        count: how many, a fixed random choice; 6,400 by default for training, all for testing.

    Raises:
        ValueError: an unknown split, or a count larger than there are patches.
        ImportError: the extra `examples` is not installed.
    """
    if split not in ("train", "test"):
        raise ValueError(f"natural_patches: split must be 'train' or 'test', got {split!r}.")
    names = TRAINING_IMAGES if split == "train" else TEST_IMAGES
    stacks = []
    for name in names:
        image = packaged_image(name)
        cut = []
        for factor in (2, 3, 4):
            small = reduce(image, factor)
            stride = size // 2 if split == "test" else max(size // 5 // factor, 1)
            if min(small.shape) >= size:
                cut.append(patches([small], size, stride))
        if not cut:
            raise ValueError(f"natural_patches: {name} is too small for patches of {size} pixels.")
        stacks.append(np.concatenate(cut))
    if count is None:
        count = 6400 if split == "train" else sum(map(len, stacks))
    quotas = [count // len(names) + (i < count % len(names)) for i in range(len(names))]
    if split == "train":
        too_small = [n for n, s, q in zip(names, stacks, quotas, strict=True) if len(s) < q]
        if too_small:
            raise ValueError(f"natural_patches: count = {count} is more than {too_small} can give.")
        random = np.random.default_rng(0)
        return np.concatenate(
            [
                s[np.sort(random.permutation(len(s))[:q])]
                for s, q in zip(stacks, quotas, strict=True)
            ]
        )
    everything = np.concatenate(stacks)
    if not 1 <= count <= len(everything):
        raise ValueError(f"natural_patches: count must be 1 to {len(everything)}, got {count}.")
    chosen = np.random.default_rng(0).permutation(len(everything))[:count]
    return everything[np.sort(chosen)]
