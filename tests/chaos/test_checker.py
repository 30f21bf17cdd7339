"""The checker of `make chaos` notices each way in which a promise can be broken."""

from dataclasses import replace

import pytest

from tests.chaos.checker import judge
from tests.chaos.evidence import ANSWER_LOST, Arrival, Evidence, Hook, Told, Try

FAST = Hook("w1", "/fast")
INBOUND = Hook("w2", "/filtered", only="in")


def taken(post, *uids, **values):
    wanted = {"sent": 1.0, "ended": 2.0, "status": 202, "accepted": len(uids)}
    return Try(post=post, uids=uids, **{**wanted, **values})


def refused(post, *uids, **values):
    wanted = {"status": 503, "accepted": 0, "retry_after": "1", "sent": 0.5}
    return taken(post, *uids, **{**wanted, **values})


def arrived(webhook_id, *uids, **values):
    wanted = {"at": 3.0, "path": "/fast", "digest": "d" + webhook_id, "answer": "200"}
    return Arrival(webhook_id=webhook_id, uids=uids, **{**wanted, **values})


def told(delivery, *uids, **values):
    wanted = {"webhook": "w1", "state": "delivered"}
    return Told(id=delivery, uids=uids, **{**wanted, **values})


GOOD = Evidence(
    hooks=[FAST],
    tries=[taken(0, "a-in"), taken(1, "b-in", "c-out")],
    arrivals=[arrived("1", "a-in"), arrived("2", "b-in"), arrived("3", "c-out")],
    told=[told("1", "a-in"), told("2", "b-in"), told("3", "c-out")],
)


def problem(evidence):
    """The one problem that there is."""
    (only,) = judge(evidence).problems
    return only


def test_a_run_in_which_everything_arrived_is_in_order():
    verdict = judge(GOOD)
    assert (verdict.accepted, verdict.delivered, verdict.lost) == (3, 3, 0)
    assert (verdict.duplicates, verdict.problems) == (0, [])


def test_it_notices_a_call_that_is_nowhere():
    verdict = judge(replace(GOOD, arrivals=GOOD.arrivals[:2], told=GOOD.told[:2]))
    assert verdict.lost == 1
    assert verdict.problems == ["lost: c-out at /fast: nothing is known of it"]


def test_it_notices_what_is_told_as_delivered_and_never_arrived():
    verdict = judge(replace(GOOD, arrivals=GOOD.arrivals[:2]))
    assert verdict.lost == 1
    assert "lost: c-out at /fast: told as delivered" in verdict.problems


def test_a_request_that_was_not_answered_200_is_not_delivered():
    last = replace(GOOD.arrivals[2], answer="500")
    assert judge(replace(GOOD, arrivals=[*GOOD.arrivals[:2], last])).lost == 1


@pytest.mark.parametrize("state", ["pending", "held"])
def test_what_waits_visibly_is_not_lost_but_late(state):
    waiting = told("3", "c-out", state=state)
    seen = replace(GOOD, arrivals=GOOD.arrivals[:2], told=[*GOOD.told[:2], waiting])
    assert judge(seen).lost == 0
    assert problem(seen).startswith("not out in time: c-out at /fast")


def test_what_waits_for_its_batch_is_not_lost_but_late():
    fates = {("w1", "c-out"): "it waits for its batch to close"}
    seen = replace(GOOD, arrivals=GOOD.arrivals[:2], told=GOOD.told[:2], fates=fates)
    assert judge(seen).lost == 0
    assert "it waits for its batch" in problem(seen)


def test_what_failed_with_a_reason_at_a_bad_receiver_is_in_order():
    failed = told("3", "c-out", state="failed", reason="timeout")
    seen = replace(GOOD, arrivals=GOOD.arrivals[:2], told=[*GOOD.told[:2], failed])
    assert judge(replace(seen, hooks=[replace(FAST, good=False)])).problems == []


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_what_ended_without_a_reason_is_lost(state):
    ended = told("3", "c-out", state=state)
    seen = replace(GOOD, arrivals=GOOD.arrivals[:2], told=[*GOOD.told[:2], ended])
    assert judge(seen).lost == 1


def test_a_filter_is_no_loss_and_what_it_keeps_out_may_not_arrive():
    seen = replace(GOOD, hooks=[FAST, INBOUND])
    there = [arrived(f"{n}", uid, path="/filtered") for n, uid in _inbound()]
    assert judge(replace(seen, arrivals=[*GOOD.arrivals, *there])).problems == []
    wrong = [*there, arrived("9", "c-out", path="/filtered")]
    assert "filtered out, yet sent: c-out" in problem(
        replace(seen, arrivals=[*GOOD.arrivals, *wrong])
    )


def _inbound():
    return [(4, "a-in"), (5, "b-in")]


# Repeats ----------------------------------------------------------------------------------


def test_a_repeat_is_counted_and_allowed_after_a_crash():
    seen = replace(GOOD, arrivals=[*GOOD.arrivals, arrived("1", "a-in")], crashes=1)
    verdict = judge(seen)
    assert (verdict.duplicates, verdict.problems) == (1, [])


def test_a_repeat_without_a_crash_is_noticed():
    seen = replace(GOOD, arrivals=[*GOOD.arrivals, arrived("1", "a-in")])
    assert problem(seen).startswith("too many repeats: 1 at /fast")


def test_more_than_fifty_repeats_a_crash_are_noticed():
    again = [arrived("1", "a-in")] * 51
    seen = replace(GOOD, arrivals=[*GOOD.arrivals, *again], crashes=1)
    assert problem(seen).startswith("too many repeats: 51 at /fast")


def test_a_retry_of_what_was_refused_is_no_repeat():
    refusal = arrived("1", "a-in", answer="500")
    verdict = judge(replace(GOOD, arrivals=[refusal, *GOOD.arrivals]))
    assert (verdict.duplicates, verdict.problems) == (0, [])


def test_what_was_held_when_its_sender_died_is_repeated():
    held = arrived("1", "a-in", answer="held", peer=7)
    seen = replace(GOOD, arrivals=[held, *GOOD.arrivals], crashes=1)
    assert judge(seen).duplicates == 1


def test_what_was_held_and_then_answered_is_no_repeat():
    held = arrived("1", "a-in", answer="held", peer=7)
    answered = replace(GOOD.arrivals[0], peer=7)
    seen = replace(GOOD, arrivals=[held, answered, *GOOD.arrivals[1:]])
    assert judge(seen).duplicates == 0


def test_a_call_under_another_id_is_noticed():
    seen = replace(GOOD, arrivals=[*GOOD.arrivals, arrived("9", "a-in")], crashes=1)
    assert problem(seen) == "two ids: a-in at /fast: 1, 9"


def test_a_repeat_with_another_body_is_noticed():
    other = arrived("1", "a-in", digest="other")
    seen = replace(GOOD, arrivals=[*GOOD.arrivals, other], crashes=1)
    assert problem(seen) == "changed body: 1 at /fast"


def test_a_request_without_an_id_is_noticed():
    nameless = replace(GOOD.arrivals[0], webhook_id="")
    assert "no webhook-id" in problem(
        replace(GOOD, arrivals=[nameless, *GOOD.arrivals[1:]])
    )


def test_two_deliveries_of_a_call_are_noticed():
    seen = replace(GOOD, told=[*GOOD.told, told("9", "a-in", state="pending")])
    assert problem(seen) == "two deliveries: a-in at /fast"


# Posts ------------------------------------------------------------------------------------


def test_a_post_that_was_refused_and_then_taken_whole_is_in_order():
    tries = [refused(1, "b-in", "c-out"), *GOOD.tries]
    assert judge(replace(GOOD, tries=tries)).problems == []


def test_a_refused_post_that_had_left_something_is_noticed():
    again = taken(1, "b-in", "c-out", accepted=1, duplicates=1)
    seen = replace(GOOD, tries=[GOOD.tries[0], refused(1, "b-in", "c-out"), again])
    assert problem(seen).startswith("half-written: post 1 of 2 calls")


def test_a_refused_post_that_had_been_written_whole_is_noticed():
    again = taken(1, "b-in", "c-out", accepted=0, duplicates=2)
    seen = replace(GOOD, tries=[GOOD.tries[0], refused(1, "b-in", "c-out"), again])
    assert problem(seen).startswith("half-written: post 1")


@pytest.mark.parametrize("counted", [(2, 0), (0, 2)])
def test_a_post_whose_answer_was_lost_was_written_whole_or_not(counted):
    lost = refused(1, "b-in", "c-out", status=ANSWER_LOST)
    accepted, duplicates = counted
    again = taken(1, "b-in", "c-out", accepted=accepted, duplicates=duplicates)
    seen = replace(GOOD, tries=[GOOD.tries[0], lost, again])
    assert judge(seen).problems == []


def test_a_post_whose_answer_was_lost_and_that_was_written_in_part_is_noticed():
    lost = refused(1, "b-in", "c-out", status=ANSWER_LOST)
    again = taken(1, "b-in", "c-out", accepted=1, duplicates=1)
    seen = replace(GOOD, tries=[GOOD.tries[0], lost, again])
    assert problem(seen).startswith("half-written: post 1")


def test_a_post_that_was_only_refused_may_not_be_stored():
    seen = replace(GOOD, tries=[*GOOD.tries, refused(2, "d-in")], stored={"d-in"})
    assert problem(seen).startswith("refused, yet stored: post 2")


def test_a_post_whose_fate_the_answer_leaves_open_may_be_stored_and_sent():
    seen = replace(
        GOOD,
        tries=[*GOOD.tries, refused(2, "d-in", outcome="unknown")],
        arrivals=[*GOOD.arrivals, arrived("4", "d-in")],
        told=[*GOOD.told, told("4", "d-in")],
        stored={"d-in"},
    )
    assert judge(seen).problems == []


def test_a_call_that_was_only_refused_may_not_be_sent():
    seen = replace(
        GOOD,
        tries=[*GOOD.tries, refused(2, "d-in")],
        arrivals=[*GOOD.arrivals, arrived("4", "d-in")],
    )
    assert problem(seen) == "refused, yet sent: d-in at /fast"


def test_a_post_that_was_given_up_unanswered_is_stored_whole_or_not():
    lost = refused(2, "d-in", "e-in", status=ANSWER_LOST)
    seen = replace(GOOD, tries=[*GOOD.tries, lost])
    assert judge(replace(seen, stored={"d-in", "e-in"})).problems == []
    assert problem(replace(seen, stored={"d-in"})).startswith("half-written: post 2")


def test_a_503_without_retry_after_is_noticed():
    tries = [refused(0, "a-in", retry_after=""), *GOOD.tries]
    assert problem(replace(GOOD, tries=tries)) == "503 without Retry-After: post 0"


def test_an_answer_that_the_api_does_not_document_is_noticed():
    tries = [refused(0, "a-in", status=500), *GOOD.tries]
    assert problem(replace(GOOD, tries=tries)) == "status 500: post 0"


def test_many_problems_of_a_kind_are_told_in_short():
    seen = replace(GOOD, tries=[taken(0, *(f"u{n}-in" for n in range(20)))], told=[])
    verdict = judge(replace(seen, arrivals=[]))
    assert verdict.lost == 20
    assert verdict.problems[-1] == "lost: 15 more"
