"""Settings of `kwrap run`, declared once: for the command line, its help, the environment and kwrap.yaml.

On the path to the child's start.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Option(NamedTuple):
    """One setting. `kind`: text, number, flag (given or not), switch (--x / --no-x, None when neither), list, pairs.

    `key` is its name in kwrap.yaml and, in capitals after KWRAP_, in the environment; None: on the command line only.
    One without flags is not on the command line.
    """

    name: str
    flags: tuple[str, ...]
    kind: str
    help: str
    metavar: str = ""
    key: str | None = None
    default: Any = None
    choices: tuple[str, ...] = ()
    section: str = "What is recorded"


OPTIONS: tuple[Option, ...] = (
    Option("name", ("--name",), "text", "A name for the experiment.", "NAME"),
    Option("tags", ("--tag",), "list", "A tag; may be repeated.", "TAG", key="tags", default=()),
    Option("note", ("--note",), "text", "A sentence to remember it by.", "TEXT"),
    Option("params", ("--param", "-p"), "pairs", "A hyperparameter; may be repeated.", "K=V", key="params", default={}),
    Option(
        "metrics",
        ("--metric",),
        "list",
        "A regular expression with named groups that finds metrics in the output; may be repeated.",
        "REGEX",
        key="metrics",
        default=(),
    ),
    Option(
        "auto_metrics",
        ("--auto-metrics",),
        "switch",
        "Recognise metrics by themselves.",
        key="auto_metrics",
        default=True,
    ),
    Option(
        "primary", ("--primary",), "text", "The metric that says which checkpoint is best.", "METRIC", key="primary"
    ),
    Option(
        "goal",
        ("--goal",),
        "text",
        "Whether less or more of it is better.",
        "GOAL",
        key="goal",
        choices=("minimize", "maximize"),
    ),
    Option(
        "watch",
        ("--watch",),
        "list",
        "Weight files to keep, besides the known suffixes.",
        "GLOB",
        key="watch",
        default=(),
    ),
    Option("snapshot", ("--snapshot",), "switch", "Keep the code as it is at the start.", key="snapshot", default=True),
    Option(
        "max_file_size",
        ("--max-file-size",),
        "number",
        "Largest file kept with the code, MB.",
        "MB",
        "max_file_size",
        10.0,
    ),
    Option(
        "max_snapshot_size",
        ("--max-snapshot-size",),
        "number",
        "Largest code snapshot, MB.",
        "MB",
        "max_snapshot_size",
        200.0,
    ),
    Option(
        "repository",
        ("--repository", "-R"),
        "text",
        "Where experiments are kept.",
        "URL",
        key="repository",
        section="Where",
    ),
    Option(
        "endpoint_url",
        (),
        "text",
        "The server of an s3:// repository, where it is not AWS.",
        "URL",
        key="endpoint_url",
        section="Where",
    ),
    Option("project_directory", ("--project-directory", "-D"), "text", "The project's top.", "DIR", section="Where"),
    Option(
        "offline",
        ("--offline",),
        "flag",
        "Keep the record on this machine; 'kwrap sync' sends it later.",
        section="Where",
    ),
    Option(
        "pty",
        ("--pty",),
        "switch",
        "Give the command a terminal, or pipes; by default as standard output is.",
        key="pty",
        section="How the command runs",
    ),
    Option(
        "unbuffer",
        ("--unbuffer",),
        "switch",
        "Set PYTHONUNBUFFERED=1 when output goes to a pipe.",
        key="unbuffer",
        default=True,
        section="How the command runs",
    ),
    Option(
        "grace",
        ("--grace",),
        "number",
        "Seconds from SIGTERM to SIGKILL.",
        "S",
        key="grace",
        default=30.0,
        section="How the command runs",
    ),
    Option(
        "wait",
        ("--wait",),
        "switch",
        "At the end, wait until the record is complete.",
        key="wait",
        default=True,
        section="How the command runs",
    ),
    Option(
        "dry_run",
        ("--dry-run",),
        "flag",
        "Start nothing; print what would be recorded.",
        section="How the command runs",
    ),
    Option("json", ("--json",), "flag", "With --dry-run: as JSON.", section="How the command runs"),
    Option("quiet", ("--quiet", "-q"), "flag", "Say nothing but errors.", section="How the command runs"),
    Option("verbose", ("--verbose", "-v"), "flag", "Say more.", section="How the command runs"),
)
