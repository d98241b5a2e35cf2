"""The Python that a command runs in, and its packages, read from its directories: nothing is started."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from kwrap.records import Interpreter

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*\Z")
_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*)\.(?:dist|egg)-info\Z")


def find(argv: Sequence[str], program: str) -> Interpreter | None:
    """The interpreter: the program itself, or the one its `#!` line names; None when neither is a Python."""
    candidate = program if _PYTHON.match(os.path.basename(program)) else _from_shebang(program)
    if candidate is None:
        return None
    return Interpreter(executable=candidate, version=_version(candidate))


def packages(interpreter: Interpreter) -> Mapping[str, str]:
    """Installed distributions by name, from the names of their metadata directories."""
    found: dict[str, str] = {}
    for directory in _site_directories(interpreter.executable):
        try:
            names = os.listdir(directory)
        except OSError:
            continue
        for name in names:
            match = _DISTRIBUTION.match(name)
            if match:
                found.setdefault(match["name"].replace("_", "-").lower(), match["version"])
    return dict(sorted(found.items()))


def _from_shebang(program: str) -> str | None:
    try:
        with open(program, "rb") as file:
            line = file.readline(512)
    except OSError:
        return None
    words = line[2:].decode("utf-8", "replace").split() if line.startswith(b"#!") else []
    if words and os.path.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        words = [_on_path(words[0])] if words else []
    return words[0] if words and _PYTHON.match(os.path.basename(words[0])) else None


def _on_path(name: str) -> str:
    for directory in os.environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(directory, name)
        if os.access(candidate, os.X_OK):
            return candidate
    return name


def _site_directories(executable: str) -> list[str]:
    """site-packages below the interpreter's prefix, and below its base where the environment lets it show through."""
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(executable)))
    settings = _venv_settings(prefix)
    prefixes = [prefix]
    if settings is None:
        prefixes = [os.path.dirname(os.path.dirname(os.path.realpath(executable)))]
    elif settings.get("include-system-site-packages") == "true" and "home" in settings:
        prefixes.append(os.path.dirname(settings["home"]))
    found = []
    for place in prefixes:
        for lib in ("lib", "lib64", "local/lib"):
            found += _below(os.path.join(place, lib))
    return found


def _below(lib: str) -> list[str]:
    try:
        versions = sorted(name for name in os.listdir(lib) if _PYTHON.match(name))
    except OSError:
        return []
    return [os.path.join(lib, version, kind) for version in versions for kind in ("site-packages", "dist-packages")]


def _version(executable: str) -> str | None:
    """From the environment's own settings, else from the name of its library directory."""
    prefix = os.path.dirname(os.path.dirname(os.path.abspath(executable)))
    settings = _venv_settings(prefix) or {}
    known = settings.get("version_info") or settings.get("version")
    if known:
        return ".".join(known.split(".")[:3])
    match = re.search(r"(\d+\.\d+(?:\.\d+)?)", os.path.realpath(executable))
    return match[1] if match else None


def _venv_settings(prefix: str) -> dict[str, str] | None:
    """pyvenv.cfg; None when the prefix is no virtual environment."""
    try:
        with open(os.path.join(prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            pairs = [line.partition("=") for line in file]
    except (OSError, UnicodeDecodeError):
        return None
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
