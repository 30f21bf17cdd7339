"""What a browser may do with our answers: the headers that limit scripts, frames, devices.

No inline script anywhere. The admin's pages let Alpine, which unfold is built on, make
functions of the expressions in their attributes ('unsafe-eval'); no other page may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from csp.constants import UNSAFE_EVAL
from csp.middleware import CSPMiddleware

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

ADMIN: Final = "/admin/"
# Nothing here uses any of them.
PERMISSIONS: Final = ", ".join(
    f"{name}=()"
    for name in (
        "camera",
        "display-capture",
        "geolocation",
        "microphone",
        "payment",
        "usb",
    )
)


class PolicyMiddleware(CSPMiddleware):
    """Content-Security-Policy by path, and Permissions-Policy."""

    def get_policy_parts(
        self,
        request: HttpRequest,
        response: HttpResponseBase,
        report_only: bool = False,
    ) -> Any:
        """The policy of the settings; for the admin with what Alpine needs."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path.startswith(ADMIN):
            parts.update = {**(parts.update or {}), "script-src": [UNSAFE_EVAL]}
        return parts

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Adds both headers."""
        response.headers["Permissions-Policy"] = PERMISSIONS
        return super().process_response(request, response)
