"""What a delivery costs, and how long the admin's list takes, over tables of any size."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks import fill, many, pages
from benchmarks.new import drain_new
from benchmarks.stage import DATABASE
from benchmarks.values import Goal, Measured, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.test import Client

    from benchmarks.nginx import Nginx
    from benchmarks.stage import Stage
    from dispatcher.models import Tenant, Webhook

SIZES: Final[Mapping[str, int]] = {"10k": 10_000, "1m": 1_000_000, "5m": 5_000_000}
QUICK_SIZES: Final[Mapping[str, int]] = {"10k": 1_000, "5m": 3_000}
LARGEST: Final = "5m"
DELIVERIES: Final = 15_000
QUICK_DELIVERIES: Final = 500
ROUNDS: Final = 3
WEBHOOKS: Final = 20
# Of the calls, those that wait for a webhook that is off; and the oldest, all that a
# quiet tenant ever got.
HELD: Final = 1 / 100
QUIET: Final = 1_000


def run(stage: Stage, quick: bool) -> Measured:
    """Rounds take turns over a database of each size; then the admin over the largest."""
    measured = Measured()
    sizes = QUICK_SIZES if quick else SIZES
    deliveries = QUICK_DELIVERIES if quick else DELIVERIES
    with stage.nginx() as nginx:
        _prepare(stage, nginx, sizes)
        for number in range(1 if quick else ROUNDS):
            figures: dict[str, float] = {}
            # Each is the first once: what the machine does meanwhile favours none.
            for size in _from(number, list(sizes)):
                _rename(stage, _named(size), DATABASE)
                drained = drain_new(
                    stage, nginx, measured, deliveries, name=f"new-{number}"
                )
                _rename(stage, DATABASE, _named(size))
                figures |= {f"{name}_{size}": told for name, told in drained.items()}
            measured.add(**figures)
    for name in ("rate", "cost_ms"):
        _compare(measured, name, sizes)
    _rename(stage, _named(LARGEST), DATABASE)
    _look(measured, quick=quick)
    return measured


def _from(start: int, names: Sequence[str]) -> list[str]:
    start %= len(names)
    return [*names[start:], *names[:start]]


def _prepare(stage: Stage, nginx: Nginx, sizes: Mapping[str, int]) -> None:
    """A database a size, with the same webhooks."""
    acme, globex, quiet = (fill.tenant(name) for name in ("acme", "globex", "quiet"))
    webhooks = [
        _webhook(acme, nginx.url(f"w/{index}"), fill.number(index))
        for index in range(WEBHOOKS)
    ]
    webhooks.append(_webhook(globex, nginx.url("globex"), "none"))
    silent = _webhook(quiet, nginx.url("quiet"), "none")
    off = _webhook(acme, nginx.url("off"), "none", active=False)
    for size, count in sizes.items():
        stage.keep(_named(size))
        calls = many.Many(
            count,
            webhooks,
            waiting=off,
            waiting_calls=int(count * HELD),
            quiet=silent,
            quiet_calls=min(QUIET, count // 10),
        )
        began = time.monotonic()
        many.fill(stage, calls, _named(size))
        print(f"  {size}: filled in {time.monotonic() - began:.0f} s", flush=True)
    _rename(stage, DATABASE, "empty")


def _webhook(owner: Tenant, url: str, only: str, **settings: Any) -> Webhook:
    return fill.webhook(
        owner, url, only=only, lane="fast", quick_answers=1000, answer_ms=1, **settings
    )


def _named(size: str) -> str:
    return f"with_{size}"


def _rename(stage: Stage, name: str, to: str) -> None:
    """What is called DATABASE is used."""
    stage.leave_database()
    stage.flush_broker()
    stage.sql(f"ALTER DATABASE {name} RENAME TO {to}", database="postgres")


def _compare(measured: Measured, name: str, sizes: Mapping[str, int]) -> None:
    """Of the medians of each size, the greatest over the smallest."""
    medians = [measured.median_of(f"{name}_{size}") for size in sizes]
    for size, value in zip(sizes, medians, strict=True):
        measured.figures[f"{name}_{size}"] = value
    measured.figures[f"{name}_ratio"] = max(medians) / min(medians)


def _look(measured: Measured, *, quick: bool) -> None:
    """The slowest page of the admin's list, for an operator and for members."""
    from dispatcher.models import Tenant

    fill.accept(
        Tenant.objects.get(external_id="acme"),
        (fill.call(f"waits-{n}", fill.number(n % WEBHOOKS)) for n in range(WEBHOOKS)),
    )
    everything = pages.addresses()
    for name, browser in _browsers().items():
        took = {
            address: pages.took_ms(browser, address)
            for address in (everything[:5] if quick else everything)
        }
        slowest = max(took, key=lambda address: took[address])
        measured.figures[f"page_ms_{name}"] = took[slowest]
        measured.figures[f"median_page_ms_{name}"] = median(took.values())
        query = slowest.partition("?")[2] or "no filter"
        measured.notes.append(
            f"{name}: the slowest of {len(took)} pages is that of {query}"
        )
    measured.check(True, "every page of the admin's list was answered with 200")


def _browsers() -> dict[str, Client]:
    from dispatcher.models import Tenant

    tenants = {tenant.external_id: tenant for tenant in Tenant.objects.all()}
    return {
        "operator": pages.operator(),
        "member": pages.member(tenants["acme"]),
        "quiet": pages.member(tenants["quiet"]),
    }


ROW: Final = Row(
    name="sizes",
    title="Cost of a delivery with 10 k, 1 M and 5 M rows in the tables; the admin at 5 M",
    goals=(
        Goal("cost_ms_ratio", "dearest to cheapest", 1.15, 1.05, at_most=True),
        Goal("rate_ratio", "fastest to slowest", 1.15, 1.05, at_most=True),
        *(Goal(f"cost_ms_{size}", "ms of CPU", at_most=True) for size in SIZES),
        *(Goal(f"rate_{size}", "deliveries/s") for size in SIZES),
        Goal("page_ms_operator", "ms", 300, 100, at_most=True),
        Goal("page_ms_member", "ms", 300, 100, at_most=True),
        Goal("page_ms_quiet", "ms", 300, 100, at_most=True),
        *(
            Goal(f"median_page_ms_{name}", "ms", at_most=True)
            for name in ("operator", "member", "quiet")
        ),
    ),
    run=run,
    seconds=480,
    # A vacuum would come at different times to tables of different sizes.
    postgres=(*many.POSTGRES_OPTIONS, "autovacuum=off"),
)
