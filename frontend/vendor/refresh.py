#!/usr/bin/env python3
"""Bring vendored files up to their folder's `wanted.json` and record where they came from in its `vendored.json`.

    refresh.py [FOLDER]            fetch what wanted.json names through npm, replace the files, write the record
    refresh.py --check [FOLDER]    touch nothing; exit 1 where a file differs from the record (needs no network)

FOLDER is this one, the dashboard's, unless another is given (the tests have their own). To move to another version:
change it in wanted.json, run this, look at the page, commit both.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
LIMIT_BYTES: Final = 1_000_000  # a vendored file is something a reviewer can still open


class RefreshError(Exception):
    """One line for the terminal."""


def integrity(data: bytes) -> str:
    """Subresource Integrity text, as npm and browsers write it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


def npm(*arguments: str, cwd: Path) -> Any:
    """npm's JSON answer."""
    command = ["npm", *arguments, "--json", "--loglevel=error"]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefreshError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[:300]}")
    return json.loads(done.stdout)


def fetch(package: str, version: str, folder: Path) -> tuple[Path, dict[str, str]]:
    """The package's archive, checked against the integrity npm publishes, and what it says of itself."""
    spec = f"{package}@{version}"
    said = npm("view", spec, "license", "dist.integrity", cwd=folder)
    [packed] = npm("pack", spec, cwd=folder)
    archive = folder / packed["filename"]
    if (found := integrity(archive.read_bytes())) != said["dist.integrity"]:
        raise RefreshError(f"{spec}: archive is {found}, npm says {said['dist.integrity']}: not used")
    return archive, {"license": said["license"], "integrity": found}


def refresh(here: Path) -> list[dict[str, Any]]:
    """Replace every file that the folder wants and return the record."""
    record = []
    for wanted in json.loads((here / "wanted.json").read_text()):
        with tempfile.TemporaryDirectory() as scratch:
            archive, said = fetch(wanted["package"], wanted["version"], Path(scratch))
            files = {}
            with tarfile.open(archive) as tar:
                for inside, name in wanted["files"].items():
                    member = tar.extractfile(f"package/{inside}")
                    if member is None:
                        raise RefreshError(f"{wanted['package']}: {inside} is not a file")
                    files[name] = place(here / name, member.read())
        record.append({**{key: wanted[key] for key in ("package", "version", "for")}, **said, "files": files})
    return record


def place(target: Path, data: bytes) -> str:
    """Write one file; its integrity."""
    if len(data) >= LIMIT_BYTES:
        raise RefreshError(f"{target.name}: {len(data):,} bytes, {LIMIT_BYTES:,} allowed")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return integrity(data)


def differences(here: Path) -> list[str]:
    """What is not as recorded: one line a file."""
    record = json.loads((here / "vendored.json").read_text())
    recorded = {name: text for package in record for name, text in package["files"].items()}
    present = {str(path.relative_to(here)) for path in here.glob("*/*") if path.parent.name != "__pycache__"}
    lines = [f"{name}: not in vendored.json" for name in sorted(present - recorded.keys())]
    for name, text in recorded.items():
        if name not in present:
            lines.append(f"{name}: missing")
        elif integrity((here / name).read_bytes()) != text:
            lines.append(f"{name}: differs from vendored.json")
    return lines


def main() -> int:
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the record, change nothing")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE, help="whose wanted.json (default: the dashboard's)")
    options = parser.parse_args()
    if options.check:
        found = differences(options.folder)
        print("\n".join(found) or "vendored files are as recorded")
        return 1 if found else 0
    try:
        record = refresh(options.folder)
    except RefreshError as error:
        print(f"refresh: {error}", file=sys.stderr)
        return 1
    (options.folder / "vendored.json").write_text(json.dumps(record, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
