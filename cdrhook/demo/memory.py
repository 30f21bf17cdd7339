"""What the demo keeps from one start to the next, in demo.json of its data folder.

Holds the admin's password, the token and the secrets: a file of mode 0600.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Final

from cdrhook.supervisor.folder import write_private

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "demo.json"
ADMIN: Final = "admin"
TENANT: Final = "demo"


@dataclass(slots=True)
class Memory:
    """`webhooks`: name -> {"id", "secret"}; empty until they are made."""

    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    token: str = ""
    webhooks: dict[str, dict[str, str]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Memory:
        """What was kept, else a new one; ValueError where the file is damaged."""
        try:
            return cls(**json.loads((folder / FILE_NAME).read_text()))
        except FileNotFoundError:
            return cls()
        except (TypeError, ValueError) as error:
            raise ValueError(f"{folder / FILE_NAME} is damaged: {error}") from error

    def save(self, folder: Path) -> None:
        """Keeps it."""
        write_private(folder / FILE_NAME, json.dumps(asdict(self), indent=1) + "\n")

    def forget_webhooks(self) -> None:
        """For when the database is another one."""
        self.token, self.webhooks = "", {}

    @property
    def secrets(self) -> dict[str, str]:
        """The signing secret of each webhook."""
        return {name: one["secret"] for name, one in self.webhooks.items()}

    def name_of(self, webhook_id: str) -> str:
        """The webhook's name in the demo."""
        for name, one in self.webhooks.items():
            if one["id"] == webhook_id:
                return name
        return webhook_id[:8]
