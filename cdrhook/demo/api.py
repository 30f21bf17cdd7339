"""The demo's client of cdrhook's HTTP interface: just what the demo asks."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from cdrhook.demo.calls import Call
    from cdrhook.demo.memory import Kept

# Of each webhook; what is older has long been shown.
_NEWEST: Final = 60


class RefusedError(Exception):
    """cdrhook answered with another status than it should have."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status = status


class Api:
    """Requests to 127.0.0.1:`port` with the tokens of one style's owners.

    Webhooks are called by the name of their receiver. OSError while cdrhook is away.
    """

    def __init__(self, port: int, kept: Kept) -> None:
        self._port, self._kept = port, kept

    def hand_over(self, call: Call) -> dict[str, Any]:
        """Does what a PBX does at the end of a call; what became of it."""
        answer: dict[str, Any] = self._ask(
            self._kept.tokens[call.tenant],
            *("POST", call.path, call.body, call.content_type),
        )
        return answer

    def deliveries_since(self, since: str) -> list[tuple[str, dict[str, Any]]]:
        """The newest deliveries made since an ISO 8601 time, with their receivers' names.

        Oldest first.
        """
        found = []
        for name, one in self._kept.webhooks.items():
            query = urlencode({"webhook": one["id"], "since": since, "limit": _NEWEST})
            page = self._ask(one["token"], "GET", f"/api/v1/deliveries?{query}")
            found += [(name, delivery) for delivery in page["items"]]
        # Ids are made in the order of time.
        return sorted(found, key=lambda entry: entry[1]["id"])

    def get(self, name: str, path: str) -> Any:
        """What a path answers to the owner of a webhook."""
        return self._ask(self._kept.webhooks[name]["token"], "GET", path)

    def webhook(self, name: str) -> dict[str, Any]:
        """A webhook's settings."""
        answer: dict[str, Any] = self.get(name, self._path_of(name))
        return answer

    def change_webhook(self, name: str, **settings: Any) -> None:
        """Changes some of a webhook's settings."""
        token = self._kept.webhooks[name]["token"]
        self._ask(token, "PATCH", self._path_of(name), json.dumps(settings).encode())

    def _path_of(self, name: str) -> str:
        return f"/api/v1/webhooks/{self._kept.webhooks[name]['id']}"

    def _ask(
        self,
        token: str,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10.0)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content_type}
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except http.client.HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()
        if response.status not in (200, 202):
            raise RefusedError(response.status, text)
        return json.loads(text)
