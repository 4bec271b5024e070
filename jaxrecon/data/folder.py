"""Folders of files, one item a file: NumPy arrays, archives of them, or images."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxrecon.data.images import to_grey
from jaxrecon.data.npz import read_npz
from jaxrecon.data.stream import Indexed

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")


def folder_stream(
    folder: str | Path, batch_size: int, *, shuffle: bool = True, check: bool = True
) -> Indexed:
    """Batches of the files of a folder, in the order of their names or of the key.

    Args:
        folder: with files of one kind: .npy, an array each; .npz, a dict of arrays each, with the
            same names; or images (.png, .jpg, .bmp, .tif), which become grey, float32. Files of
            other kinds are not looked at.
        batch_size: files a step.
        shuffle: see :class:`Indexed`.
        check: look at the headers of all files now, instead of meeting a bad one while training.

    Images of 8 bits, in colour too, and of 1 bit go from [0, 255], and of 16 bits from [0, 65535],
    to [0, 1]. Signed or 32-bit whole numbers and floating point numbers, which a TIFF may hold,
    have no value that would be white: they keep their values. Colour of 16 bits is read with 8.

    Returns:
        A stream of arrays (batch, ...), or of dicts of them; floating point numbers as float32,
        complex ones as complex64, others as they are.

    Raises:
        FileNotFoundError: no folder, or no such files in it.
        ValueError: files of several kinds, or that cannot be read or differ in shape or dtype: it
            names them. A bad file that only shows when it is read raises the same error then.
        TypeError: a file that holds no numbers, when it is read.
        ImportError: pillow is missing, for images.
    """
    target = Path(folder)
    if not target.is_dir():
        raise FileNotFoundError(f"folder_stream found no folder at '{target}'.")
    files = sorted(p for p in target.iterdir() if _kind(p) and not p.name.startswith("."))
    if not files:
        others = sorted(p.name for p in target.iterdir())[:4]
        raise FileNotFoundError(
            f"folder_stream found no .npy, .npz or image files in '{target}'"
            + (f", only {others} ..." if others else ", which is empty.")
        )
    kinds = {_kind(p) for p in files}
    if len(kinds) > 1:
        raise ValueError(
            f"folder_stream expected files of one kind in '{target}', got {sorted(kinds)}; "  # type: ignore[type-var]
            "put them into folders of their own."
        )
    if check:
        _check(files)
    return Indexed(_Files(tuple(files)), len(files), batch_size, shuffle)


class _Files:
    """Reads files by their numbers; all like the first."""

    def __init__(self, files: tuple[Path, ...]):
        self.files = files
        self.like = _layout(_contents(files[0]))

    def __call__(self, numbers: np.ndarray) -> Any:
        items = []
        for n in numbers:
            item = _contents(self.files[n])
            _compare(_layout(item), self.like, self.files[n], self.files[0])
            items.append(item)
        if isinstance(items[0], dict):
            return {name: np.stack([item[name] for item in items]) for name in items[0]}
        return np.stack(items)


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    return suffix if suffix in (".npy", ".npz") else "image" if suffix in _IMAGES else ""


def _contents(path: Path) -> Any:
    """The array, or dict of arrays, of one file."""
    kind = _kind(path)
    if kind == "image":
        return _guarded(path, _image)
    if kind == ".npz":
        arrays = read_npz(path, what="folder_stream")
        return {name: _single(a, path, name) for name, a in arrays.items()}
    return _single(_guarded(path, np.load), path)


def _image(path: Path) -> np.ndarray:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "folder_stream needs pillow to read images: pip install pillow"
        ) from error
    with Image.open(path) as image:
        kind = image.mode.partition(";")[0]
        pixels = np.asarray(image if kind in ("L", "I", "F") else image.convert("RGB"))
        # 339 is the sample format, 2 signed; pillow makes int32 of unsigned TIFFs, and some
        # versions of 16-bit PNGs
        signed = getattr(image, "tag_v2", {}).get(339, (1,))[0] == 2
        sixteen = image.mode.startswith("I;16") or (kind == "I" and image.format == "PNG")
    if pixels.dtype == np.uint8:
        return pixels.view(np.int8).astype(np.float32) if signed else to_grey(pixels)
    if sixteen:
        return pixels.astype(np.float32) / np.float32(65535)
    if pixels.dtype == np.int32 and not signed:
        pixels = pixels.view(np.uint32)
    return pixels.astype(np.float32)


def _single(item: np.ndarray, path: Path, name: str = "") -> np.ndarray:
    """Numbers in single precision, whole ones as they are."""
    kind = item.dtype.kind
    if kind not in "iufcb":
        place = f"'{name}' of {path}" if name else path
        raise TypeError(f"folder_stream expected numbers in {place}, got {item.dtype}.")
    kinds = {"f": np.float32, "c": np.complex64}
    return item.astype(kinds[kind]) if kind in kinds else item


def _guarded(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except ImportError:
        raise
    except Exception as error:  # each format has errors of its own
        raise ValueError(
            f"folder_stream could not read {path}; is it damaged, or was its copy cut short? "
            f"({type(error).__name__}: {error})"
        ) from error


def _layout(item: Any) -> dict:
    """Name -> (shape, dtype), of what is compared between files."""
    arrays = item if isinstance(item, dict) else {"": item}
    return {name: (a.shape, a.dtype.name) for name, a in arrays.items()}


def _compare(layout: dict, like: dict, path: Path, first: Path) -> None:
    for part in (0, 1):  # shapes, then dtypes
        got, expected = (
            " ".join(f"{name} {of[part]}".strip() for name, of in sorted(x.items()))
            for x in (layout, like)
        )
        if got == expected:
            continue
        raise ValueError(
            f"folder_stream expected all items alike, but {path} has {got} and {first.name} "
            f"{expected}."
        )


def _check(files: list[Path]) -> None:
    """Raise ValueError with the names of the files that cannot be read."""
    bad = []
    for path in files:
        try:
            _guarded(path, _HEADERS[_kind(path)])
        except ValueError as error:
            bad.append((path.name, str(error)))
    if bad:
        names = ", ".join(name for name, _ in bad[:5]) + (" ..." if len(bad) > 5 else "")
        raise ValueError(
            f"folder_stream: {len(bad)} of {len(files)} files in '{files[0].parent}' cannot be "
            f"read: {names}. First: {bad[0][1]}"
        )


def _image_header(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as image:
        image.verify()


def _archive_header(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if not archive.namelist():
            raise ValueError("the archive is empty")


_HEADERS: dict[str, Callable[[Path], Any]] = {
    ".npy": lambda path: np.load(path, mmap_mode="r"),
    ".npz": _archive_header,
    "image": _image_header,
}
