"""The page on which a source's mapping is edited, and tried on a pasted sample.

A form that the server renders: it works without a script. Only saving writes anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from dispatcher.adapters.cdr_paths import PATHS, kind_of
from dispatcher.adapters.formats import FORMATS
from dispatcher.adapters.generic_file import MappedFile
from dispatcher.adapters.mapping import BODIES, DELIMITERS, ENCODINGS, judge, merged
from dispatcher.adapters.mapping_conversions import CONVERSIONS
from dispatcher.adapters.mapping_presets import PRESETS
from dispatcher.admin import mapping_form as forms
from dispatcher.admin.mapping_preview import MAX_SAMPLE_CHARS, Preview, preview
from dispatcher.admin.readonly import page_of
from dispatcher.pipeline import sources
from dispatcher.pipeline.ingest import rules_of

if TYPE_CHECKING:
    from uuid import UUID

    from dispatcher.admin.unfolded import ModelAdmin
    from dispatcher.models import Source
    from dispatcher.values import FieldError

TEMPLATE: Final = "admin/dispatcher/source/mapping.html"
BODY_LABELS: Final = {
    "auto": "found out from what comes",
    "json": "JSON",
    "csv": "CSV",
    "form": "form",
}
SAVE, PREVIEW, START = "save", "preview", "start"


def is_mapped(source: Source) -> bool:
    """Whether what its PBX sends is read by a mapping."""
    return source.pbx == "generic" or isinstance(_format(source), MappedFile)


def mapping_url(source: Source) -> str:
    """The page's address; "" for a source that has no use for a mapping."""
    name = "admin:dispatcher_source_mapping"
    return reverse(name, args=[source.pk]) if is_mapped(source) else ""


def _format(source: Source) -> object:
    return FORMATS.get(source.file_format) or FORMATS.get(source.pbx)


def _preset(source: Source) -> str:
    """The preset that holds where the source's mapping says nothing."""
    found = _format(source)
    return found.preset if isinstance(found, MappedFile) else ""


def pattern(model_admin: ModelAdmin) -> URLPattern:
    """The page's address, below that of its source."""

    def view(request: HttpRequest, source_id: UUID) -> HttpResponse:
        if not model_admin.has_view_permission(request):
            raise PermissionDenied
        source = model_admin.get_object(request, str(source_id))
        if source is None:
            return HttpResponseRedirect(reverse("admin:dispatcher_source_changelist"))
        if request.method != "POST":
            return _shown(request, model_admin, source)
        if not model_admin.has_change_permission(request, source):
            raise PermissionDenied
        return _asked(request, model_admin, source)

    return path(
        "<uuid:source_id>/mapping/",
        model_admin.admin_site.admin_view(view),
        name="dispatcher_source_mapping",
    )


def _shown(
    request: HttpRequest, model_admin: ModelAdmin, source: Source
) -> HttpResponse:
    """The mapping as it is stored, with what a preset says beside it."""
    whole = merged(source.mapping or {}, preset=_preset(source))
    rows = forms.rows_of(whole)
    return _page(request, model_admin, source, rows, forms.settings_of(whole))


def _asked(
    request: HttpRequest, model_admin: ModelAdmin, source: Source
) -> HttpResponse:
    """What a button asks for."""
    step, name = request.POST.get("step"), request.POST.get("preset", "")
    sample = request.POST.get("sample", "")[: MAX_SAMPLE_CHARS + 1]
    if step == START:
        whole = PRESETS[name].mapping if name in PRESETS else {}
        rows, settings = forms.rows_of(whole), forms.settings_of(whole)
        return _page(
            request, model_admin, source, rows, settings, sample=sample, preset=name
        )
    rows = forms.form_rows(request.POST)
    mapping = forms.mapping_of(request.POST, rows)
    left = forms.placed(rows, judge(mapping, preset=_preset(source)))
    wrong = bool(left) or any(row.errors for row in rows)
    if step == SAVE and not wrong:
        return _save(request, source, mapping)
    found = None
    if step == PREVIEW and not wrong:
        rules = rules_of(source, source.tenant)
        found = preview(sample, mapping, rules, preset=_preset(source))
    settings = _as_sent(request)
    return _page(
        request,
        model_admin,
        source,
        rows,
        settings,
        sample=sample,
        found=found,
        errors=left,
        wrong=wrong,
    )


def _as_sent(request: HttpRequest) -> dict[str, Any]:
    """The settings as somebody wrote them, right or wrong."""
    plain = forms.settings_of({})
    sent = {name: request.POST.get(name, value) for name, value in plain.items()}
    return {**sent, "header": "header" in request.POST}


def _save(
    request: HttpRequest, source: Source, mapping: dict[str, Any]
) -> HttpResponse:
    source.mapping = mapping
    sources.save(source, now=timezone.now(), columns=("mapping",))
    messages.success(request, "The mapping is saved: the next record is read by it.")
    return HttpResponseRedirect(
        reverse("admin:dispatcher_source_mapping", args=[source.pk])
    )


def _page(
    request: HttpRequest,
    model_admin: ModelAdmin,
    source: Source,
    rows: list[forms.Row],
    settings: dict[str, Any],
    *,
    sample: str = "",
    found: Preview | None = None,
    errors: list[FieldError] | None = None,
    wrong: bool = False,
    preset: str = "",
) -> HttpResponse:
    context: dict[str, Any] = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "media": model_admin.media,
        "title": f"Mapping of {source}",
        "source": source,
        "list_url": reverse("admin:dispatcher_source_changelist"),
        "source_page": page_of(source),
        "may_change": model_admin.has_change_permission(request, source),
        "is_mapped": is_mapped(source),
        "is_own": not rows,
        "rows": [*rows, *(forms.Row() for _ in range(forms.NEW_ROWS))],
        "settings": settings,
        "sample": sample,
        "found": found,
        "errors": errors or [],
        "wrong": wrong,
        "preset": preset or _preset(source),
        "note": PRESETS[preset].note if preset in PRESETS else "",
        **_choices(),
    }
    return TemplateResponse(request, TEMPLATE, context)


def _choices() -> dict[str, Any]:
    """What may be chosen."""
    return {
        "presets": [(name, one.label, one.note) for name, one in PRESETS.items()],
        "paths": [(one, kind_of(one)) for one in (*PATHS, "extra.", "tags.")],
        "ways": [
            ("", "as usual for the field"),
            *((one.name, one.label) for one in CONVERSIONS.values()),
            (forms.CONSTANT, "always this value"),
        ],
        "bodies": [(body, BODY_LABELS[body]) for body in BODIES],
        "delimiters": [forms.TABS.get(sign, sign) for sign in DELIMITERS],
        "encodings": ENCODINGS,
        "quotes": [('"', '"'), ("", "nothing")],
        "max_sample": f"{MAX_SAMPLE_CHARS:,}",
    }
