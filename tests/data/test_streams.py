"""Streams: batches numbered, every item once an epoch, files that are bad are named."""

import itertools
from functools import partial

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxrecon import data

KEY = jax.random.key(7)
RANDOM = np.random.default_rng(3)
VALUES = np.arange(10, dtype=np.float32)


def drawn(stream, steps, key=KEY):
    return [np.asarray(stream.batch(k, key)).tolist() for k in steps]


@pytest.mark.parametrize(
    "stream",
    [data.Arrays(VALUES, 3), data.Indexed(lambda n: VALUES[n], 10, 3)],
    ids=["arrays", "indexed"],
)
def test_an_epoch_visits_items_once_in_an_order_of_the_key(stream):
    assert stream.steps_per_epoch == 3
    first, second = (np.ravel(drawn(stream, range(3 * e, 3 * e + 3))).tolist() for e in (0, 1))
    assert len(set(first)) == len(set(second)) == 9
    assert first != second
    assert drawn(stream, [5, 1]) == [second[6:], first[3:6]]  # in whichever order they are asked
    assert drawn(stream, [0], jax.random.key(8)) != [first[:3]]


def test_orders_differ_by_key_only_and_can_be_kept():
    plain = data.Arrays({"a": VALUES, "b": 2 * VALUES}, 4, False)
    batch = plain.batch(1, KEY)
    np.testing.assert_array_equal(batch["a"], [4, 5, 6, 7])
    np.testing.assert_array_equal(batch["b"], 2 * batch["a"])
    old = jax.random.PRNGKey(7)
    assert drawn(data.Arrays(VALUES, 3), [0], old) == drawn(data.Arrays(VALUES, 3), [0])


def test_mapped_streams_prepare_with_a_key_of_the_step():
    stream = data.Arrays(VALUES, 5, False).map(lambda x, key: x + jax.random.uniform(key))
    np.testing.assert_array_equal(stream.batch(1, KEY), stream.batch(1, KEY))
    shifts = [stream.batch(k, KEY)[0] - 5 * (k % 2) for k in range(4)]
    assert len({float(s) for s in shifts}) == 4
    jitted = jax.jit(stream.prepare)(np.arange(5), jax.random.fold_in(KEY, 0))
    np.testing.assert_allclose(jitted, stream.batch(0, KEY), rtol=1e-6)


def test_generators_are_passed_through_once_and_sought_when_asked():
    opened = []

    def make(epoch):
        opened.append(epoch)
        return (np.array([10 * epoch + k]) for k in range(3))

    stream = data.Passes(make, 3)
    assert drawn(stream, range(5)) == [[0], [1], [2], [10], [11]]
    assert opened == [0, 1]
    assert drawn(stream, [1]) == [[1]]
    with pytest.raises(ValueError, match="ended at batch 3, before the 4"):
        drawn(data.Passes(make, 4), [3])


def test_random_phantoms_are_sums_of_ellipses_and_new_at_every_step():
    stream = data.random_phantoms((12, 16), 2, count=3, pixel_size=0.5, value_range=(1.0, 1.0))
    images = np.asarray(stream.batch(0, KEY))
    assert images.shape == (2, 12, 16)
    assert set(np.unique(images)) <= {0.0, 1.0, 2.0, 3.0}
    assert images.max() >= 1
    assert np.any(images[0] != images[1])
    assert np.any(images != np.asarray(stream.batch(1, KEY)))
    assert stream.steps_per_epoch is None


def test_bad_streams():
    with pytest.raises(ValueError, match="more than the 10 items"):
        data.Arrays(VALUES, 11)
    with pytest.raises(ValueError, match="equal leading axes"):
        data.Arrays((VALUES, VALUES[:3]), 2)
    with pytest.raises(ValueError, match="positive whole number for items"):
        data.Indexed(lambda n: n, 0, 1)


IMAGES = RANDOM.random((5, 4, 6)).astype(np.float32)


def test_a_folder_of_arrays(tmp_path):
    for k, image in enumerate(IMAGES):
        np.save(tmp_path / f"{k}.npy", image.astype(np.float64))
    (tmp_path / "notes.txt").write_text("not looked at")
    batch = data.folder_stream(tmp_path, 3, shuffle=False).batch(0, KEY)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, IMAGES[:3])


def test_a_folder_of_archives(tmp_path):
    for k, image in enumerate(IMAGES):
        np.savez(tmp_path / f"{k}.npz", image=image, m=1j * image[0], label=np.int32(k))
    batch = data.folder_stream(tmp_path, 2, shuffle=False).batch(1, KEY)
    np.testing.assert_array_equal(batch["image"], IMAGES[2:4])
    np.testing.assert_array_equal(batch["label"], [2, 3])
    assert batch["m"].dtype == np.complex64


def test_a_folder_of_images(tmp_path):
    grey = (255 * IMAGES).astype(np.uint8)
    for k in range(2):
        Image.fromarray(grey[k]).save(tmp_path / f"{k}.png")
    colour = np.stack([grey[2], 0 * grey[2], 0 * grey[2]], axis=-1)
    Image.fromarray(colour).save(tmp_path / "2.png")
    batch = data.folder_stream(tmp_path, 3, shuffle=False).batch(0, KEY)
    np.testing.assert_allclose(batch[:2], grey[:2] / 255, rtol=1e-6)
    np.testing.assert_allclose(batch[2], 0.299 * grey[2] / 255, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "suffix", "white"),
    [
        (np.uint16, "png", 65535),
        (np.uint16, "tif", 65535),
        (np.int32, "tif", 1),
        (np.uint32, "tif", 1),
        (np.float32, "tif", 1),
    ],
)
def test_deep_images_are_not_clipped(tmp_path, dtype, suffix, white):
    """16 bits to [0, 1]; what has no white keeps its values."""
    largest = min(np.iinfo(dtype).max, 2**31 + 1000) if dtype != np.float32 else 5e4
    least = 0 if np.dtype(dtype).kind == "u" else -1000
    pixels = np.linspace(least, largest, 24).reshape(4, 6).astype(dtype)
    if dtype == np.uint32:  # which pillow does not write
        pytest.importorskip("tifffile").imwrite(tmp_path / "0.tif", pixels)
    else:
        Image.fromarray(pixels).save(tmp_path / f"0.{suffix}")
    image = data.folder_stream(tmp_path, 1).batch(0, KEY)[0]
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, pixels.astype(float) / white, rtol=1e-6)
    assert image.max() > 0.99 * largest / white


def test_bad_folders_say_which_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        data.folder_stream(tmp_path / "none", 1)
    with pytest.raises(FileNotFoundError, match="which is empty"):
        data.folder_stream(tmp_path, 1)
    for k, image in enumerate(IMAGES):
        np.save(tmp_path / f"{k}.npy", image)
    content = (tmp_path / "3.npy").read_bytes()
    (tmp_path / "3.npy").write_bytes(content[:-8])
    with pytest.raises(ValueError, match=r"1 of 5 files .* cannot be read: 3\.npy"):
        data.folder_stream(tmp_path, 1)
    late = data.folder_stream(tmp_path, 1, shuffle=False, check=False)
    np.testing.assert_array_equal(late.batch(2, KEY), IMAGES[2:3])
    with pytest.raises(ValueError, match=r"could not read .*3\.npy"):
        late.batch(3, KEY)
    np.save(tmp_path / "3.npy", IMAGES[0, :2])
    with pytest.raises(ValueError, match=r"3\.npy has \(2, 6\) and 0\.npy \(4, 6\)"):
        data.folder_stream(tmp_path, 1, shuffle=False).batch(3, KEY)
    np.savez(tmp_path / "a.npz", x=1)
    with pytest.raises(ValueError, match="files of one kind"):
        data.folder_stream(tmp_path, 1)


def test_hdf5_items_over_files(tmp_path):
    for k, part in enumerate((IMAGES[:2], IMAGES[2:])):
        with h5py.File(tmp_path / f"{k}.h5", "w") as file:
            file["image"] = part.astype(np.float64)
            file["k"] = (1j * part).astype(np.complex128)
    stream = data.hdf5_stream(tmp_path, {"x": "image", "m": "k"}, 5)
    batch = stream.batch(0, KEY)
    order = [int(np.argmin(np.abs(IMAGES - x).sum(axis=(1, 2)))) for x in batch["x"]]
    assert sorted(order) == list(range(5)) != order
    np.testing.assert_array_equal(batch["x"], IMAGES[order])
    np.testing.assert_array_equal(batch["m"], 1j * IMAGES[order])
    assert batch["m"].dtype == np.complex64
    single = data.hdf5_stream(tmp_path / "1.h5", "image", 3, shuffle=False)
    np.testing.assert_array_equal(single.batch(0, KEY), IMAGES[2:])


def test_bad_hdf5_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.h5"):
        data.hdf5_stream(tmp_path, "image", 1)
    for name, shape in (("a", (2, 4)), ("b", (2, 3))):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["image"] = np.zeros(shape)
            file["text"] = ["one", "two"]
            file["more"] = np.zeros(3)
    with pytest.raises(ValueError, match=r"b\.h5 has .*3.* and .*a\.h5"):
        data.hdf5_stream(tmp_path, "image", 1)
    with pytest.raises(ValueError, match=r"'none' .* in .*a\.h5; it has"):
        data.hdf5_stream(tmp_path, "none", 1)
    with pytest.raises(TypeError, match=r"numbers in 'text'"):
        data.hdf5_stream(tmp_path, "text", 1)
    with pytest.raises(ValueError, match=r"as many items in each data set of .*a\.h5"):
        data.hdf5_stream(tmp_path / "a.h5", {"x": "image", "y": "more"}, 1)
    (tmp_path / "c.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:800])
    with pytest.raises(ValueError, match=r"could not open .*c\.h5"):
        data.hdf5_stream(tmp_path / "c.h5", "image", 1)


BATCH = jnp.asarray(RANDOM.random((400, 3, 3)), jnp.float32)


def group(members):
    """How often each image of the batch became each of the members of its orbit."""

    def count(augmented):
        equal = np.array([[np.array_equal(a, m(b)) for m in members] for a, b in augmented])
        assert np.all(equal.sum(axis=1) == 1)
        return equal.sum(axis=0)

    return count


@pytest.mark.parametrize(
    ("augment", "members"),
    [
        (data.random_flips, [lambda a, i=i, j=j: a[::i, ::j] for i in (1, -1) for j in (1, -1)]),
        (data.random_quarter_turns, [lambda a, k=k: np.rot90(a, k) for k in range(4)]),
        (
            data.random_orientations,
            [lambda a, k=k, t=t: np.rot90(a.T if t else a, k) for k in range(4) for t in (0, 1)],
        ),
        (
            lambda key, x: data.random_shifts(key, x, 1),
            [
                lambda a, i=i, j=j: np.roll(a, (i, j), (0, 1))
                for i in (-1, 0, 1)
                for j in (-1, 0, 1)
            ],
        ),
    ],
    ids=["flips", "turns", "orientations", "shifts"],
)
def test_augmentation_draws_from_a_group_uniformly(augment, members):
    both = jax.jit(augment)(KEY, (BATCH, -BATCH))
    np.testing.assert_array_equal(both[1], -both[0])  # pairs stay pairs
    pairs = list(zip(np.asarray(both[0]), np.asarray(BATCH), strict=True))
    counts = group(members)(pairs)
    p = 1 / len(members)
    assert np.all(np.abs(counts - 400 * p) < 5 * np.sqrt(400 * p * (1 - p)))


VOLUMES = jnp.asarray(RANDOM.random((600, 2, 2, 2)), jnp.float32)


def cube(mirrored):
    """The 24 rotations of a cube, by matrices of determinant 1, or all 48 symmetries."""
    members = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            matrix = np.diag(signs) @ np.eye(3)[list(order)]
            if mirrored or np.linalg.det(matrix) > 0:
                flips = tuple(slice(None, None, sign) for sign in signs)
                members.append(lambda a, o=order, f=flips: np.transpose(a, o)[f])
    return members


@pytest.mark.parametrize(
    ("augment", "members"),
    [
        (
            data.random_flips,
            [lambda a, s=s: a[s] for s in itertools.product((slice(None), np.s_[::-1]), repeat=3)],
        ),
        (data.random_quarter_turns, cube(False)),
        (data.random_orientations, cube(True)),
    ],
    ids=["flips", "turns", "orientations"],
)
def test_augmentation_of_volumes(augment, members):
    both = jax.jit(partial(augment, dims=3))(KEY, (VOLUMES, -VOLUMES))
    np.testing.assert_array_equal(both[1], -both[0])
    pairs = list(zip(np.asarray(both[0]), np.asarray(VOLUMES), strict=True))
    counts, p = group(members)(pairs), 1 / len(members)
    assert np.all(np.abs(counts - 600 * p) < 5 * np.sqrt(600 * p * (1 - p)))


def test_volumes_are_shifted_and_cut_along_three_axes():
    volume = jnp.arange(60.0).reshape(3, 4, 5)
    volumes = jnp.broadcast_to(volume, (400, 3, 4, 5))
    moved = np.asarray(data.random_shifts(KEY, volumes, 1, dims=3))
    shifts = {int(v[0, 0, 0]) for v in moved}
    assert shifts == {
        int(np.roll(volume, s, (0, 1, 2))[0, 0, 0]) for s in itertools.product((-1, 0, 1), repeat=3)
    }
    crops = np.asarray(data.random_crops(KEY, volumes, (2, 3, 4)))
    assert crops.shape == (400, 2, 3, 4)
    np.testing.assert_array_equal(
        crops - crops[:, :1, :1, :1], np.broadcast_to(volume[:2, :3, :4], crops.shape)
    )
    assert {int(c[0, 0, 0]) for c in crops} == {0, 1, 5, 6, 20, 21, 25, 26}
    with pytest.raises(ValueError, match="expected cubes, got 3x4x5"):
        data.random_orientations(KEY, volumes, dims=3)
    with pytest.raises(ValueError, match=r"volumes \(batch, z, y, x"):
        data.random_flips(KEY, BATCH, dims=3)
    with pytest.raises(ValueError, match="dims to be one of"):
        data.random_flips(KEY, BATCH, dims=1)


def test_crops_are_windows_at_every_position():
    image = jnp.arange(20.0).reshape(4, 5)
    crops = data.random_crops(KEY, jnp.broadcast_to(image, (300, 4, 5)), (3, 2))
    assert crops.shape == (300, 3, 2)
    corners = np.asarray(crops[:, 0, 0]).astype(int)
    np.testing.assert_array_equal(crops - crops[:, :1, :1], np.broadcast_to(
        [[0, 1], [5, 6], [10, 11]], (300, 3, 2)))  # fmt: skip
    counts = np.bincount(corners, minlength=20)[[0, 1, 2, 3, 5, 6, 7, 8]]
    assert counts.sum() == 300
    assert np.all(np.abs(counts - 37.5) < 5 * np.sqrt(37.5))
    with pytest.raises(ValueError, match="do not fit"):
        data.random_crops(KEY, BATCH, (4, 4))
    with pytest.raises(ValueError, match="square images"):
        data.random_quarter_turns(KEY, BATCH[:, :2])


@pytest.mark.parametrize("save", [np.save, lambda path, a: np.savez(path.with_suffix(".npz"), x=a)])
@pytest.mark.parametrize(
    ("odd", "error", "message"),
    [
        (1j * IMAGES[0], ValueError, r"b\.np. has .*complex64 and a\.np. .*float32"),
        (np.ones((4, 6), int), ValueError, r"b\.np. has .*int64 and a\.np. .*float32"),
        (np.full((4, 6), "text"), TypeError, r"expected numbers in .*b\.np., got <U4"),
    ],
    ids=["complex", "integer", "text"],
)
def test_an_odd_file_does_not_change_the_batch(tmp_path, save, odd, error, message):
    save(tmp_path / "a.npy", IMAGES[0])
    save(tmp_path / "b.npy", odd)
    stream = data.folder_stream(tmp_path, 2)
    with pytest.raises(error, match=message):
        stream.batch(0, KEY)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: data.Passes(lambda epoch: [1], 0), "Passes expected .* for epoch, got 0"),
        (lambda: data.random_crops(KEY, BATCH, 2), r"size \(rows, columns\), .*got 2"),
        (lambda: data.random_crops(KEY, BATCH, (2,)), r"size \(rows, columns\), .*got \(2,\)"),
        (lambda: data.random_phantoms(8, 2), r"shape \(rows, columns\), got 8"),
        (lambda: data.random_phantoms((8, 8, 8), 2), r"shape \(rows, columns\), got \(8, 8, 8\)"),
    ],
)
def test_streams_say_what_they_expect(call, message):
    with pytest.raises(ValueError, match=message):
        call()
