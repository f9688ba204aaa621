"""The catalogue: every scenario by name, and the test that covers a line which needs no conductor."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.conductor import scripts
from tests.chaos.conductor.hands import Disturbance
from tests.chaos.conductor.load import MIXED, Shape
from tests.chaos.conductor.oracle import Fault
from tests.chaos.conductor.scenarios import PAIR, ChaosScenario
from tests.chaos.conductor.setup import SESSION, Setup
from tests.chaos.conductor.store_server import StoreKind

SOAK = "soak"
PROCESSES = {Disturbance.KILL: 3, Disturbance.STOP: 2, Disturbance.PAUSE: 2, Disturbance.BURST: 1}
SURROUNDINGS = {Disturbance.FAULTS: 3, Disturbance.SYSTEM: 1, Disturbance.STORE: 1, Disturbance.BROKER: 2}
NOTHING_LOST = "nothing is lost, reordered or sent twice"
ONCE = "every run has one result; no second POST without three look-ups"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoveredLine:
    """A line of the catalogue that a test of its own covers."""

    group: str
    disturbance: str
    test: str  # file::function, below tests/


def _with(setup: Setup = PAIR, **changes: object) -> Setup:
    fields = {name: getattr(setup, name) for name in Setup.__slots__}
    return Setup(**{**fields, **changes})


def _churn() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="everything",
            group="churn",
            disturbance="kills, pauses, stops; beside them broker restarts, store outages, failing systems",
            expectation=NOTHING_LOST,
            mix=PROCESSES,
            infrastructure=SURROUNDINGS,
        ),
        ChaosScenario(
            name="everything-sqlite",
            group="churn",
            disturbance="the same with one process and SQLite",
            expectation=NOTHING_LOST,
            setup=Setup(),
            mix=PROCESSES,
            infrastructure=SURROUNDINGS,
        ),
        ChaosScenario(
            name="churn",
            group="churn",
            disturbance="processes join, stop, die and start again",
            expectation=NOTHING_LOST,
            setup=_with(workers=3),
            mix={Disturbance.KILL: 2, Disturbance.STOP: 3, Disturbance.BURST: 1},
        ),
        ChaosScenario(
            name="kill-bursts",
            group="churn",
            disturbance="three kill -9 0.1 to 1 s apart, also of processes that are starting",
            expectation=ONCE,
            mix={Disturbance.BURST: 1},
        ),
        ChaosScenario(
            name="paused-hierarchies",
            group="churn",
            disturbance="SIGSTOP past the session timeout, then SIGCONT, while many hierarchies are stored",
            expectation=ONCE,
            setup=Setup(),
            shapes={Shape.TREE: 1},
            mix={Disturbance.PAUSE: 1},
            pause=(3.0, 6.0),
            events=1200,
            rate=60.0,
        ),
        ChaosScenario(
            name="pauses",
            group="churn",
            disturbance="SIGSTOP past the session timeout, then SIGCONT",
            expectation=ONCE,
            mix={Disturbance.PAUSE: 1},
            pause=(0.5, 1.5),
        ),
    ]


def _revoke() -> list[ChaosScenario]:
    group = "revoke under long calls"
    return [
        ChaosScenario(
            name="revoke-cooperative",
            group=group,
            disturbance="a process leaves and joins while each call takes a second; its partitions return to it",
            expectation="clean exits; no second POST",
            script=scripts.bounce(times=3, down=0.1, delay=1.0),
        ),
        ChaosScenario(
            name="revoke-eager",
            group=group,
            disturbance="the same with the eager assignor `range`",
            expectation="clean exits; no second POST",
            setup=_with(client={"partition.assignment.strategy": "range"}),
            script=scripts.bounce(times=3, down=0.1, delay=1.0),
        ),
        ChaosScenario(
            name="revoke-kip-848",
            group=group,
            disturbance="the same with the protocol `consumer`, and a kill",
            expectation=ONCE,
            setup=_with(kafka={"protocol": "consumer"}),
            mix={Disturbance.KILL: 1, Disturbance.STOP: 2},
        ),
        ChaosScenario(
            name="static-bounce-within",
            group=group,
            disturbance="a static member is killed and is back within its session",
            expectation=ONCE,
            setup=_with(kafka={"static_membership": True}),
            script=scripts.kills(times=4, down=0.1),
        ),
        ChaosScenario(
            name="static-bounce-beyond",
            group=group,
            disturbance="a static member is killed and comes back after its session",
            expectation=ONCE,
            setup=_with(kafka={"static_membership": True}),
            script=scripts.kills(times=2, down=SESSION + 2.0),
        ),
        ChaosScenario(
            name="drain-exceeded",
            group=group,
            disturbance="SIGTERM while calls take longer than `worker.drain`",
            expectation=f"exit 4 or 0; {ONCE}",
            setup=_with(worker={"drain": 0.3}),
            script=scripts.bounce(times=3, down=0.1, delay=1.5, allowed=(0, 4)),
        ),
    ]


def _broker() -> list[ChaosScenario]:
    three = _with(nodes=3)
    return [
        ChaosScenario(
            name="broker-restart",
            group="broker",
            disturbance="the broker stops and starts, mid-produce and mid-commit",
            expectation=NOTHING_LOST,
            script=scripts.break_broker(crash=False),
        ),
        ChaosScenario(
            name="broker-kill",
            group="broker",
            disturbance="kill -9 of the broker",
            expectation=NOTHING_LOST,
            script=scripts.break_broker(crash=True),
        ),
        ChaosScenario(
            name="broker-minute",
            group="broker",
            disturbance="no broker for a minute",
            expectation=NOTHING_LOST,
            script=scripts.break_broker(crash=True, times=1, away=scripts.AWAY),
        ),
        ChaosScenario(
            name="broker-disk-full",
            group="broker",
            disturbance="the disk of the broker is full twice, and a kill; the broker ends, and is started with room",
            expectation=NOTHING_LOST,
            setup=_with(small_broker_disk=True),
            script=scripts.fill_broker_disk,
        ),
        ChaosScenario(
            name="leader-moves",
            group="broker",
            disturbance="three brokers are stopped and killed in turn, so that leaders and coordinators move",
            expectation=NOTHING_LOST,
            setup=three,
            script=scripts.break_broker(crash=True, times=3, away=3.0),
        ),
        ChaosScenario(
            name="broker-slow",
            group="broker, outputs",
            disturbance="the broker answers nothing for up to five seconds, past sessions and request timeouts",
            expectation=NOTHING_LOST,
            script=scripts.freeze_broker,
        ),
    ]


def _offsets() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="transaction-markers",
            group="offsets",
            disturbance="aborted transactions between the records, and kills",
            expectation="no dead letter, and no lag at the end",
            script=scripts.abort_transactions,
        ),
        ChaosScenario(
            name="offsets-moved-down",
            group="offsets",
            disturbance="committed offsets are moved 30 down",
            expectation="finished records are read again and lead to nothing",
            script=scripts.tamper_with_offsets(scripts.move_offsets_down),
        ),
        ChaosScenario(
            name="offsets-moved-up",
            group="offsets",
            disturbance="committed offsets are moved to the end while records wait, and the skipped ones are replayed",
            expectation="the offsets are reported; after the replay everything ends, with no second POST",
            rate=100_000.0,
            script=scripts.move_offsets_up,
        ),
        ChaosScenario(
            name="offsets-expired",
            group="offsets",
            disturbance="the groups with their offsets are deleted",
            expectation="everything is read again and leads to nothing",
            script=scripts.tamper_with_offsets(scripts.delete_offsets),
        ),
        ChaosScenario(
            name="foreign-metadata",
            group="offsets",
            disturbance="the metadata of the commits is replaced",
            expectation=NOTHING_LOST,
            script=scripts.tamper_with_offsets(scripts.write_foreign_metadata),
        ),
    ]


def _endpoint() -> list[ChaosScenario]:
    lines: list[tuple[str, str, Fault, float]] = [
        ("slow-system", "answers after up to 1.5 s", Fault.SLOW, 0.3),
        ("hang-after-headers", "the status comes and the body never does", Fault.HEADERS_ONLY, 0.1),
        ("hang-before", "the request is read, and neither done nor answered", Fault.HANG_BEFORE, 0.1),
        ("hang-after", "the run is created, and no answer comes", Fault.HANG_AFTER, 0.1),
        ("reset-before", "the connection is reset before the run is created", Fault.RESET_BEFORE, 0.2),
        ("reset-after", "the connection is reset after the run was created", Fault.RESET_AFTER, 0.2),
        ("throttled", "429 with Retry-After", Fault.THROTTLED, 0.3),
        ("storm-of-errors", "500 after the run was created", Fault.ERROR, 0.5),
        ("oversized-body", "a response of 5.1 MB", Fault.OVERSIZED, 0.05),
        ("invalid-body", "a response that is no JSON", Fault.INVALID_BODY, 0.2),
        ("keep-alive-closed", "connections are closed between requests", Fault.CLOSE_IDLE, 0.5),
    ]
    return [
        ChaosScenario(
            name=name,
            group="endpoint",
            disturbance=words,
            expectation=ONCE,
            events=400,
            script=scripts.fail(kind, share=share, seconds=6.0, methods=("POST", "PATCH")),
        )
        for name, words, kind, share in lines
    ]


def _load_shapes() -> list[ChaosScenario]:
    group = "load shape"
    return [
        ChaosScenario(
            name="hot-key",
            group=group,
            disturbance="keys with 200 changes each, and kills",
            expectation="changes arrive in their order",
            shapes={Shape.HOT: 1, Shape.QUICK: 30},
            events=1_200,
            mix={Disturbance.KILL: 1},
        ),
        ChaosScenario(
            name="null-keys",
            group=group,
            disturbance="records without a key, and kills",
            expectation=ONCE,
            shapes={Shape.NO_KEY: 1},
            mix={Disturbance.KILL: 1},
        ),
        ChaosScenario(
            name="poison-per-key",
            group=group,
            disturbance="undecodable bytes before each run, and kills",
            expectation="one dead letter for each, and each run ends",
            shapes={Shape.POISON: 1},
            events=300,
            mix={Disturbance.KILL: 1},
        ),
        ChaosScenario(
            name="poison-answers",
            group=group,
            disturbance="the system refuses every run with 400, and kills",
            expectation="refusals are results, no dead letter",
            shapes={Shape.REFUSED: 1},
            events=300,
            mix={Disturbance.KILL: 1},
        ),
        ChaosScenario(
            name="all-retry",
            group=group,
            disturbance="both systems answer 503 to everything",
            expectation="intake goes on afterwards; no look-up is needed",
            script=scripts.fail(Fault.BUSY, share=1.0, seconds=6.0),
        ),
        ChaosScenario(
            name="dead-spoke",
            group=group,
            disturbance="one of two systems refuses connections",
            expectation="the other one's runs end; then all do",
            script=scripts.take_dead_spoke_away,
        ),
        ChaosScenario(
            name="burst",
            group=group,
            disturbance="all records at once after idle processes",
            expectation=NOTHING_LOST,
            rate=100_000.0,
            mix={Disturbance.KILL: 1},
        ),
    ]


def _shutdown() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="sigterm-in-retry-wait",
            group="shutdown",
            disturbance="SIGTERM while every record waits for its next attempt",
            expectation="exit 0",
            script=scripts.stop_in_retry_wait,
        ),
        ChaosScenario(
            name="sigterm-in-rebalance",
            group="shutdown",
            disturbance="SIGTERM while another process joins",
            expectation="exit 0",
            script=scripts.stop_in_rebalance,
        ),
        ChaosScenario(
            name="sigterm-in-broker-outage",
            group="shutdown",
            disturbance="SIGTERM while there is no broker",
            expectation=NOTHING_LOST,
            script=scripts.stop_in_broker_outage,
        ),
        ChaosScenario(
            name="second-sigterm",
            group="shutdown",
            disturbance="a second SIGTERM while calls are under way",
            expectation=f"exit 4 at once; {ONCE}",
            script=scripts.stop_twice,
        ),
    ]


def _store() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="store-crash",
            group="store",
            disturbance="PostgreSQL crashes and recovers",
            expectation=NOTHING_LOST,
            mix={Disturbance.STORE: 1},
        ),
        ChaosScenario(
            name="store-minute",
            group="store",
            disturbance="no PostgreSQL for a minute",
            expectation=NOTHING_LOST,
            script=scripts.take_store_away(seconds=scripts.AWAY, crash=False),
        ),
        ChaosScenario(
            name="store-failover",
            group="store",
            disturbance="PostgreSQL crashes, its synchronous standby is promoted, and kills before and after",
            expectation=NOTHING_LOST,
            setup=_with(store=StoreKind.POSTGRES_PAIR),
            script=scripts.fail_store_over,
        ),
        ChaosScenario(
            name="old-primary-returns",
            group="store",
            disturbance="after a failover the old primary takes writes again; all connections end, and kills",
            expectation=f"{NOTHING_LOST}; nothing is written to the old primary",
            setup=_with(store=StoreKind.POSTGRES_PAIR),
            script=scripts.start_old_primary,
        ),
        ChaosScenario(
            name="disk-full",
            group="store",
            disturbance="the disk of SQLite is full three times, and kills meanwhile",
            expectation=NOTHING_LOST,
            setup=Setup(small_disk=True),
            script=scripts.fill_store_disk,
        ),
        ChaosScenario(
            name="disk-full-postgres",
            group="store",
            disturbance="the same with the disk of PostgreSQL, which may end because of it",
            expectation=NOTHING_LOST,
            setup=_with(small_disk=True),
            script=scripts.fill_store_disk,
        ),
        ChaosScenario(
            name="sqlite-locked",
            group="store",
            disturbance="another process locks the SQLite file, and kills",
            expectation=NOTHING_LOST,
            setup=Setup(),
            mix={Disturbance.STORE: 2, Disturbance.KILL: 1},
        ),
    ]


def _writeback() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="writeback-kills",
            group="writeback",
            disturbance="kill -9 of the processes that write back, at random points of random writes; the target fails",
            expectation="every run has one record at the target, with its end and its measures, in the order of states",
            setup=_with(workers=1, writers=2),
            events=400,
            rate=30.0,
            script=scripts.kill_writers,
        ),
        ChaosScenario(
            name="writeback-everything",
            group="writeback",
            disturbance="the same, beside kills and stops of all other processes",
            expectation="the same",
            setup=_with(workers=1, writers=2),
            events=400,
            rate=30.0,
            mix={Disturbance.KILL: 3, Disturbance.STOP: 1},
            script=scripts.kill_writers,
        ),
    ]


def _replay() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="tables-change-in-replay",
            group="replay",
            disturbance="a replay of all events and commands while the selector changes sides, live load, kills",
            expectation="what was decided stays at its system; nothing is sent twice",
            # A run may be at either system, so both take what the load does in flight.
            setup=_with(published_tables=True, profile={"patchable": ["description"], "cancel": "patch"}),
            events=900,
            script=scripts.change_tables_in_replay,
        ),
    ]


def _hold_and_soak() -> list[ChaosScenario]:
    return [
        ChaosScenario(
            name="hold-under-kills",
            group="dead letters",
            disturbance="kill -9 while records are held behind a dead letter, and while they are released",
            expectation="the held records of a key follow in their order, none is lost",
            setup=_with(worker={"hold": "lifecycle"}),
            shapes={Shape.LATE_CHANGES: 1, Shape.QUICK: 2},
            events=280,
            script=scripts.release_held_under_kills,
        ),
        ChaosScenario(
            name=SOAK,
            group="soak",
            disturbance="failing systems, broker restarts and store outages",
            expectation="memory, files, threads, store size per run and number of time series stay flat",
            shapes=MIXED,
            events=20_000,
            rate=300.0,
            infrastructure={Disturbance.FAULTS: 4, Disturbance.SYSTEM: 1, Disturbance.STORE: 1, Disturbance.BROKER: 1},
            pause=(10.0, 30.0),
        ),
    ]


_PARTS = (
    _churn,
    _revoke,
    _broker,
    _offsets,
    _endpoint,
    _load_shapes,
    _shutdown,
    _store,
    _replay,
    _writeback,
    _hold_and_soak,
)
SCENARIOS = {scenario.name: scenario for part in _PARTS for scenario in part()}

_FINISHED = "integration/runtime/test_finished_offsets.py"
_TRANSPORTS = "contract/spokes/test_every_transport.py"
_DLQ = "integration/operations/test_dlq.py"
ELSEWHERE = tuple(
    CoveredLine(group=group, disturbance=disturbance, test=test)
    for group, disturbance, test in (
        (
            "revoke",
            "a record exceeds the drain budget of a revocation",
            (
                "unit/runtime/test_worker_partitions.py::"
                "test_a_record_that_exceeds_the_drain_budget_is_cancelled_and_its_late_completion_ignored"
            ),
        ),
        ("offsets", "compacted gaps", "unit/runtime/test_offsets.py::test_gaps_between_offsets_are_never_waited_for"),
        (
            "offsets",
            "corrupt, old, newer metadata",
            "unit/runtime/test_finished_offsets.py::test_foreign_newer_and_damaged_metadata_is_refused_with_its_reason",
        ),
        (
            "offsets",
            "offsets above 2^31",
            "unit/runtime/test_finished_offsets.py::test_offsets_above_two_to_the_31_are_kept",
        ),
        (
            "offsets",
            "map at 75 % of the limit",
            f"{_FINISHED}::test_a_partition_is_read_no_further_than_its_commits_have_room_for",
        ),
        (
            "offsets",
            "a topic is deleted and made anew",
            "integration/runtime/test_topic_made_anew.py::test_a_topic_that_is_made_anew_is_read_again_and_told",
        ),
        (
            "endpoint",
            "certificate that is not valid",
            f"{_TRANSPORTS}::test_a_certificate_that_is_not_valid_is_configuration",
        ),
        (
            "outputs",
            "result too large",
            (
                "integration/service/test_unpublishable_events.py::"
                "test_a_result_that_its_topic_refuses_is_a_dead_letter_and_a_redrive_publishes_it"
            ),
        ),
        (
            "outputs",
            "dead-letter topic missing",
            (
                "integration/service/test_unpublishable_events.py::"
                "test_without_a_dead_letter_topic_only_the_key_of_the_bad_record_waits_until_it_is_there"
            ),
        ),
        (
            "replay",
            "a lost store is rebuilt, with kills",
            "chaos/test_lost_store.py::test_a_lost_store_is_rebuilt_without_one_second_post",
        ),
        (
            "replay",
            "an interrupted redrive is resumed",
            f"{_DLQ}::test_a_killed_redrive_goes_on_with_the_rest_and_repeats_nothing",
        ),
        (
            "replay",
            "loop guard of redrives",
            f"{_DLQ}::test_a_dead_letter_that_comes_back_for_the_third_time_is_refused",
        ),
        (
            "replay",
            "tables change under load",
            "chaos/test_publish_under_load.py::test_publishing_while_a_thousand_runs_a_second_flow_loses_none_and_mixes_no_decision",
        ),
    )
)
