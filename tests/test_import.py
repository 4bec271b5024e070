"""What importing the package brings with it, and the style that its public interface keeps."""

import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxrecon

SOURCE = Path(jaxrecon.__file__).parent
HEAVY = {"flax", "optax", "orbax", "matplotlib", "skimage", "sklearn", "tqdm", "pydicom", "scipy"}
MODULES = sorted(
    ["jaxrecon"] + [m.name for m in pkgutil.walk_packages(jaxrecon.__path__, "jaxrecon.")]
)


def modules_after(statement: str) -> set[str]:
    """Top-level names of the modules loaded by a fresh interpreter that ran the statement."""
    report = "import json, sys; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    out = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(out.stdout))


def test_import_loads_little_more_than_jax():
    with_jax = modules_after("import jax")
    with_jaxrecon = modules_after("import jaxrecon")
    assert "jaxrecon" in with_jaxrecon
    assert (with_jaxrecon - with_jax) & HEAVY == set()


@pytest.mark.parametrize("name", MODULES)
def test_every_module_imports_alone_and_is_described(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} needs a docstring"


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist_and_have_docstrings(name):
    module = importlib.import_module(name)
    public = getattr(module, "__all__", [])
    assert len(public) == len(set(public)), f"{name}.__all__ repeats a name"
    for entry in public:
        value = getattr(module, entry)
        if inspect.isclass(value) or inspect.isroutine(value):
            text = value.__doc__
            inherited = inspect.isclass(value) and any(text is b.__doc__ for b in value.__mro__[1:])
            assert text, f"{name}.{entry} needs a docstring"
            assert not inherited, f"{name}.{entry} needs a docstring of its own"


def test_package_folders_list_their_public_names():
    folders = [m.name for m in pkgutil.iter_modules(jaxrecon.__path__, "jaxrecon.") if m.ispkg]
    silent = [n for n in folders if not getattr(importlib.import_module(n), "__all__", None)]
    assert silent == [], "every folder's __init__.py lists its public names in __all__"


def test_only_public_jax():
    private = re.compile(r"jax\._src|from jax import _|jaxlib\._")
    offenders = [
        f"{path.relative_to(SOURCE)}:{number}"
        for path in sorted(SOURCE.rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if private.search(line)
    ]
    assert offenders == []


FLOORS = {
    # which parts of the package a part may import; tests, examples and benchmarks import anything
    "core": set(),
    "linops": {"core"},
    "solvers": {"core"},
    "functionals": {"core", "linops", "solvers"},
    "direct": {"core", "linops", "functionals", "solvers"},
    "parameter_choice": {"core", "linops", "functionals", "solvers", "direct"},
    "single_pixel": {"core", "linops", "functionals", "solvers", "direct", "noise"},
    "ct": {"core", "linops", "functionals", "solvers", "direct", "noise", "data", "plot"},
    "mri": {"core", "linops", "functionals", "solvers", "direct", "noise", "data", "metrics"},
}


@pytest.mark.parametrize("part", FLOORS)
def test_imports_go_downwards(part):
    pattern = re.compile(r"^\s*(?:from|import) jaxrecon\.(\w+)", re.MULTILINE)
    for path in sorted((SOURCE / part).rglob("*.py")):
        above = set(pattern.findall(path.read_text())) - FLOORS[part] - {part}
        assert not above, f"{path.relative_to(SOURCE)} imports upwards: {above}"


@pytest.mark.parametrize("package", ["flax", "optax", "orbax"])
def test_only_networks_and_training_import_flax(package):
    pattern = re.compile(rf"^(?:from|import) {package}\b", re.MULTILINE)
    users = {
        path.relative_to(SOURCE).parts[0]
        for path in SOURCE.rglob("*.py")
        if pattern.search(path.read_text())
    }
    assert users <= {"nn", "train"}
