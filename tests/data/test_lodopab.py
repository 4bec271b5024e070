"""The LoDoPaB-CT reader, on files in the true format and size, and the data sets' geometries."""

import sys
import zipfile

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxrecon import ct, data, train


def write_lodopab(folder, part, number, size, rows):
    """Both files of the true size; only the given rows are filled, so they take little space."""
    for kind, shape in (("ground_truth", (362, 362)), ("observation", (1000, 513))):
        with h5py.File(folder / f"{kind}_{part}_{number:03d}.hdf5", "w") as file:
            values = file.create_dataset("data", (size, *shape), np.float32, chunks=(1, *shape))
            for row in rows:
                values[row, 1, 2] = (128 * number + row) / 1e4


def test_lodopab_pairs_come_in_physical_units_and_in_order(tmp_path):
    write_lodopab(tmp_path, "test", 0, 128, [126, 127])
    write_lodopab(tmp_path, "test", 1, 128, [0, 1, 2])
    batches = list(data.lodopab_batches(tmp_path, "test", batch_size=2, first=126, count=5))
    assert [b[0].shape for b in batches] == [(2, 362, 362), (2, 362, 362), (1, 362, 362)]
    assert batches[2][1].shape == (1, 1000, 513)
    image, line_integrals = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert image.dtype == line_integrals.dtype == np.float32
    expected = np.arange(126, 131) / 1e4 * 81.35858
    np.testing.assert_allclose(image[:, 2, 1], expected / 1000, rtol=1e-6)  # upright: transposed
    np.testing.assert_allclose(line_integrals[:, 1, 2], expected, rtol=1e-6)
    assert image[:, 1, 2].max() == 0


def test_the_last_lodopab_file_is_short_and_zip_files_are_read(tmp_path):
    write_lodopab(tmp_path, "validation", 27, 3522 - 27 * 128, [65])
    for kind in ("ground_truth", "observation"):
        name = f"{kind}_validation_027.hdf5"
        with zipfile.ZipFile(tmp_path / f"{kind}_validation.zip", "w") as archive:
            archive.write(tmp_path / name, name)
        (tmp_path / name).unlink()
    ((image, _),) = data.lodopab_batches(tmp_path, "validation", first=3520)
    assert image.shape == (2, 362, 362)
    assert image[1, 2, 1] > 0
    with pytest.raises(FileNotFoundError, match=r"no 'ground_truth_validation_000"):
        next(data.lodopab_batches(tmp_path, "validation"))
    (tmp_path / "ground_truth_validation.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="cut short"):
        next(data.lodopab_batches(tmp_path, "validation", first=3520))


def test_a_stream_of_lodopab_pairs_resumes_in_training(tmp_path):
    rows = {0: [125, 126, 127], 1: [0, 1, 2]}
    for number, filled in rows.items():
        write_lodopab(tmp_path, "test", number, 128, filled)
    stream = data.lodopab_stream(tmp_path, 2, part="test", first=125, count=6)
    key = jax.random.key(0)
    batches = [stream.batch(k, key) for k in range(3)]
    found = np.concatenate([image[:, 2, 1] for image, _ in batches])
    pairs = np.round(found / 81.35858 * 1000 * 1e4).astype(int)
    assert sorted(pairs) == list(range(125, 131)) != pairs.tolist()
    (images, data_of), (image, line_integrals) = (
        (np.concatenate(a) for a in zip(*source, strict=True))
        for source in (
            batches,
            data.lodopab_batches(tmp_path, "test", batch_size=6, first=125, count=6),
        )
    )
    np.testing.assert_array_equal(images, image[pairs - 125])
    np.testing.assert_array_equal(data_of, line_integrals[pairs - 125])

    def weight(steps, checkpoints=None):
        def loss(module, batch, key):
            return jnp.mean((module["w"][...] - 1e3 * batch[0][:, 2, 1]) ** 2)

        module = nnx.Dict(w=nnx.Param(jnp.zeros(())))
        fitted = train.fit(
            module, loss, stream, key=key, steps=steps, every=2, checkpoints=checkpoints
        )
        return np.asarray(fitted.module["w"][...])

    weight(2, tmp_path / "run")
    np.testing.assert_array_equal(weight(4, tmp_path / "run"), weight(4))


def test_a_stream_needs_unpacked_files_at_once(tmp_path):
    write_lodopab(tmp_path, "test", 0, 128, [])
    with zipfile.ZipFile(tmp_path / "observation_test.zip", "w"):
        (tmp_path / "observation_test_000.hdf5").unlink()
    with pytest.raises(FileNotFoundError, match=r"observation_test_000.*must be unpacked"):
        data.lodopab_stream(tmp_path, 1, part="test", count=3)
    with pytest.raises(ValueError, match="within the 3,553 pairs"):
        data.lodopab_stream(tmp_path, 1, part="test", first=3553)


def test_broken_lodopab_files_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"ground_truth_test_000\.hdf5.*zenodo"):
        next(data.lodopab_batches(tmp_path, "test"))
    with pytest.raises(ValueError, match="part"):
        data.lodopab_batches(tmp_path, "training")
    with pytest.raises(ValueError, match="within the 3,553 pairs"):
        data.lodopab_batches(tmp_path, "test", first=3550, count=4)
    write_lodopab(tmp_path, "test", 0, 100, [])
    with pytest.raises(ValueError, match=r"shape \(128, 362, 362\).*got \(100, 362, 362\)"):
        next(data.lodopab_batches(tmp_path, "test"))
    with h5py.File(tmp_path / "ground_truth_test_000.hdf5", "w") as file:
        file["images"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"'data' .* is missing; it has \['images'\]"):
        next(data.lodopab_batches(tmp_path, "test"))


def test_lodopab_geometry_is_the_published_one():
    geometry = ct.lodopab_geometry()
    assert geometry.sinogram_space.shape == (1000, 513)
    assert geometry.image_shape == (362, 362)
    np.testing.assert_allclose(geometry.angles, (np.arange(1000) + 0.5) * np.pi / 1000, rtol=1e-6)
    np.testing.assert_allclose(geometry.pixel_size * 362, 260, rtol=1e-6)
    # as printed by ODL for this data set: first bin and distance of bins
    np.testing.assert_allclose(geometry.positions[0], -183.4893854, rtol=1e-6)
    np.testing.assert_allclose(geometry.pitch, 0.71675541, rtol=1e-6)


def test_ellipses_geometry_is_the_published_one():
    geometry = ct.ellipses_geometry()
    assert geometry.sinogram_space.shape == (30, 183)
    assert geometry.image_shape == (128, 128)
    np.testing.assert_allclose(geometry.pitch, 0.9891767, rtol=1e-6)
    np.testing.assert_allclose(geometry.angles[0], np.pi / 60, rtol=1e-6)


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    write_lodopab(tmp_path, "test", 0, 128, [])
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"jaxrecon\[files\]"):
        next(data.lodopab_batches(tmp_path, "test"))


@pytest.mark.parametrize("place", [0, -1], ids=["stream", "check sum"])
def test_a_damaged_archive_is_named(tmp_path, place):
    path, name = tmp_path / "ground_truth_test.zip", "ground_truth_test_000.hdf5"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, bytes(range(256)))
        stored = archive.getinfo(name)
    content = bytearray(path.read_bytes())
    start = 30 + len(name)  # of its local header
    content[start + place % stored.compress_size] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"'{name}' in .*{path.name}; was the download cut short"):
        next(data.lodopab_batches(tmp_path, "test"))
