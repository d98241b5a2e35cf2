"""What is read off a command line, and what of it is never written."""

from __future__ import annotations

import pytest

from kwrap.capture import redaction
from kwrap.capture.parameters import from_argv
from support import PYTHON, Kwrap


def named(command: str) -> dict[str, object]:
    return {name: param.value for name, param in from_argv(command.split()).items()}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python -u train.py --lr 0.1", {"lr": 0.1}),
        ("/usr/bin/python3.11 -W error -X dev -m pkg.train --lr=1 x=2", {"lr": 1, "x": 2}),
        ("sh -c loss=1 name --lr 3", {"lr": 3}),
        ("bash -euo pipefail train.sh --lr 3", {"lr": 3}),
        ("./train.sh --lr 3 model.depth=4", {"lr": 3, "model.depth": 4}),
        ("torchrun --nproc_per_node=2 train.py --flag", {"nproc_per_node": 2, "flag": True}),
        ("env OMP=1 python -u train.py -b 2", {"OMP": 1, "b": 2}),
    ],
)
def test_an_interpreters_own_options_are_no_hyperparameters(command: str, expected: dict[str, object]) -> None:
    assert named(command) == expected


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--hf-token", "abc"], ["--hf-token", "[redacted]"]),
        (["--api_key=xyz", "WANDB_API_KEY=s"], ["--api_key=[redacted]", "WANDB_API_KEY=[redacted]"]),
        (["--max_tokens", "512", "--token-dropout=0.1"], ["--max_tokens", "512", "--token-dropout=0.1"]),
        (["sh", "-c", "export HF_TOKEN=abc; train --lr=1"], ["sh", "-c", "export HF_TOKEN=[redacted]; train --lr=1"]),
        (["-H", "Authorization: Bearer abc"], ["-H", "Authorization: Bearer [redacted]"]),
        (["https://me:word@host/x"], ["https://[redacted]@host/x"]),
    ],
)
def test_secrets_are_replaced_and_numbers_are_not(words: list[str], expected: list[str]) -> None:
    assert list(redaction.argv(words)) == expected


def test_no_secret_reaches_the_disk_from_the_command_line_or_from_settings(kwrap: Kwrap) -> None:
    options = ("--param", "api_key=s3cr3t-1", "--param", "lr=0.1", "--note", "with HF_TOKEN=s3cr3t-2 set")
    kwrap.run([PYTHON, "-c", "pass", "--password", "s3cr3t-3", "url=ftp://me:s3cr3t-4@host"], *options, "--offline")
    written = b"".join(path.read_bytes() for path in kwrap.state.rglob("*") if path.is_file())
    assert b"s3cr3t" not in written
    kwrap("sync", check=True)
    experiment = kwrap.state_of_only().experiment
    assert experiment.params["api_key"].value == "[redacted]"
    assert experiment.params["lr"].value == 0.1
