"""Output and metrics: whether segments can be read, and whether there are as many bytes and points as outcomes say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from kwrap.errors import Damaged, NotFound
from kwrap.records import Outcome
from kwrap.repository import layout, segments, series
from kwrap.repository.verify.problems import Kind, Problem
from kwrap.repository.workers import in_order
from kwrap.storage.base import Storage, Stored

Report = Callable[[Problem], object]


def listed(storage: Storage, wanted: Collection[str] | None) -> Iterator[Stored]:
    for folder in (layout.OUTPUT, layout.SERIES):
        prefixes = [folder] if wanted is None else [f"{folder}{one}/" for one in sorted(wanted)]
        for prefix in prefixes:
            yield from storage.list(prefix)


def read(storage: Storage, names: Collection[str], report: Report, progress: Callable[[str], object]) -> None:
    """Read every segment."""

    def wrong(name: str) -> Problem | None:
        where = f"{storage.url}/{name}"
        try:
            data = storage.read(name)
            if name.startswith(layout.OUTPUT):
                found = segments.decode_output(data, where)
                if found.start != layout.segment_number(name):
                    raise Damaged(f"{where} is damaged: it begins at byte {found.start}")
            else:
                for _ in segments.decode_metrics(segments.metric_lines(data, where), where):
                    pass
        except NotFound:
            return None
        except Damaged as error:
            return _problem(Kind.WRONG, name, error.message, len(data))
        finally:
            progress("segments")
        return None

    for problem in in_order(wrong, names, threads=storage.parallel, most=2 * storage.parallel):
        if problem is not None:
            report(problem)


def count(storage: Storage, outcomes: Collection[Outcome], names: Collection[str], report: Report) -> None:
    """Compare what the segments cover with what the outcomes say that there is."""
    folders = {name.rpartition("/")[0] + "/" for name in names}
    for outcome in outcomes:
        of = outcome.experiment, outcome.run
        for folder, wanted, end, what in (
            (layout.output_segments(*of), outcome.output_bytes, series.output_end, "bytes of output"),
            (f"{layout.SERIES}{of[0]}/{of[1]}/", outcome.metric_points, series.metrics_end, "metric points"),
        ):
            try:
                found = end(storage, *of) if wanted and folder in folders else 0
            except Damaged:
                continue  # told already
            if found < wanted:
                message = f"{storage.url}/{folder} holds {found:,} of {wanted:,} {what} without a gap"
                report(_problem(Kind.MISSING, folder, message, None))


def _problem(kind: Kind, name: str, message: str, size_bytes: int | None) -> Problem:
    return Problem(kind=kind, object=name, message=message, experiments=(name.split("/")[1],), size_bytes=size_bytes)
