"""Pages of the documentation: their code runs, and the one on solvers names all there is."""

import inspect
import re
from pathlib import Path

import pytest

from jaxrecon import functionals, solvers

DOCS = Path(__file__).parents[1] / "docs"
CHOOSING = (DOCS / "choosing_a_solver.md").read_text()


def test_the_code_of_the_page_on_solvers_runs_from_top_to_bottom(capsys) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", CHOOSING, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 5
    names: dict = {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"choosing_a_solver.md, block {number}", "exec"), names)
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
