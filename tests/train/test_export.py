"""Export: one file that runs without the library, for any batch and every platform."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from examples import random_ellipses_networks as networks
from jaxrecon import ct, data, nn, train
from jaxrecon.linops import Matrix

RANDOM = np.random.default_rng(0)
OPERATOR = Matrix(jnp.asarray(RANDOM.standard_normal((20, 36)) / 6, jnp.float32), (6, 6))

ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("jaxrecon", "flax", "optax", "orbax"):
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
import jax, numpy as np
file, folder = sys.argv[1:]
exported = jax.export.deserialize(bytearray(open(file, "rb").read()))
assert exported.platforms == ("cpu", "cuda", "tpu"), exported.platforms
for n in (1, 3):
    m = np.load(f"{folder}/m{n}.npy")
    np.save(f"{folder}/x{n}.npy", jax.jit(exported.call)(m))
assert not any(name.startswith("jaxrecon") for name in sys.modules)
"""


def landweber(network, operator, m):
    """Two steps of gradient descent, each followed by a network."""
    x = jax.vmap(operator.adjoint)(m)
    for _ in range(2):
        x = x - 0.5 * jax.vmap(operator.adjoint)(jax.vmap(operator)(x) - m)
        x = nn.on_images(network, x)
    return x


def assert_runs_alone(folder, reconstruct, m, **tolerance):
    """One file for batches of any length gives the images of the library, where that is not."""
    file = folder / "out" / "network.jaxexport"
    size = train.export_reconstruction(file, reconstruct, m)
    assert size == file.stat().st_size
    np.save(folder / "m1.npy", m[:1])
    np.save(folder / "m3.npy", m)
    command = [sys.executable, "-c", ALONE, file, folder]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    whole = nn.jit(reconstruct)(m)
    for n in (1, 3):
        np.testing.assert_allclose(np.load(folder / f"x{n}.npy"), whole[:n], **tolerance)


def test_the_file_runs_where_the_library_is_not(tmp_path):
    reconstruct = partial(landweber, nn.Convolution(1, 1, rngs=nnx.Rngs(0)), OPERATOR)
    m = RANDOM.standard_normal((3, 20)).astype(np.float32)
    assert_runs_alone(tmp_path, reconstruct, m, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_a_trained_network_and_its_operator_run_where_the_library_is_not(tmp_path):
    """Shipped learned primal-dual, with the projections inside: the fast convolutions of CPU, and
    the plain ones, in one file."""
    study = networks.study()
    reconstruct = partial(networks.reconstruct, networks.load("lpd-320", study), study)
    images = jnp.asarray(data.dival_ellipses("validation", 3))
    m = np.asarray(ct.ellipses_measurements(images, part="validation"))
    assert_runs_alone(tmp_path, reconstruct, m, atol=1e-4 * float(images.max()))


def test_a_function_of_fixed_length(tmp_path):
    def pairs(m):
        return m.sum(axis=0) if m.shape[0] > 3 else m[0]

    m = RANDOM.standard_normal((4, 3)).astype(np.float32)
    with pytest.raises(ValueError, match="any_batch=False"):
        train.export_reconstruction(tmp_path / "f", pairs, m)
    train.export_reconstruction(tmp_path / "f", pairs, m, any_batch=False, platforms=["cpu"])
    exported = jax.export.deserialize(bytearray((tmp_path / "f").read_bytes()))
    np.testing.assert_allclose(exported.call(m), m.sum(axis=0), rtol=1e-6)
    assert exported.platforms == ("cpu",)


def test_bad_arguments(tmp_path):
    m = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match="platforms to be one of"):
        train.export_reconstruction(tmp_path / "f", jnp.sum, m, platforms=["metal"])
    with pytest.raises(ValueError, match="equal leading axes"):
        train.export_reconstruction(tmp_path / "f", lambda a, b: a, m, m[0])


@pytest.mark.parametrize("platforms", ["cpu", (), []])
def test_platforms_are_named_in_a_tuple(tmp_path, platforms):
    with pytest.raises(ValueError, match=r"one or more names .*a tuple, \('cpu',\)"):
        train.export_reconstruction(tmp_path / "f", jnp.sum, np.zeros(3), platforms=platforms)


def test_a_file_that_is_there_stays_whole_until_the_new_one_is_written(tmp_path, monkeypatch):
    def export(m):
        train.export_reconstruction(tmp_path / "f", jnp.negative, m, platforms=["cpu"])

    def full(self, content):
        with open(self, "wb") as file:
            file.write(content[:10])
        raise OSError("no space left")

    export(np.zeros((2, 3), np.float32))
    before = (tmp_path / "f").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "write_bytes", full)
        with pytest.raises(OSError, match="no space"):
            export(np.zeros((2, 4), np.float32))
    assert (tmp_path / "f").read_bytes() == before
    export(np.zeros((2, 4), np.float32))
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
