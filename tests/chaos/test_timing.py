"""How long recovering took, from what PBX and receivers noted."""

from tests.chaos.evidence import Arrival, Evidence, Hook, Try
from tests.chaos.timing import times

PROMPT = Hook("w1", "/fast")
BATCHES = Hook("w2", "/batch", prompt=False)


def evidence(*calls, path="/fast"):
    """Of calls (uid, taken at, arrived at)."""
    return Evidence(
        hooks=[PROMPT, BATCHES],
        tries=[
            Try(post=n, uids=(uid,), sent=at - 0.5, ended=at, status=202)
            for n, (uid, at, _) in enumerate(calls)
        ],
        arrivals=[Arrival(at, path, uid, "d", (uid,), "200") for uid, _, at in calls],
        told=[],
    )


def test_it_took_until_the_last_call_from_before_the_end_was_there():
    took = times(evidence(("a", 1, 9), ("b", 2, 14), ("c", 12, 99)), over_at=10)
    assert (took.recover, took.first) == (4, 4)


def test_it_took_no_time_where_all_was_there_already():
    took = times(evidence(("a", 1, 2)), over_at=10)
    assert (took.recover, took.first) == (0, None)


def test_only_webhooks_that_are_prompt_count():
    took = times(evidence(("a", 1, 9), path="/batch"), over_at=5)
    assert (took.recover, took.delay(0.5)) == (None, None)


def test_a_delay_runs_from_the_202_and_an_answer_from_the_post():
    took = times(evidence(("a", 1, 2), ("b", 1, 4), ("c", 1, 11)), over_at=20)
    assert (took.delay(0.5), took.delay(0.95)) == (3, 10)
    assert took.answer(0.95) == 0.5
