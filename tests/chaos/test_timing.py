"""How long recovering took, from what PBX and receivers noted."""

from tests.chaos.evidence import Arrival, Evidence, Hook, Try
from tests.chaos.timing import Strike, held_up, quantile, times

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
    took = times(evidence(("a", 1, 9), ("b", 2, 14), ("c", 12, 99)), [Strike(0, 10)])
    assert took.recover == [4]


def test_each_time_has_the_calls_that_were_accepted_since_the_time_before():
    seen = evidence(("a", 1, 9), ("b", 2, 14), ("c", 12, 33), ("d", 31, 99))
    took = times(seen, [Strike(0, 10), Strike(20, 30)])
    assert took.recover == [4, 3]


def test_it_took_no_time_where_all_was_there_already():
    assert times(evidence(("a", 1, 2)), [Strike(0, 10)]).recover == [0]


def test_only_webhooks_that_are_prompt_count():
    took = times(evidence(("a", 1, 9), path="/batch"), [Strike(0, 5)])
    assert (took.recover, quantile(0.5, took.delays)) == ([], None)


def test_a_delay_runs_from_the_202_and_an_answer_from_the_post():
    took = times(evidence(("a", 1, 2), ("b", 1, 4), ("c", 1, 11)), [Strike(0, 20)])
    assert (took.delays, took.answers) == ([1, 3, 10], [0.5, 0.5, 0.5])


def test_only_what_was_there_before_the_fault_tells_how_slow_the_machine_is():
    took = times(evidence(("a", 1, 3), ("b", 4, 6), ("c", 7, 8)), [Strike(5, 9)])
    assert (took.delays_before, took.answers_before) == ([2], [0.5, 0.5])


def test_a_twentieth_of_the_calls_may_take_longer():
    assert held_up(5, [0.1] * 96 + [60.0] * 4, []) is None
    assert held_up(5, [0.1] * 90 + [60.0] * 10, []) == 60


def test_what_was_slow_before_is_not_held_up_by_the_fault():
    assert held_up(5, [8.0] * 20, [3.0] * 20) is None
    assert held_up(5, [8.0] * 20, [2.0] * 20) == 8


def test_where_the_fault_itself_holds_calls_up_nothing_is_asked():
    assert held_up(None, [60.0], []) is None
