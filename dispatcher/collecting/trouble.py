"""Why nothing can be fetched from a PBX."""

from __future__ import annotations


class Trouble(Exception):  # noqa: N818  it is a state, which may end by itself
    """A connection that cannot be made, or has broken.

    `reason` is a sentence for the source's page and holds no secret; `detail` is for
    the operator's log.
    """

    def __init__(self, reason: str, detail: object = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = " ".join(str(detail).split())[:300]
