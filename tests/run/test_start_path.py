"""The path to the child's start imports nothing heavy: the child waits for every import."""

from __future__ import annotations

import json
import subprocess

from support import PYTHON, Kwrap

HEAVY = {
    *("argparse", "asyncio", "dataclasses", "inspect", "logging", "pathlib", "shutil", "subprocess", "tarfile"),
    *("tempfile", "threading", "traceback", "yaml", "typer", "click", "rich", "watchdog", "zstandard", "kwrap.records"),
}
# Stands in for the supervisor's last step before the fork of the child, and says what has been imported by then.
PROBE = """
import json, os, sys
from kwrap.cli import run
from kwrap.supervisor import child
def fork(*_):
    print(json.dumps(sorted(sys.modules)))
    sys.stdout.flush()
    os._exit(0)
child.fork = fork
run.main(["--name", "probe", "--", "true"])
"""


def test_nothing_heavy_is_imported_before_the_child_is_forked(kwrap: Kwrap) -> None:
    (kwrap.project / "train.py").write_text("print(1)")
    subprocess.run(["git", "init", "-q"], cwd=kwrap.project, check=True)
    done = subprocess.run(
        [PYTHON, "-c", PROBE], cwd=kwrap.project, env=kwrap.environment, capture_output=True, check=True
    )
    imported = set(json.loads(done.stdout))
    assert "kwrap.supervisor.snapshot" in imported
    assert not imported & HEAVY
