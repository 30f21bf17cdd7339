"""How a source's PBX is told where to post: texts to paste, from templates/connect/.

A template is plain text in which url, token, tenant and source are filled in, and
login_url: the URL with the token in it, for what can be told nothing but a URL. A line
`=== Title` begins another text to paste; what stands before the first is one as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from django.template import Context, TemplateDoesNotExist
from django.template.loader import get_template

# What stands where the token will be, until one is made.
PLACEHOLDER: Final = "TOKEN"
_TITLE: Final = "=== "
# PBXs that hand over as another kind, and have a text of their own.
VARIANTS: Final = MappingProxyType({"freeswitch": ("freeswitch", "fusionpbx")})


@dataclass(frozen=True, slots=True)
class Piece:
    """One text to paste, and what it is for; `title` may be empty."""

    title: str
    text: str


def pieces(pbx: str, *, url: str, token: str, tenant: str, source: str) -> list[Piece]:
    """What to paste for a kind of PBX, filled in; [] where nothing is known of it.

    Plain text, which templates escape.
    """
    values = {
        "url": url,
        "login_url": url.replace("://", f"://cdrhook:{token}@", 1),
        "token": token,
        "tenant": tenant,
        "source": source,
    }
    return [
        piece
        for name in VARIANTS.get(pbx, (pbx,))
        for piece in _split(_filled_in(name, values))
    ]


def _filled_in(name: str, values: dict[str, str]) -> str:
    try:
        template = get_template(f"connect/{name}.txt").template  # type: ignore[attr-defined]  # Django's own engine
    except TemplateDoesNotExist:
        return ""
    # As text: what is filled in has no character that any of the formats minds.
    return str(template.render(Context(values, autoescape=False)))


def _split(text: str) -> list[Piece]:
    found: list[Piece] = []
    title, lines = "", list[str]()
    for line in [*text.splitlines(), _TITLE]:
        if not line.startswith(_TITLE.strip()):
            lines.append(line)
            continue
        if body := "\n".join(lines).strip("\n"):
            found.append(Piece(title, body))
        title, lines = line.removeprefix(_TITLE.strip()).strip(" ="), []
    return found
