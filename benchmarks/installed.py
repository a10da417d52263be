"""memtap as an installer lays it out: what is measured is the command as its users have it. A developer's looks for
some of its folders elsewhere, and each of its starts takes five milliseconds more."""

from __future__ import annotations

import atexit
import shutil
import sys
import sysconfig
import tempfile
import venv
from compileall import compile_dir
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("memtap", "memtap.native", "memtap.api", "memtap.frontend", "memtap.stap")
SCRIPT = """#!{python}
import re
import sys
from memtap.cli import program
if __name__ == "__main__":
    sys.argv[0] = re.sub(r"(-script\\.pyw|\\.exe)?$", "", sys.argv[0])
    sys.exit(program())
"""


@cache
def command() -> str:
    """The path of a `memtap` in a virtual environment of its own, gone at exit. Other packages are this one's."""
    root = Path(tempfile.mkdtemp(prefix="memtap-installed-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    venv.create(root, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))
    for package in PACKAGES:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            to = packages.joinpath(*package.split("."))
            shutil.copytree(folder, to, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    (packages / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    compile_dir(packages, quiet=2)  # as an installer does: Python may have been told to write none at a start
    script = root / "bin" / "memtap"
    script.write_text(SCRIPT.format(python=root / "bin" / Path(sys.executable).name))
    script.chmod(0o755)
    return str(script)
