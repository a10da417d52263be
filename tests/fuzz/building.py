"""Builds the native core with a sanitizer and a program around it, by clang, into build/fuzz."""

from __future__ import annotations

import hashlib
import subprocess
import sysconfig
from pathlib import Path

from Cython.Compiler.Main import CompilationOptions, compile_single, default_options

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "fuzz"
NATIVE = ROOT / "native"
DIRECTIVES = {
    "language_level": "3",
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}  # as in setup.py
COMMON = ["-g1", "-O2", "-fno-omit-frame-pointer", "-fno-sanitize-recover=all", "-pthread"]
ADDRESS = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-address-use-after-scope",  # the scan's offsets, 16 KB a call, would be poisoned each time
    f"-fsanitize-ignorelist={HERE / 'not-checked.txt'}",
]
COVERAGE = [
    "-fsanitize-coverage=inline-8bit-counters,pc-table",
    f"-fsanitize-coverage-ignorelist={HERE / 'not-covered.txt'}",
]


def fuzzer() -> Path:
    """The fuzzer, built where its sources have changed."""
    return _program(
        "fuzz", HERE / "harness.pyx", HERE / "main.c", [*ADDRESS, *COVERAGE], [*ADDRESS, "-fsanitize=fuzzer"]
    )


def racer() -> Path:
    """A Python with the core in it, under ThreadSanitizer."""
    thread = ["-fsanitize=thread"]
    return _program("race", NATIVE / "core.pyx", HERE / "python.c", thread, thread)


def _program(name: str, module: Path, main: Path, compiling: list[str], linking: list[str]) -> Path:
    """`module` (Cython) and `main` (C, which begins Python) as one program."""
    program = BUILT / f"{name}-{_fingerprint()}"
    if program.exists():
        return program
    BUILT.mkdir(parents=True, exist_ok=True)
    for old in BUILT.glob(f"{name}-*"):
        old.unlink()
    source = BUILT / f"{module.stem}.c"
    options = CompilationOptions(
        default_options,
        output_file=str(source),
        include_path=[str(NATIVE), str(HERE)],
        compiler_directives=DIRECTIVES,
    )
    if compile_single(str(module), options, full_module_name=module.stem).num_errors:
        raise RuntimeError(f"{module}: cython found errors")
    objects = []
    for file, flags in ((source, [*compiling, "-Wno-everything"]), (main, [*linking, "-Wall", "-Wextra"])):
        objects.append(BUILT / f"{name}-{file.stem}.o")
        _clang(*COMMON, *flags, *_includes(), "-c", file, "-o", objects[-1])
    made = BUILT / f"{name}-new"
    _clang(*COMMON, *linking, *objects, *_python(), "-o", made)
    return made.rename(program)


def _fingerprint() -> str:
    """Of all that a program is made from."""
    sources = [*NATIVE.glob("*.px*"), *NATIVE.glob("*.pyx"), *NATIVE.glob("*.h")]
    sources += [file for file in HERE.iterdir() if file.suffix in (".pyx", ".pxi", ".c", ".h", ".txt")]
    sources.append(Path(__file__))
    return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(set(sources)))).hexdigest()[:16]


def _clang(*arguments: str | Path) -> None:
    done = subprocess.run(["clang", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"clang {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")


def _includes() -> list[str]:
    return [f"-I{NATIVE}", f"-I{HERE}", f"-I{sysconfig.get_path('include')}"]


def _python() -> list[str]:
    """What links a program that has Python in it (as python3-config --embed says)."""
    folder, version = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDVERSION")
    libraries = f"{sysconfig.get_config_var('LIBS') or ''} {sysconfig.get_config_var('SYSLIBS') or ''}".split()
    return [f"-L{folder}", f"-Wl,-rpath,{folder}", f"-lpython{version}", *libraries, "-lm"]
