"""What the API tells of a run, asked as any client asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests

from tests.chaos.evidence import Hook, Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PAGE: Final = 200
ANSWER_SECONDS: Final = 30.0
# Calls that are looked up one by one; more would only say the same.
MOST_LOOKED_UP: Final = 500


class Api:
    """`url` of a web server, and a token of every scope."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def close(self) -> None:
        """Drops its connections."""
        self._session.close()

    def send(self, method: str, path: str, body: Mapping[str, Any]) -> Any:
        """Changes something; the answer's JSON. Raises AssertionError."""
        answer = self._session.request(
            method, self._url + path, json=body, timeout=ANSWER_SECONDS
        )
        assert answer.status_code in (200, 201, 202), answer.text
        return answer.json()

    def _get(self, path: str, **query: Any) -> requests.Response:
        return self._session.get(self._url + path, params=query, timeout=ANSWER_SECONDS)

    def told(self, hook: Hook) -> Iterator[Told]:
        """All deliveries of a webhook."""
        cursor: dict[str, str] = {}
        while True:
            answer = self._get(
                "/api/v1/deliveries", webhook=hook.id, limit=PAGE, **cursor
            )
            assert answer.status_code == 200, answer.text
            page = answer.json()
            yield from map(_told, page["items"])
            if page["next"] is None:
                return
            cursor = {"cursor": page["next"]}

    def is_waiting(self, hook: Hook) -> bool:
        """Whether any delivery of it is pending or held."""
        answer = self._get(
            "/api/v1/deliveries", webhook=hook.id, limit=1, state=["pending", "held"]
        )
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["items"])

    def fates(self, missing: Sequence[tuple[Hook, str]]) -> dict[tuple[str, str], str]:
        """(webhook, uid) -> why no delivery carries a call that the webhook is owed."""
        found = {}
        for hook, uid in missing[:MOST_LOOKED_UP]:
            answer = self._get(f"/api/v1/cdrs/{uid}")
            if answer.status_code != 200:
                continue
            for fate in answer.json()["webhooks"]:
                owed = not fate["deliveries"] and fate["kept_out_by"] is None
                if fate["webhook"] == hook.id and owed and fate["reason"]:
                    found[hook.id, uid] = fate["reason"]
        return found

    def stored(self, uids: Iterable[str]) -> set[str]:
        """Those that the API knows."""
        statuses = {uid: self._get(f"/api/v1/cdrs/{uid}").status_code for uid in uids}
        assert set(statuses.values()) <= {200, 404}, "a call could not be looked up"
        return {uid for uid, status in statuses.items() if status == 200}


def _told(item: Mapping[str, Any]) -> Told:
    last = item["attempts"][-1] if item["attempts"] else {}
    reason = " ".join(filter(None, (last.get("error_class"), last.get("error"))))
    return Told(
        id=item["id"],
        webhook=item["webhook"],
        state=item["state"],
        uids=tuple(item["cdrs"]),
        reason=reason,
    )
