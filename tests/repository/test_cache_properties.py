"""What the cache gives is what the records say, whatever happened and in whatever order it was told."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from log_model import SECOND_NS, Clock, ClockedStorage
from record_makers import checkpoint, experiment, heartbeat, note, outcome, run

from kwrap.clock import to_rfc3339
from kwrap.errors import AlreadyExists
from kwrap.records import NoteKind, Reason
from kwrap.repository import events, index, layout
from kwrap.repository.cache import IN_MEMORY, Cache
from kwrap.repository.cached import Cached
from kwrap.repository.compaction import compact
from kwrap.repository.following import follow
from kwrap.repository.listing import Gathered
from kwrap.repository.repository import Repository

EXPERIMENTS = [f"20261121-20000{number}-k{number}aaaaaa" for number in range(4)]
WRITERS = 3
# Within what the reader allows for; the last writer's clock is ahead by years.
SKEWS_S = (0, -400, 400, 3 * 365 * 86_400)

ids = st.sampled_from(EXPERIMENTS)
writers = st.integers(0, WRITERS - 1)


class Log(RuleBasedStateMachine):
    """Writers with clocks of their own, a compactor, and readers that look now and then."""

    @initialize(skews=st.lists(st.sampled_from(SKEWS_S), min_size=WRITERS, max_size=WRITERS))
    def begin(self, skews: list[int]) -> None:
        self.skews = skews
        self.clock = Clock()
        self.storage = ClockedStorage(self.clock)
        storages = [ClockedStorage(self.clock, skew * SECOND_NS, self.storage) for skew in skews]
        self.writers = [Repository(one, "r") for one in storages]
        self.reader = Cache(IN_MEMORY)
        self.numbers = iter(range(10_000))

    @rule(of=ids, by=writers, named=st.sampled_from([None, "baseline", "wide"]))
    def an_experiment_begins(self, of: str, by: int, named: str | None) -> None:
        made = experiment(id=of, created_at=to_rfc3339(self.clock.now_ns), name=named)
        self._quietly(lambda: self.writers[by].begin(run(experiment=of), made))

    @rule(of=ids, by=writers, rank=st.integers(0, 1))
    def a_run_beats(self, of: str, by: int, rank: int) -> None:
        self.clock.now_ns += SECOND_NS  # as fine as some storages tell when an object was written
        self.writers[by].write_heartbeat(
            heartbeat(experiment=of, run=f"r{rank}-a1", at=to_rfc3339(self.clock.now_ns), step=next(self.numbers))
        )

    @rule(of=ids, by=writers, sequence=st.integers(1, 3), loss=st.floats(allow_nan=False))
    def a_checkpoint_is_stored(self, of: str, by: int, sequence: int, loss: float) -> None:
        made = checkpoint(sequence, experiment=of, metrics={"loss": loss})
        self._quietly(lambda: self.writers[by].write_checkpoint(made))

    @rule(of=ids, by=writers, reason=st.sampled_from(list(Reason)[:4]))
    def a_run_ends(self, of: str, by: int, reason: Reason) -> None:
        self._quietly(lambda: self.writers[by].write_outcome(outcome(reason, experiment=of)))
        self.writers[by].delete_heartbeat(of, "r0-a1")

    @rule(of=ids, by=writers, kind=st.sampled_from(list(NoteKind)), text=st.sampled_from(["paper", "wide"]))
    def something_is_noted(self, of: str, by: int, kind: NoteKind, text: str) -> None:
        self.writers[by].add_note(note(kind, text, next(self.numbers) % 1000, experiment=of, id=self._note_id()))

    def _note_id(self) -> str:
        return f"20261121-203100-{next(self.numbers):03d}-abcdefgh"

    @rule(of=ids, by=writers)
    def it_is_collected(self, of: str, by: int) -> None:
        """As the collector frees a removed experiment: records first, then the word of it."""
        for name in index.record_names(self.storage, of):
            self.storage.delete(name)
        for stored in list(self.storage.list(f"{layout.HEARTBEATS}{of}/")):
            self.storage.delete(stored.name)
        # Not by one who is years ahead: what comes back would seem to have been told before it went.
        storage = self.writers[by].storage if abs(self.skews[by]) <= 400 else self.storage
        events.tell(storage, of, {}, removed=True)

    @rule(of=ids, by=writers)
    def it_is_told_again(self, of: str, by: int) -> None:
        self.writers[by].tell(of)

    @rule(by=writers, loose=st.integers(0, 6))
    def someone_compacts(self, by: int, loose: int) -> None:
        compact(self.writers[by].storage, loose=loose)

    @rule(seconds=st.sampled_from([0, 1, 30, 3600, 30 * 3600, 30 * 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.clock.now_ns += seconds * SECOND_NS

    @rule(number=st.integers(0, 1000))
    def an_event_is_damaged(self, number: int) -> None:
        names = [stored.name for stored in self.storage.list(layout.LOG) if stored.name.endswith(".json")]
        if names:
            self.storage.write(names[number % len(names)], b'{"experiment"')

    @invariant()
    def a_reader_that_looks_often_sees_what_is_there(self) -> None:
        if hasattr(self, "reader"):
            follow(self.storage, self.reader)
            self._compare(self.reader)

    def teardown(self) -> None:
        if hasattr(self, "reader"):
            fresh = Cache(IN_MEMORY)
            follow(self.storage, fresh)
            self._compare(fresh)
            fresh.close()
            self.reader.close()

    def _compare(self, cache: Cache) -> None:
        states, problems = index.gather(self.storage)
        now_ns = self.clock.now_ns
        cached, gathered = Cached(cache, self.storage), Gathered(states, problems)
        assert cached.newest(None) == gathered.newest(None)
        assert cached.total == gathered.total
        assert sorted(cached.problems()) == sorted(problems)
        for state in states:
            assert cached.state(state.experiment.id) == state
            brief = replace(state.experiment, packages=None, environment={})
            assert cached.brief_state(state.experiment.id) == replace(state, experiment=brief)
        every = gathered.newest(None)
        assert cached.rows(every, now_ns) == gathered.rows(every, now_ns)
        assert cached.running(now_ns) == gathered.running(now_ns)
        for word in ("baseline", "wide", "paper"):
            assert cached.called(word) == gathered.called(word)
        for prefix in ("2", "k1", EXPERIMENTS[2], "zz"):
            assert cached.beginning(prefix, 3) == gathered.beginning(prefix, 3)

    def _quietly(self, write: object) -> None:
        try:
            write()  # type: ignore[operator]
        except AlreadyExists:
            pass


_PHASES = [Phase.explicit, Phase.reuse, Phase.generate]  # shrinking a history takes minutes, and tells little more
TestLog = Log.TestCase
TestLog.settings = settings(max_examples=40, stateful_step_count=30, deadline=None, phases=_PHASES)
