"""The built wheel: what it contains, and that it works where the source tree is not."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: object, **options) -> str:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def data_files() -> set[str]:
    """Files under jaxrecon/ that are no Python source: those git tracks, or all without git."""
    if (ROOT / ".git").exists():
        names = run("git", "ls-files", "jaxrecon", cwd=ROOT).splitlines()
    else:
        files = (ROOT / "jaxrecon").rglob("*")
        names = [p.relative_to(ROOT).as_posix() for p in files if p.is_file()]
    return {n for n in names if not n.endswith((".py", ".pyc"))}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_the_sources_and_all_data(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "jaxrecon/py.typed" in names
    assert data_files() <= names
    sources = (ROOT / "jaxrecon").rglob("*.py")
    assert {p.relative_to(ROOT).as_posix() for p in sources} <= names
    packaged = {name.split("/")[0] for name in names}
    assert {n for n in packaged if not n.endswith(".dist-info")} == {"jaxrecon"}


def test_wheel_states_licence_and_python_version(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
    metadata = archive.read(name).decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert any(n.endswith("/licenses/LICENSE") for n in archive.namelist())


def test_wheel_works_outside_the_source_tree(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = "Scripts" if os.name == "nt" else "bin"
    python = tmp_path / "venv" / scripts / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    # the dependencies are those of this environment; an editable install is not seen through it
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    script = """
import json, pathlib, jaxrecon
import jax, jax.numpy as jnp
A = jaxrecon.core.Identity(jaxrecon.struct(3))
folder = pathlib.Path(jaxrecon.__file__).parent
found = [p.relative_to(folder.parent).as_posix() for p in folder.rglob("*") if p.is_file()]
print(json.dumps([str(folder), found, float((2.0 * A)(jnp.ones(3)).sum())]))
"""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    out = json.loads(run(python, "-c", script, cwd=tmp_path, env=environment))
    assert Path(out[0]).is_relative_to(site)
    assert data_files() <= set(out[1])
    assert out[2] == 6.0


@pytest.mark.slow
def test_wheel_installs_with_its_dependencies(wheel, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(python, "-m", "pip", "install", wheel)
    script = "import jaxrecon, jaxrecon.nn, jaxrecon.train; print(jaxrecon.__file__)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    assert str(tmp_path) in run(python, "-c", script, cwd=tmp_path, env=environment)
