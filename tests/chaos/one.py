"""One run, in a process of its own: `python -m tests.chaos.one FAULT WORK TEMPLATE`.

Writes WORK/result.json. SIGTERM ends it in order: all that it started is stopped.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import signal
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.machine import commit
from tests.chaos.checker import judge
from tests.chaos.registry import FAULTS
from tests.chaos.scene import RATE, Scene
from tests.chaos.timing import Times, held_up, quantile, times
from tests.chaos.values import CANNOT_RUN, Fault, Result
from tests.programs import NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.evidence import Evidence

# Below this share of idle time, what is late may be so for want of a processor.
BUSY: Final = 0.1


def main() -> None:
    """Exits with 0 whatever the run showed: that stands in the result."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _stop)
    fault = FAULTS[arguments.fault]
    began, at = time.monotonic(), dt.datetime.now(dt.UTC)
    scene = Scene(
        fault,
        arguments.work,
        arguments.template,
        quick=arguments.quick,
        rate=arguments.rate,
        times=arguments.times,
    )
    try:
        with scene:
            found = _run(fault, scene)
    except NotInstalledError as error:
        print(f"{fault.name}: {error}", file=sys.stderr)
        sys.exit(CANNOT_RUN)
    except Exception as error:
        # A run that breaks is a run that failed.
        traceback.print_exc()
        found = {"problems": [f"the run broke: {type(error).__name__}: {error}"]}
    result = Result(
        fault=fault.name,
        database=fault.database,
        commit=commit(),
        at=at.isoformat(timespec="seconds"),
        quick=arguments.quick,
        times=arguments.times,
        took=round(time.monotonic() - began, 1),
        crashes=scene.crashes,
        notes=scene.notes,
        phases=scene.phases,
        **found,
    )
    (arguments.work / "result.json").write_text(json.dumps(result.line()))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("work", type=Path)
    parser.add_argument("template", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--times", type=int, default=1)
    return parser.parse_args()


def _run(fault: Fault, scene: Scene) -> dict[str, Any]:
    evidence = scene.play()
    verdict = judge(evidence)
    took = times(evidence, scene.strikes)
    problems = [*verdict.problems, *scene.problems, *scene.balance(evidence)]
    late = list(_late(fault, took))
    idle = min(strike.idle for strike in scene.strikes)
    if idle < BUSY:
        scene.notes += [f"not judged, for the machine was busy: {one}" for one in late]
    else:
        problems += late
    if not verdict.accepted:
        problems.append("no load: not one call was answered 202")
    return {
        "accepted": verdict.accepted,
        "delivered": verdict.delivered,
        "duplicates": verdict.duplicates,
        "lost": verdict.lost,
        "recover": [round(seconds, 2) for seconds in took.recover],
        "delay_p50": _rounded(quantile(0.5, took.delays)),
        "delay_p95": _rounded(quantile(0.95, took.delays)),
        "answer_p95": _rounded(quantile(0.95, took.answers)),
        "answers": _answers(evidence),
        "idle": _rounded(idle),
        "problems": problems,
    }


def _late(fault: Fault, took: Times) -> Iterator[str]:
    if late := held_up(fault.hurries, took.delays, took.delays_before):
        yield f"held up: 95 % of the calls took up to {late:.1f} s"
    if late := held_up(fault.answers, took.answers, took.answers_before):
        yield f"PBX held up: 95 % of the posts took up to {late:.1f} s"


def _answers(evidence: Evidence) -> dict[str, int]:
    """How often the PBX got which answer; evidence.Try says what 0 and -1 are."""
    counts = Counter(str(one.status) for one in evidence.tries)
    return dict(sorted(counts.items()))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _stop(*_: object) -> None:
    """Once: whatever comes while everything is being stopped must not stop that."""
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, signal.SIG_IGN)
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
