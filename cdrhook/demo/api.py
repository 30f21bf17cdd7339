"""The demo's client of cdrhook's HTTP interface: just what the demo asks."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from cdrhook.demo.records import Record


class RefusedError(Exception):
    """cdrhook answered with another status than it should have."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status = status


class Api:
    """Requests to 127.0.0.1:`port` with a bearer token. OSError while it is away."""

    def __init__(self, port: int, tenant: str, token: str) -> None:
        self._port, self._tenant, self._token = port, tenant, token

    def hand_over(self, record: Record) -> dict[str, int]:
        """Does what FreeSWITCH does at the end of a call; what became of it."""
        path = f"/ingest/freeswitch/{self._tenant}?uuid={record.uuid}"
        answer: dict[str, int] = self._ask(
            "POST", path, record.body, record.content_type
        )
        return answer

    def deliveries_since(self, since: str) -> list[dict[str, Any]]:
        """The newest deliveries made since an ISO 8601 time, oldest first."""
        query = urlencode({"since": since, "limit": 200})
        page = self._ask("GET", f"/api/v1/deliveries?{query}")
        return list(reversed(page["items"]))

    def webhook(self, webhook_id: str) -> dict[str, Any]:
        """A webhook's settings."""
        answer: dict[str, Any] = self._ask("GET", f"/api/v1/webhooks/{webhook_id}")
        return answer

    def change_webhook(self, webhook_id: str, **settings: Any) -> None:
        """Changes some of a webhook's settings."""
        body = json.dumps(settings).encode()
        self._ask("PATCH", f"/api/v1/webhooks/{webhook_id}", body)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
    ) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10.0)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": content_type,
        }
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
