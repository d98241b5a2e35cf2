"""Every command of kwrap, declared once: to find it, for the help page, to name the nearest. Imports nothing heavy.

A command NAME is the function NAME in `kwrap/cli/NAME.py`.
"""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """One command; `aliases` are other names of it."""

    name: str
    group: str
    summary: str
    usage: str
    aliases: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()


RUN = "run"

COMMANDS: tuple[Command, ...] = (
    Command(
        RUN,
        "Record",
        "Run a command and record it",
        "[OPTIONS] -- COMMAND…",
        (),
        (
            "kwrap run -- python train.py --lr 0.1",
            "kwrap run --name baseline --primary loss --goal minimize -- ./train.sh",
            "kwrap run --dry-run -- python train.py",
        ),
    ),
    Command("recover", "Record", "Complete the records of runs whose kwrap was killed", "[OPTIONS]"),
    Command("sync", "Record", "Send what was recorded on this machine only", "[OPTIONS]"),
    Command(
        "ls",
        "Look",
        "List experiments",
        "[OPTIONS]",
        ("list",),
        (
            "kwrap ls --filter 'loss < 0.5 and optimizer in [adam, sgd]' --sort loss",
            "kwrap ls --status failed --last 20",
            "kwrap rm $(kwrap ls -q -f 'tags contains draft')",
        ),
    ),
    Command("ps", "Look", "List experiments that are running", "[OPTIONS]", ("processes",)),
    Command(
        "show",
        "Look",
        "Show an experiment or a checkpoint",
        "[OPTIONS] ID",
        (),
        ("kwrap show k3f9", "kwrap show k3f9@best", "kwrap show k3f9@3 --json"),
    ),
    Command(
        "logs",
        "Look",
        "Print what a run printed, byte for byte",
        "[OPTIONS] ID",
        ("log",),
        ("kwrap logs k3f9 --follow", "kwrap logs k3f9 --stderr --grep 'CUDA|NaN'", "kwrap logs k3f9 --since 5m"),
    ),
    Command(
        "metrics",
        "Look",
        "Print the metric points of an experiment, or of any log file",
        "[OPTIONS] ID | --from FILE",
        (),
        ("kwrap metrics k3f9 --name loss --csv", "kwrap metrics --from train.log --jsonl"),
    ),
    Command(
        "diff",
        "Look",
        "Show how two experiments or checkpoints differ",
        "[OPTIONS] ID ID",
        (),
        ("kwrap diff k3f9 qx7a", "kwrap diff k3f9@1 k3f9@best --no-code"),
    ),
    Command(
        "checkout",
        "Give back",
        "Bring back the code and the weights of an experiment",
        "[OPTIONS] ID",
        (),
        (
            "kwrap checkout k3f9 -o again",
            "kwrap checkout k3f9@best --path weights -o best",
            "kwrap checkout k3f9 --dry-run",
            "kwrap checkout --undo",
        ),
    ),
    Command(
        "tag",
        "Keep in order",
        "Give an experiment or a checkpoint a tag, or take it away",
        "[OPTIONS] ID TAG",
        (),
        ("kwrap tag k3f9 baseline", "kwrap tag k3f9@best released", "kwrap tag k3f9 baseline --remove"),
    ),
    Command("note", "Keep in order", "Add a note to an experiment or a checkpoint", "[OPTIONS] ID TEXT…"),
    Command("rm", "Keep in order", "Remove experiments from the list", "[OPTIONS] ID…", ("delete",)),
    Command(
        "copy",
        "Keep in order",
        "Bring experiments into another repository",
        "[OPTIONS] ID… --to URL",
        (),
        (
            "kwrap copy k3f9 --to s3://team/vision",
            "kwrap copy --all --to /mnt/backup/vision",
            "kwrap copy --filter 'status = finished' --to gs://team/vision",
        ),
    ),
    Command(
        "export",
        "Keep in order",
        "Write experiments for another tool",
        "[OPTIONS] --format keepsake [ID]… DIR",
        (),
        (
            "kwrap export --format keepsake ../for-keepsake",
            "kwrap export --format keepsake k3f9 qx7a s3://bucket/keepsake",
        ),
    ),
    Command(
        "gc",
        "Keep in order",
        "Free what no experiment names any more",
        "[OPTIONS]",
        (),
        ("kwrap gc --dry-run", "kwrap gc --wait", "kwrap gc --now"),
    ),
    Command(
        "verify",
        "Keep in order",
        "Find what is missing, wrong or too much in the repository",
        "[OPTIONS] [ID]…",
        (),
        ("kwrap verify", "kwrap verify k3f9 --full", "kwrap verify --full --repair"),
    ),
    Command("init", "Set up", "Write a commented kwrap.yaml and make the repository", "[OPTIONS]"),
    Command("doctor", "Set up", "Say what works on this machine, what does not, and why", "[OPTIONS]"),
)


def find(word: str) -> Command | None:
    """The command of that name or alias."""
    return next((command for command in COMMANDS if word == command.name or word in command.aliases), None)


def nearest(word: str) -> str | None:
    """The name, or the alias, that was perhaps meant."""
    import difflib

    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    return next(iter(difflib.get_close_matches(word.lower(), names, 1, 0.5)), None)
