"""Judges a run: nothing lost, nothing half-written, repeats known by their id.

Pure: takes the evidence, gives the verdict. The same for every fault.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.chaos.evidence import ANSWER_LOST, BUSY, NOT_SENT, TAKEN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.chaos.evidence import Arrival, Evidence, Hook, Told, Try

# What may be sent again after one crash, of each webhook.
REPEATS_A_CRASH: Final = 50
# Of a kind of problem, as many are told one by one.
SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Verdict:
    """`delivered` and `lost` count calls per webhook; `problems` are sentences."""

    accepted: int
    delivered: int
    duplicates: int
    lost: int
    problems: list[str] = field(default_factory=list)


def judge(evidence: Evidence) -> Verdict:
    """The verdict on a run."""
    accepted = taken_uids(evidence.tries)
    arrived = _by_path(evidence.arrivals)
    lost: list[str] = []
    problems: list[str] = []
    delivered = 0
    duplicates: Counter[str] = Counter()
    for hook in evidence.hooks:
        arrivals = arrived.get(hook.path, [])
        has = {uid for one in arrivals if one.was_taken for uid in one.uids}
        wanted = {uid for uid in accepted if hook.wants(uid)}
        delivered += len(wanted & has)
        duplicates[hook.path] = sum(1 for _ in repeats(arrivals))
        gone, told = _missing(hook, wanted, has, evidence)
        lost += gone
        problems += told
        problems += _at_receiver(hook, arrivals, evidence)
        problems += _as_told(hook, has, evidence)
    problems += _too_many(duplicates, evidence.crashes)
    problems += posts(evidence)
    return Verdict(
        accepted=len(accepted),
        delivered=delivered,
        duplicates=duplicates.total(),
        lost=len(lost),
        problems=[*shortened(lost), *shortened(problems)],
    )


def taken_uids(tries: Iterable[Try]) -> set[str]:
    """Calls that were answered 202."""
    return {uid for one in tries if one.status == TAKEN for uid in one.uids}


def shortened(problems: list[str]) -> list[str]:
    """At most SHOWN that begin alike, and how many more there are."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for problem in problems:
        kinds[problem.partition(":")[0]].append(problem)
    told = []
    for kind, of_kind in kinds.items():
        told += of_kind[:SHOWN]
        if len(of_kind) > SHOWN:
            told.append(f"{kind}: {len(of_kind) - SHOWN} more")
    return told


def _by_path(arrivals: Iterable[Arrival]) -> dict[str, list[Arrival]]:
    found: dict[str, list[Arrival]] = defaultdict(list)
    for one in arrivals:
        found[one.path].append(one)
    return found


# What should have arrived -----------------------------------------------------------------


def _missing(
    hook: Hook, wanted: set[str], has: set[str], evidence: Evidence
) -> tuple[list[str], list[str]]:
    """Of calls that the receiver has not: those lost, and what else is wrong."""
    lost, problems = [], []
    carried = {
        uid: one for one in evidence.told if one.webhook == hook.id for uid in one.uids
    }
    for uid in sorted(wanted - has):
        told = carried.get(uid)
        fate = evidence.fates.get((hook.id, uid), "")
        if told is None and not fate:
            lost.append(f"lost: {uid} at {hook.path}: nothing is known of it")
        elif told is not None and (why := _unaccounted(told)):
            lost.append(f"lost: {uid} at {hook.path}: {why}")
        elif hook.good:
            state = fate if told is None else f"{told.state} {told.reason}".strip()
            problems.append(f"not out in time: {uid} at {hook.path}: {state}")
    return lost, problems


def _unaccounted(told: Told) -> str:
    """Why a delivery that has not arrived is lost; "" where it is visible as it is."""
    if told.state in ("pending", "held"):
        return ""
    if told.state == "failed":
        return "" if told.reason else "failed without a reason"
    return f"told as {told.state}"


# What arrived -----------------------------------------------------------------------------


def repeats(arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
    """Requests that a crash repeated: of an id that was taken, or held, before.

    Where the receiver refused it or did not answer in time, it is a retry.
    """
    sent: set[str] = set()
    held: set[tuple[str, int]] = set()
    for one in arrivals:
        request = one.webhook_id, one.peer
        if one.webhook_id in sent and request not in held:
            yield one
        # What is held is noted again, from the same peer, once it is answered.
        held.discard(request)
        if one.answer == "held":
            held.add(request)
        if one.was_taken or one.answer == "held":
            sent.add(one.webhook_id)


def _at_receiver(
    hook: Hook, arrivals: Iterable[Arrival], evidence: Evidence
) -> Iterator[str]:
    digests: dict[str, str] = {}
    bearers: dict[str, str] = {}
    known = may_be_stored(evidence.tries)
    for one in arrivals:
        if not one.webhook_id:
            yield f"no webhook-id: at {hook.path}: {one.uids}"
        if digests.setdefault(one.webhook_id, one.digest) != one.digest:
            yield f"changed body: {one.webhook_id} at {hook.path}"
        for uid in one.uids:
            if bearers.setdefault(uid, one.webhook_id) != one.webhook_id:
                yield f"two ids: {uid} at {hook.path}: {bearers[uid]}, {one.webhook_id}"
            if not hook.wants(uid):
                yield f"filtered out, yet sent: {uid} at {hook.path}"
            if uid not in known:
                yield f"refused, yet sent: {uid} at {hook.path}"


def _as_told(hook: Hook, has: set[str], evidence: Evidence) -> Iterator[str]:
    """The API may not say delivered of what the receiver has not."""
    carriers: dict[str, str] = {}
    for told in evidence.told:
        if told.webhook != hook.id:
            continue
        for uid in told.uids:
            if told.state == "delivered" and uid not in has and hook.good:
                yield f"told as delivered, yet not there: {uid} at {hook.path}"
            if carriers.setdefault(uid, told.id) != told.id:
                yield f"two deliveries: {uid} at {hook.path}"


def _too_many(duplicates: Counter[str], crashes: int) -> Iterator[str]:
    for path, count in duplicates.items():
        if count > (most := REPEATS_A_CRASH * crashes):
            yield f"too many repeats: {count} at {path}, where at most {most} may be"


# What the PBX was told --------------------------------------------------------------------


def may_be_stored(tries: Iterable[Try]) -> set[str]:
    """Calls that were answered 202, or of which nobody was told what became."""
    return {uid for one in tries if _may_have_written(one) for uid in one.uids}


def _may_have_written(one: Try) -> bool:
    return one.status in (TAKEN, ANSWER_LOST) or one.outcome == UNKNOWN


def posts(evidence: Evidence) -> Iterator[str]:
    """A post is written whole or not at all, and not at all where it was refused."""
    by_post: dict[int, list[Try]] = defaultdict(list)
    for one in evidence.tries:
        by_post[one.post].append(one)
    for number, tries in by_post.items():
        yield from _answers(number, tries)
        if all(one.status != TAKEN for one in tries):
            yield from _given_up(number, tries, evidence)


def _answers(number: int, tries: list[Try]) -> Iterator[str]:
    written = False
    for one in sorted(tries, key=lambda one: one.sent):
        if one.status == TAKEN:
            yield from _counted(number, one, written=written)
        elif one.status == BUSY and not one.retry_after:
            yield f"503 without Retry-After: post {number}"
        elif one.status not in (BUSY, ANSWER_LOST, NOT_SENT):
            yield f"status {one.status}: post {number}"
        written = written or _may_have_written(one)


def _counted(number: int, one: Try, *, written: bool) -> Iterator[str]:
    """`written`: an earlier try may have written the post."""
    count = len(one.uids)
    whole = {(count, 0), (0, count)} if written else {(count, 0)}
    if (one.accepted, one.duplicates) not in whole:
        yield (
            f"half-written: post {number} of {count} calls was told {one.accepted}"
            f" accepted, {one.duplicates} duplicates"
        )


def _given_up(number: int, tries: list[Try], evidence: Evidence) -> Iterator[str]:
    uids = tries[0].uids
    stored = [uid for uid in uids if uid in evidence.stored]
    if stored and not any(_may_have_written(one) for one in tries):
        yield f"refused, yet stored: post {number}: {stored}"
    elif 0 < len(stored) < len(uids):
        yield f"half-written: post {number}: {len(stored)} of {len(uids)} calls"
