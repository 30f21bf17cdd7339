"""What the demo keeps from one start to the next, in demo.json of its data folder.

Holds the admin's password, the token and the secrets: a file of mode 0600.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cdrhook.supervisor.folder import write_private

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "demo.json"
ADMIN: Final = "admin"


@dataclass(slots=True)
class Kept:
    """What was made for one style.

    `tokens`: tenant -> the token to hand its calls over with. `webhooks`: name of a
    receiver -> {"id", "secret", "token"} of its webhook, the token being the owner's.
    """

    tokens: dict[str, str]
    webhooks: dict[str, dict[str, str]]

    @property
    def secrets(self) -> dict[str, str]:
        """The signing secret of each webhook."""
        return {name: one["secret"] for name, one in self.webhooks.items()}


@dataclass(slots=True)
class Memory:
    """`styles`: payload style -> what was made for it; `ports`: of the receivers."""

    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    ports: dict[str, int] = field(default_factory=dict)
    styles: dict[str, Kept] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Memory:
        """What was kept, else a new one; ValueError where the file is damaged."""
        try:
            return cls._of(json.loads((folder / FILE_NAME).read_text()))
        except FileNotFoundError:
            return cls()
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder / FILE_NAME} is damaged: {error}") from error

    def save(self, folder: Path) -> None:
        """Keeps it."""
        write_private(folder / FILE_NAME, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def _of(cls, kept: dict[str, Any]) -> Memory:
        styles = {name: Kept(**one) for name, one in kept.pop("styles", {}).items()}
        # Until there were four styles, one token and three webhooks served them all.
        token, webhooks = kept.pop("token", ""), kept.pop("webhooks", {})
        if token:
            webhooks = {name: {**one, "token": token} for name, one in webhooks.items()}
            styles["envelope"] = Kept({"demo": token}, webhooks)
        return cls(**kept, styles=styles)
