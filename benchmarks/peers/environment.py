"""A virtual environment for a peer, and a process in it that works on demand and waits else."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

CACHE = Path(__file__).parents[1] / ".peers"


def environment(name: str, requirements: Sequence[Sequence[str]]) -> Path:
    """Python of an environment that has the requirements; made at the first call, then kept.

    Args:
        name: folder under benchmarks/.peers (which git ignores).
        requirements: arguments of `pip install`, one list for each call, in order.
    """
    folder = CACHE / name
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    stamp = folder / "requirements.json"
    wanted = json.dumps([list(r) for r in requirements])
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"installing {name} into {folder} (once; this may take some minutes)", flush=True)
    venv.create(folder, with_pip=True, clear=True)
    for packages in requirements:
        command = [str(python), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(command, check=True)
    stamp.write_text(wanted)
    return python


def requirements(group: str, package: str) -> list[str]:
    """What benchmarks/requirements/GROUP_PACKAGE.txt names, with its versions."""
    return (CACHE.parent / "requirements" / f"{group}_{package}.txt").read_text().split()


def install(
    group: str, packages: Iterable[str], pip: list[str]
) -> tuple[dict[str, Path], dict[str, str]]:
    """Pythons that have each package in an environment of its own, and why others have not."""
    pythons, missing = {}, {}
    for package in sorted(packages):
        wanted = requirements(group, package)
        try:
            pythons[package] = environment(f"{group}-{package}", [[*pip, *wanted]])
        except (subprocess.CalledProcessError, OSError) as error:
            missing[package] = f"pip did not install {' '.join(wanted)}: {error}"
    return pythons, missing


class Worker:
    """A script in another Python that answers each line of JSON with one line of JSON.

    Between its answers it blocks on its input, so it never runs beside this process's own work.
    """

    def __init__(self, python: Path, script: Path, *arguments: object):
        self.process = subprocess.Popen(
            [str(python), str(script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: Any) -> Any:
        """Send a request and wait for its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer process ended with code {self.process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
