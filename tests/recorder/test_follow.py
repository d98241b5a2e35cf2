"""Reading a run's output from its directory: every byte comes back, whatever became of the index."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from kwrap.recorder.follow import OutputFollower, index_between
from kwrap.repository import segments
from kwrap.rundir import INDEX_RECORD, RunDirectory
from kwrap.supervisor.pump import OutputLog

records = some.tuples(some.integers(0, 300), some.integers(0, 10**12), some.integers(0, 3))
indexes = some.lists(records, max_size=12).map(lambda made: b"".join(INDEX_RECORD.pack(*one) for one in made))


def made(directory: str, output: bytes, index: bytes) -> RunDirectory:
    (Path(directory) / "output.log").write_bytes(output)
    (Path(directory) / "output.idx").write_bytes(index)
    return RunDirectory(directory)


def followed(run_directory: RunDirectory) -> list[tuple[int, int, bytes]]:
    follower = OutputFollower(run_directory)
    found = []
    while pieces := follower.read():
        found += [(piece.offset, piece.stream, piece.data) for piece in pieces]
    follower.close()
    return found


@given(some.binary(max_size=200), indexes, some.binary(max_size=16))
def test_any_index_torn_or_full_of_zeros_gives_every_byte_once(output: bytes, index: bytes, torn: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        run_directory = made(directory, output, index + torn)
        found = followed(run_directory)
        assert b"".join(data for _, _, data in found) == output
        assert all(output[offset : offset + len(data)] == data for offset, _, data in found)
        cut = len(output) // 2
        for start, end in ((0, len(output)), (0, cut), (cut, len(output))):
            data = segments.encode_output(start, output[start:end], index_between(run_directory, start, end))
            assert b"".join(chunk.data for chunk in segments.decode_output(data, "").chunks) == output[start:end]


def test_output_and_index_torn_at_every_byte_give_what_is_there_and_can_be_gone_on_with() -> None:
    """A power cut may come between any two bytes; after a kill the next writer finds the ends and appends."""
    with tempfile.TemporaryDirectory() as directory:
        whole = made(directory, b"", b"")
        log = OutputLog(whole.output, whole.index, 0)
        for number in range(3):
            log.append(memoryview(b"line %d\n" % number), 1 + number % 2)
        log.close()
        output, index = Path(whole.output).read_bytes(), Path(whole.index).read_bytes()
        assert len(index) == 3 * INDEX_RECORD.size
        for log_end in range(len(output) + 1):
            for index_end in range(len(index) + 1):
                torn = made(directory, output[:log_end], index[:index_end])
                assert b"".join(data for _, _, data in followed(torn)) == output[:log_end]
                if index_end // INDEX_RECORD.size > log_end // len(b"line 0\n") + 1:
                    continue  # no kill leaves the index ahead by more than the record of the next byte
                log = OutputLog(torn.output, torn.index, 0)
                log.append(memoryview(b"after\n"), 2)
                log.close()
                found = followed(torn)
                assert b"".join(data for _, _, data in found) == output[:log_end] + b"after\n"
                assert found[-1][1] == 2
                assert found[-1][2].endswith(b"after\n")
