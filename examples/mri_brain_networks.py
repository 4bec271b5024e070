"""Accelerated brain MRI, learned: the simulated scans, the network, and its training.

A scan is a slice of the MNI152 template, bent by a smooth random deformation, with a random
contrast of its tissues, a random phase, eight coils around the head whose place varies, and noise.
It is measured at 1 mm and reconstructed at 1.5 mm from the middle of that k-space, so that nothing
is reconstructed with the model that made the data. Lines are left out at random, fourfold or
eightfold, with a fully sampled centre, as fastMRI does. All of it happens inside the compiled
training step: no scan is seen twice. Training sees the lower half of the head, the test the upper.

    python examples/mri_brain_networks.py [--folder FOLDER] [--steps N]

trains, resumes if FOLDER holds checkpoints, and writes the weights.
"""

from __future__ import annotations

import argparse
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm
from flax import nnx

from jaxrecon import metrics, nn, train
from jaxrecon.data import Generated
from jaxrecon.linops.fourier import fft_centred, ifft_centred
from jaxrecon.mri import simulate

FINE, SHAPE, PIXEL, COILS = (192, 168), (128, 112), 1.0, 8
CENTRE = {4: 9, 8: 5}
"""fully sampled lines at each acceleration: 8 and 4 % of 112, as fastMRI has them"""
TRAINING, VALIDATION, TEST = (40, 92), (92, 100), (104, 136)
"""slices (first, last + 1) of the template, from foot to head, 1 mm each"""
NOISE = 0.02
"""sqrt(E |n|^2) of a coil; the brightest tissue in the middle of the head has the value 1"""
STEPS, BATCH = 14_000, 2
IMAGE = (-2, -1)

weights_file = Path(str(files("jaxrecon") / "data" / "weights")) / "mri-brain-end-to-end.npz"


class Scan(NamedTuple):
    """Undersampled data of one slice, or of a batch of them."""

    kspace: jax.Array
    """(coil, y, x), zero where nothing was measured"""
    mask: jax.Array
    """(1, 1, x)"""
    centre: jax.Array
    """(1, 1, x)"""
    truth: jax.Array
    """(y, x), the root sum of squares of the coils without noise"""


class Head(NamedTuple):
    """What one volume has of its own, all of it random."""

    signals: jax.Array
    """of grey matter, white matter and fluid"""
    bend: jax.Array
    """(2, y, x), displacement in pixels"""
    maps: jax.Array
    """(coil, y, x), at the pixels of the reconstruction"""


@lru_cache(maxsize=1)
def tissues() -> np.ndarray:
    """Shares of grey matter, white matter and fluid, (z, tissue, y, x)."""
    maps = simulate.brain_maps()
    stack = np.stack([maps.grey, maps.white, maps.fluid], axis=1)
    top, left = ((have - n) // 2 for have, n in zip(stack.shape[2:], FINE, strict=True))
    return stack[:, :, top : top + FINE[0], left : left + FINE[1]]


def random_head(key: jax.Array) -> Head:
    contrast, stretch, bending, coils = jax.random.split(key, 4)
    tr, te = jax.random.uniform(contrast, (2,), minval=0.0, maxval=1.0)
    repetition, echo = 0.4 * 12.0**tr, 0.01 + 0.1 * te * tr  # T1 to T2 weighting, in s
    signals = simulate.spin_echo_signals(repetition, echo)
    grid = jnp.stack(jnp.meshgrid(*(jnp.arange(n) - n / 2 for n in FINE), indexing="ij"))
    scale = jax.random.uniform(stretch, (2, 1, 1), minval=-0.08, maxval=0.08)
    smooth = [
        simulate.random_field(k, FINE, degree=3, blobs=4, peak=5.0)
        for k in jax.random.split(bending, 2)
    ]
    place = jax.random.uniform(coils, (3,))
    maps = simulate.loop_maps(
        COILS, SHAPE, 1.5, radius=45 + 10 * place[0], distance=115 + 25 * place[1],
        offset=2 * jnp.pi * place[2], segments=24,
    )  # fmt: skip
    maps = maps / jnp.linalg.norm(maps[:, SHAPE[0] // 2, SHAPE[1] // 2])  # 1 in the middle
    return Head(signals / jnp.max(signals), scale * grid + jnp.stack(smooth), maps)


def upsampled(maps: jax.Array) -> jax.Array:
    """Smooth maps at the fine pixels: these have the same field of view."""
    parts = [jax.image.resize(part, (COILS, *FINE), "cubic") for part in (maps.real, maps.imag)]
    return jax.lax.complex(*parts)


def scanned(head: Head, tissue: jax.Array, acceleration: jax.Array, key: jax.Array) -> Scan:
    """The scan of a slice (tissue, y, x) of the template in a head."""
    phase, lines, noise = jax.random.split(key, 3)
    at = jnp.stack(jnp.meshgrid(*map(jnp.arange, FINE), indexing="ij")) + head.bend
    bent = jax.vmap(lambda t: jax.scipy.ndimage.map_coordinates(t, list(at), order=1))(tissue)
    image = jnp.tensordot(head.signals, bent, 1)
    angle = simulate.random_field(phase, FINE, peak=1.0)
    image = image * jax.lax.complex(jnp.cos(angle), jnp.sin(angle))
    fine = fft_centred(upsampled(head.maps) * image, IMAGE)
    first = [(big - n) // 2 for big, n in zip(FINE, SHAPE, strict=True)]
    full = jax.lax.dynamic_slice(fine, (0, *first), (COILS, *SHAPE))
    full = full * np.sqrt(np.prod(SHAPE) / np.prod(FINE))
    mask, centre = random_lines(lines, acceleration)
    noisy = simulate.coil_noise(noise, full, jnp.asarray(NOISE**2))
    truth = jnp.sqrt(jnp.sum(jnp.abs(ifft_centred(full, IMAGE)) ** 2, axis=0))
    return Scan(jnp.where(mask, noisy, 0), mask[None, None], centre[None, None], truth)


def random_lines(key: jax.Array, acceleration: jax.Array) -> tuple[jax.Array, jax.Array]:
    """(measured columns, fully sampled ones in the middle), as fastMRI draws them."""
    n = SHAPE[1]
    count = jnp.where(acceleration == 8, CENTRE[8], CENTRE[4])
    first = (n - count + 1) // 2
    index = jnp.arange(n)
    centre = (index >= first) & (index < first + count)
    share = (n / acceleration - count) / (n - count)
    return centre | (jax.random.uniform(key, (n,)) < share), centre


def training_batch(slices: jax.Array, batch: int, key: jax.Array) -> Scan:
    """Scans of new heads, four- or eightfold undersampled."""

    def one(key: jax.Array) -> Scan:
        which, fold, head, scan = jax.random.split(key, 4)
        tissue = slices[jax.random.randint(which, (), 0, len(slices))]
        acceleration = jnp.where(jax.random.bernoulli(fold), 8, 4)
        return scanned(random_head(head), tissue, acceleration, scan)

    return jax.lax.map(one, jax.random.split(key, batch))


def volume(
    which: tuple[int, int], acceleration: int, seed: int, step: int = 4
) -> tuple[Scan, jax.Array]:
    """Slices of one head, stacked, and its true coil maps."""
    chosen = jnp.asarray(tissues()[which[0] : which[1] : step])
    head_key, key = jax.random.split(jax.random.key(seed))
    keys = jax.random.split(key, len(chosen))

    @jax.jit
    def scan(chosen: jax.Array, keys: jax.Array) -> tuple[Scan, jax.Array]:
        head = random_head(head_key)
        scans = jax.lax.map(
            lambda item: scanned(head, item[0], jnp.asarray(acceleration), item[1]), (chosen, keys)
        )
        return scans, head.maps

    return scan(chosen, keys)


def network(rngs: nnx.Rngs | None = None) -> nn.EndToEndVariationalNetwork:
    """Six steps, each with a U-Net of its own, and one for the coil maps."""
    rngs = nnx.Rngs(0) if rngs is None else rngs

    def denoiser(features: tuple[int, ...]) -> Any:
        def make(rngs: nnx.Rngs) -> nn.Normalised:
            unet = nn.UNet(features, inputs=2, outputs=2, rngs=rngs)
            return nn.Normalised(unet, floor=1e-3, channels=2)

        return make

    steps = 6
    return nn.EndToEndVariationalNetwork(
        nn.stacked(denoiser((16, 32, 64)), steps, rngs.params()),
        denoiser((8, 16, 32))(rngs),
        steps=steps,
    )


def reconstruct(module: Any, scan: Scan) -> jax.Array:
    """Magnitudes (slice, y, x), the coils combined by the learned maps."""
    return module(scan.kspace, scan.mask, scan.centre, combine="maps")


def loss(module: Any, scan: Scan, key: jax.Array) -> jax.Array:
    """1 - SSIM and the mean error of magnitudes, each image in units of its largest value."""
    span = jnp.max(scan.truth, axis=IMAGE, keepdims=True)
    x = reconstruct(module, scan) / span
    truth = scan.truth / span
    return 1 - jnp.mean(metrics.ssim(x, truth, 1.0)) + jnp.mean(jnp.abs(x - truth))


def optimiser_of(steps: int) -> Any:
    rate = optax.warmup_cosine_decay_schedule(0.0, 1e-3, 200, steps)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


def mean_psnr(reconstruction: Any, scans: list[Scan], module: Any) -> float:
    found = [
        metrics.psnr(reconstruction(module, scan), scan.truth, scan.truth.max()).mean()
        for scan in scans
    ]
    return float(jnp.mean(jnp.stack(found)))


def load(path: Path = weights_file) -> Any:
    """The trained network."""
    return train.load_weights(path, nnx.eval_shape(network))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("output/mri_brain"))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--batch", type=int, default=BATCH)
    given = parser.parse_args()
    slices = jnp.asarray(tissues()[slice(*TRAINING)])
    draw = jax.tree_util.Partial(lambda s, key: training_batch(s, given.batch, key), slices)
    scans = [volume(VALIDATION, fold, seed=100 + fold)[0] for fold in CENTRE]
    result = train.fit(
        network(),
        loss,
        Generated(draw),
        key=jax.random.key(3),
        steps=given.steps,
        optimiser=optimiser_of(given.steps),
        every=250,
        validate=partial(mean_psnr, nn.jit(reconstruct), scans),
        checkpoints=given.folder / "checkpoints",
        log=given.folder / "log",
        figure=given.folder / "training.png",
        progress=lambda it, n: tqdm.tqdm(it, total=n, desc="end-to-end"),
    )
    path = given.folder / weights_file.name
    size = train.save_weights(path, result.module, bits=8)
    print(
        f"{nn.parameter_count(result.module):,} parameters, {size / 1e3:.0f} kB, "
        f"validation {result.validation[-1]:.2f} dB after {given.steps} steps"
    )


if __name__ == "__main__":
    main()
