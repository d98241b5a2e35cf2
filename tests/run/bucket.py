"""A run whose repository is a bucket behind a proxy that can go away, and what has to be in the bucket in the end."""

from __future__ import annotations

from pathlib import Path

from proxy import Proxy
from servers import Server

from kwrap.records import Outcome
from kwrap.repository.repository import Repository
from support import PYTHON, Kwrap, wait_until

# Prints a metric and its own age every twentieth of a second; every so often a checkpoint, that it rotates away soon.
TRAINING = """
import os, sys, time
steps, every = int(sys.argv[1]), int(sys.argv[2])
begin = last = time.monotonic()
for step in range(1, steps + 1):
    time.sleep(0.05)
    now = time.monotonic()
    print(f"step {step} loss: {1 / step:.6f} gap_s: {now - last:.3f}", flush=True)
    last = now
    if step % every == 0:
        with open(f"step-{step}.npz.tmp", "wb") as file:
            file.write(os.urandom(20_000))
        os.rename(f"step-{step}.npz.tmp", f"step-{step}.npz")
    if step % every == every // 2 and step > every:
        os.unlink(f"step-{step - every // 2}.npz")
"""


def training(steps: int, every: int) -> list[str]:
    return [PYTHON, "-c", TRAINING, str(steps), str(every)]


class Bucket:
    """A repository in a bucket: `url` leads through the proxy, `direct` does not."""

    def __init__(self, server: Server, proxy: Proxy) -> None:
        self.proxy = proxy
        self.direct = server.fresh_url()
        self.url = server.through(proxy.port, self.direct)

    def go_away(self) -> None:
        self.proxy.refuse = True
        self.proxy.cut_all()

    def come_back(self) -> None:
        self.proxy.refuse = False

    def has(self, prefix: str) -> bool:
        """Whether anything lies there by now."""
        storage = Repository.open(self.direct, create=True).storage
        return any(True for _ in storage.list(prefix))

    def wait_for(self, prefix: str) -> None:
        wait_until(lambda: self.has(prefix), what=f"something below {prefix}")


def check_complete(kwrap: Kwrap, url: str, steps: int, every: int, out: Path) -> Outcome:
    """All that `training` printed, measured and wrote is there, and can be taken out again; its outcome."""
    repository = Repository.open(url)
    states, problems = repository.states()
    assert not problems
    (state,) = states
    (outcome,) = state.outcomes
    assert outcome.exit_status == 0
    output = b"".join(chunk.data for chunk in repository.output(state.experiment.id, state.runs[0].run))
    assert output.count(b"\n") == steps
    assert outcome.output_bytes == len(output)
    points = [point for point in repository.metric_points(state.experiment.id) if point.name == "loss"]
    assert [point.step for point in points] == list(range(1, steps + 1))
    assert [one.step for one in state.checkpoints] == list(range(every, steps + 1, every))
    for checkpoint in state.checkpoints:
        assert [file.path for file in checkpoint.files] == [f"step-{checkpoint.step}.npz"]
    kwrap("checkout", f"{state.experiment.id}@1", "-R", url, "-o", str(out), check=True)
    assert (out / f"step-{every}.npz").stat().st_size == 20_000
    assert not state.heartbeats
    return outcome


def greatest_gap_s(output: bytes) -> float:
    """The longest that the training ever waited between two lines."""
    return max(float(line.rpartition(b"gap_s: ")[2]) for line in output.splitlines())
