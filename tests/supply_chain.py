"""What is installed, held against what is allowed: the lock file, licences, names, known holes.

python tests/supply_chain.py            what `make check` runs: no network, some seconds
python tests/supply_chain.py --online   asks pip-audit as well, where its service can be reached
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).parents[1]
# They own a top-level package of our name, or that of a package they are easily taken for.
FORBIDDEN = {
    "openai-agents": "it owns a package named agents, and would overwrite ours",
    "agents": "it owns a package named agents, and would overwrite ours",
    "python-websockets": "it is not websockets",
    "msgpack-python": "it was given up for msgpack",
    "crypto": "it is not cryptography",
}
ALLOWED = re.compile(
    r"\b(MIT|BSD|ISC|0BSD|Apache|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|Zlib|"
    r"HPND|CC0|PostgreSQL|LGPL|Lesser General Public)\b",
    re.IGNORECASE,
)
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")


def locked() -> dict[str, dict[Version, int]]:
    """The hashes that the lock file has of each version: some packages have one for each Python."""
    found: dict[str, dict[Version, int]] = {}
    versions: dict[Version, int] = {}
    version = Version("0")
    for line in (PROJECT / "requirements.lock").read_text().splitlines():
        match = LOCKED.match(line)
        if match:
            versions, version = found.setdefault(canonicalize_name(match[1]), {}), Version(match[2])
            versions[version] = 0
        elif line.startswith("    --hash=sha256:") and versions:
            versions[version] += 1
        elif line.strip() and not line.lstrip().startswith("#"):
            raise SystemExit(f"requirements.lock: a line that pins nothing: {line}")
    return found


def check_lock() -> Iterator[str]:
    """The lock file pins and hashes all that pyproject.toml asks for, in versions that it takes."""
    lock = locked()
    for name, versions in lock.items():
        if not all(versions.values()):
            yield f"{name} has no hash in requirements.lock; run `make lock`"
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"]]
    for extra in re.findall(r"--extra (\S+)", (PROJECT / "Makefile").read_text()):
        wanted += extras[extra]
    for text in wanted:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        if name not in lock:
            yield f"{text} is not in requirements.lock; run `make lock`"
        elif not all(requirement.specifier.contains(each, prereleases=True) for each in lock[name]):
            yield f"requirements.lock has a {name} that does not fit {text}; run `make lock`"


def check_names() -> Iterator[str]:
    """Nothing of a name that is known to do harm is locked or installed."""
    there = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
    for name, why in FORBIDDEN.items():
        if name in there or name in locked():
            yield f"{name} must not be there: {why}"


def check_licences() -> Iterator[str]:
    """All that is locked and installed may be used and passed on."""
    lock = locked()
    for each in distributions():
        name = canonicalize_name(each.metadata["Name"])
        if name in lock and not ALLOWED.search(_licence(each)):
            yield f"the licence of {name} is not one that is known to be allowed"


def _licence(each: Distribution) -> str:
    said = each.metadata
    classifiers = said.get_all("Classifier") or []
    words = [said.get("License-Expression") or "", (said.get("License") or "")[:300]]
    words += [text for text in classifiers if text.startswith("License")]
    return " ".join(words)


def notes_on_installed() -> Iterator[str]:
    """What is installed in another version than was locked: models bring some along."""
    lock = locked()
    for each in distributions():
        name = canonicalize_name(each.metadata["Name"])
        if name in lock and Version(each.version) not in lock[name]:
            shown = " or ".join(map(str, lock[name]))
            yield f"{name} {each.version} is installed, and {shown} is locked"


def ask_pip_audit() -> Iterator[str]:
    """Known holes in what is locked, if the service that knows them can be reached."""
    command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
    command += ["--requirement", str(PROJECT / "requirements.lock"), "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    said = done.stdout + done.stderr
    if "No module named pip_audit" in said:
        sys.stdout.write("pip-audit is not installed (pip install pip-audit): skipped.\n")
    elif done.returncode and not re.search(r"Found \d+ known", said):
        last = said.strip().splitlines()[-1:] or [""]
        sys.stdout.write(f"pip-audit could not reach its service: skipped. {last[0][:200]}\n")
    elif done.returncode:
        yield said


def main() -> int:
    """Run the checks; 1 if one of them found anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--online", action="store_true")
    checks = [check_lock, check_names, check_licences]
    if parser.parse_args().online:
        checks.append(ask_pip_audit)
    findings = [finding for check in checks for finding in check()]
    for note in notes_on_installed():
        sys.stdout.write(f"Note: {note}.\n")
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    if not findings:
        sys.stdout.write(f"Dependencies: {len(locked())} locked with hashes, nothing found.\n")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
