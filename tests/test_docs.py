"""Pages of the documentation: their code runs, and the one on solvers names all there is."""

import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrecon import data, functionals, mri, solve, solvers
from tests.laws.cases import quick_jit

DOCS = Path(__file__).parents[1] / "docs"
CHOOSING = (DOCS / "choosing_a_solver.md").read_text()


def run_code_of(page: Path, names: dict, blocks: int) -> None:
    """Run the python blocks of a page, of which there are so many or more, in one namespace."""
    found = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    assert len(found) >= blocks
    for number, block in enumerate(found, 1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), names)


def test_the_code_of_the_readme_runs_and_its_scheme_has_a_gradient() -> None:
    y, x = jnp.mgrid[:64, :64] / 64 - 0.5
    image = jnp.where(x**2 + (y - 0.1) ** 2 < 0.1, 1.0, 0.0)
    names: dict = {"image": image}
    run_code_of(DOCS.parent / "README.md", names, 2)
    operator, m = names["A"], names["m"]
    start, found = operator.H(m), names["f"]
    assert names["costs"].shape == (400,)
    assert jnp.linalg.norm(found - image) < 0.9 * jnp.linalg.norm(start - image)

    def loss(parameters):
        return jnp.mean((names["reconstruct"](parameters, m[None], start[None]) - image) ** 2)

    slopes = jax.tree.leaves(quick_jit(jax.grad(loss))(names["parameters"]))
    assert len(slopes) > 10
    assert all(bool(jnp.all(jnp.isfinite(s))) and bool(jnp.any(s != 0)) for s in slopes)


def test_the_code_of_the_page_on_mri_makes_an_image_of_a_file(tmp_path, monkeypatch) -> None:
    """A disc seen by four smooth coils, every second line and 24 in the middle."""
    random, n, coils = np.random.default_rng(0), 48, 4
    y, x = np.mgrid[:n, :n] / n - 0.5
    disc = 100.0 * (x**2 + y**2 < 0.15)
    angles = 2 * np.pi * np.arange(coils)[:, None, None] / coils
    from_coils = (x - np.cos(angles) / 2) ** 2 + (y - np.sin(angles) / 2) ** 2
    maps = np.exp(-3 * from_coils + 1j * angles)
    maps /= np.linalg.norm(maps, axis=0)
    centred = np.fft.ifftshift(maps * disc, axes=(1, 2))
    kspace = np.fft.fftshift(np.fft.fft2(centred, norm="ortho"), axes=(1, 2))
    noise, before = (
        (random.normal(size=s) + 1j * random.normal(size=s)) / np.sqrt(2)
        for s in (kspace.shape, (coils, 1024))
    )
    middle = np.abs(np.arange(n) - n // 2 + 0.5) < 12
    field = (5.0, 200.0, 200.0)
    raw = data.cartesian_raw(
        (kspace + noise).astype(np.complex64)[:, None],
        data.mri_header((1, n, n), field, acceleration=(2, 1), calibration="embedded"),
        mask=(np.arange(n) % 2 == 0) | middle,
        calibration=middle,
        noise=before.astype(np.complex64),
        dwell_time=5e-6,
    )
    data.write_ismrmrd(tmp_path / "scan.h5", raw)
    monkeypatch.chdir(tmp_path)
    used = {"fista": solvers.fista}
    used |= {name: getattr(functionals, name) for name in ("LeastSquares", "WaveletL1")}
    names: dict = {"data": data, "mri": mri, "solve": solve, **used}
    run_code_of(DOCS / "magnetic_resonance_imaging.md", names, 1)
    image, zero_filled = np.abs(names["image"]), np.abs(names["A"].adjoint(names["y"]))
    scale = np.vdot(disc, image) / np.vdot(disc, disc)  # the units of whitened noise
    error, worse = (np.linalg.norm(a / scale - disc) for a in (image, zero_filled))
    assert 0.9 < scale < 1.1
    assert error < 0.05 * np.linalg.norm(disc)
    assert error < worse / 2


def test_the_code_of_the_page_on_solvers_runs_from_top_to_bottom(capsys) -> None:
    names: dict = {}
    run_code_of(DOCS / "choosing_a_solver.md", names, 5)
    printed = capsys.readouterr().out
    assert printed.startswith("pd3o: LeastSquares by the gradient, NonNegative by its prox")
    for number, promise in enumerate(re.findall(r"# ([a-z].*?)\.\.\.$", CHOOSING, re.MULTILINE)):
        words = re.sub(r"[\d.e-]+", " ", promise).split()
        line = re.sub(r"[\d.e-]+", " ", printed.splitlines()[number]).split()
        assert line[: len(words)] == words
    assert abs(names["slope"]) > 0
    assert names["errors"].argmin() == 1
    assert abs(names["images"][1] - names["result"].x).max() < 1e-3


@pytest.mark.parametrize("package", [solvers, functionals])
def test_the_page_on_solvers_names_every_method_and_functional(package) -> None:
    """Classes of methods are made by functions, which are named."""
    expected = [
        name
        for name in package.__all__
        if package is functionals or inspect.isfunction(getattr(package, name))
    ]
    missing = [name for name in expected if not re.search(rf"\b{name}\b", CHOOSING)]
    assert missing in ([], ["proximal_gradient_step"])


@pytest.mark.slow
def test_the_code_of_the_page_on_learning_trains_reports_and_exports(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict = {"steps": 150}
    run_code_of(DOCS / "learned_reconstruction.md", names, 1)
    table = names["table"]
    assert table["learned"]["psnr"] > table["adjoint"]["psnr"] + 1
    assert {"report.md", "report.png"} <= {file.name for file in (tmp_path / "report").iterdir()}
    assert (tmp_path / "run" / "losses.png").exists()
    content = (tmp_path / "learned.jaxexport").read_bytes()
    images = jax.export.deserialize(bytearray(content)).call(names["m"][:3])
    np.testing.assert_allclose(
        images, names["reconstruct"](names["run"].module, names["A"], names["m"])[:3], atol=1e-4
    )
