"""The exit status of `kwrap run` is the command's; kwrap's own failures have their reserved ones."""

from __future__ import annotations

import signal
import stat

import pytest

from kwrap.records import Reason
from support import PYTHON, Kwrap, child


@pytest.mark.parametrize("status", [0, 1, 7, 130, 255])
def test_the_commands_exit_status_is_passed_on_and_recorded(kwrap: Kwrap, status: int) -> None:
    assert kwrap.run(child("exits.py", status)).returncode == status
    (outcome,) = kwrap.state_of_only().outcomes
    assert outcome.exit_status == status
    assert outcome.signal is None
    assert outcome.reason is (Reason.FAILED if status else Reason.FINISHED)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_run_dies_of_the_signal_that_the_command_died_of(kwrap: Kwrap, number: signal.Signals) -> None:
    assert kwrap.run(child("dies_of_signal.py", int(number))).returncode == -number
    (outcome,) = kwrap.state_of_only().outcomes
    assert (outcome.signal, outcome.exit_status, outcome.reason) == (number, None, Reason.KILLED)


def test_a_command_that_is_not_found_is_127_and_leaves_nothing(kwrap: Kwrap) -> None:
    done = kwrap.run(["no-such-program-at-all"])
    assert done.returncode == 127
    assert b"command not found: 'no-such-program-at-all'" in done.stderr
    assert not kwrap.run_directories()
    assert not (kwrap.project / ".kwrap").exists()


def test_a_command_that_is_not_executable_is_126(kwrap: Kwrap) -> None:
    (kwrap.project / "train.sh").write_text("echo hello\n")
    done = kwrap.run(["./train.sh"])
    assert done.returncode == 126
    assert b"hint: chmod +x ./train.sh" in done.stderr


def test_a_script_whose_interpreter_is_missing_is_127_and_leaves_nothing(kwrap: Kwrap) -> None:
    script = kwrap.project / "train.sh"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = kwrap.run(["./train.sh"])
    assert done.returncode == 127
    assert b"interpreter" in done.stderr
    assert not kwrap.run_directories()


def test_a_script_without_an_interpreter_line_is_given_to_sh_as_shells_do(kwrap: Kwrap) -> None:
    script = kwrap.project / "train.sh"
    script.write_text("echo from sh $1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    done = kwrap.run(["./train.sh", "x"])
    assert (done.returncode, done.stdout) == (0, b"from sh x\n")


def test_a_misspelt_option_is_refused_before_the_start_with_125(kwrap: Kwrap) -> None:
    done = kwrap("run", "--nmae", "x", "--", PYTHON, "-c", "print('ran')")
    assert done.returncode == 125
    assert done.stdout == b""
    assert b"no such option: --nmae" in done.stderr
    assert b"did you mean '--name'?" in done.stderr


def test_no_command_is_refused(kwrap: Kwrap) -> None:
    done = kwrap("run")
    assert done.returncode == 125
    assert b"no command to run" in done.stderr


def test_a_failure_within_ten_milliseconds_leaves_a_full_record(kwrap: Kwrap) -> None:
    assert kwrap.run(child("fails_fast.py")).returncode == 1
    state = kwrap.state_of_only()
    (outcome,) = state.outcomes
    assert outcome.reason is Reason.FAILED
    assert outcome.last_lines[0] == "Traceback (most recent call last):"
    assert outcome.usage is not None
    assert outcome.usage.cpu_user_s + outcome.usage.cpu_system_s > 0
    assert b"Traceback" in kwrap.output(state)
    assert state.experiment.source is not None
    assert not kwrap.run_directories(), "what the repository has is removed from the state directory"


def test_the_commands_words_reach_it_as_they_were_typed(kwrap: Kwrap) -> None:
    words = ["--name", "-q", "", "two words", "--", "$HOME", "*"]
    done = kwrap.run([PYTHON, "-c", "import sys; print(sys.argv[1:])", *words])
    assert done.stdout.decode().strip() == repr(words)
