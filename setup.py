"""Build: the package's folders, and the one native extension with its switches.

MEMTAP_SANITIZE=1 builds with AddressSanitizer and UBSan, MEMTAP_ANNOTATE=1 writes Cython's annotated pages.
Everything else about the project stands in pyproject.toml.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

SANITIZE = bool(os.environ.get("MEMTAP_SANITIZE"))
ANNOTATE = bool(os.environ.get("MEMTAP_ANNOTATE"))

# Only `memtap` is importable; the top-level folders install below it.
FOLDERS = {
    "memtap.native": "native",
    "memtap.api": "api",
    "memtap.frontend": "frontend",
    "memtap.stap": "stap",
}

compile_args = [
    "-O3",
    "-fno-plt",
    "-Wall",
    "-Wextra",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
]
link_args = ["-pthread"]
if SANITIZE:
    flags = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
    compile_args += flags
    link_args += flags

native = Extension(
    "memtap.native.core",
    ["native/core.pyx"],
    depends=sorted(str(path) for path in Path("native").glob("*.[ph]*") if path.suffix in (".pxi", ".h")),
    include_dirs=["native"],
    extra_compile_args=compile_args,
    extra_link_args=link_args,
)

packages = find_packages(include=["memtap", "memtap.*"])
for package, folder in FOLDERS.items():
    packages += [package, *(f"{package}.{sub}" for sub in find_packages(folder))]

setup(
    packages=packages,
    package_dir=FOLDERS,
    include_package_data=False,  # MANIFEST.in is for the sdist: a wheel has no use for the sources of the extension
    package_data={
        "": ["*.pyi", "py.typed", "*.sql", "*.md", "*.gz"],
        "memtap.stap": ["*.stp", "*.bt"],
        "memtap.api": ["static/*"],
        "memtap.frontend": [
            "*.html",
            "*.js",
            "*.css",
            "*.svg",
            "*.json",
            "**/*.js",
            "**/*.css",
            "**/*.json",
            "**/*.svg",
            "**/*.woff2",
            "**/LICENSE",
        ],
    },
    ext_modules=cythonize(
        [native],
        annotate=ANNOTATE,
        build_dir="build",
        compiler_directives={
            "language_level": "3",
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "freethreading_compatible": False,
        },
    ),
)
