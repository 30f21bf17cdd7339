"""Whose things a user of the admin sees, and what may be done with them.

Operators (superusers) see and change everything. Members see what their membership's
owner has: a partner's its own things and its tenants', a tenant's its own. An
administrator changes some of it, a viewer nothing (webex.txt: "You must be a full
administrator to set up a webhook"; thehub.txt: "Only Admin User can access these
Integration Settings"). Any other user sees nothing. Django's permissions are not asked:
they know no owners.

A page says by which paths its rows lead to their owners, and what administrators may do:

    class PlanAdmin(ScopedAdmin, ModelAdmin):
        tenant_path = "tenant"          # "pk" where the row is the tenant itself
        partner_path = "partner"        # left out where a partner owns none directly
        administrators_may = frozenset({"add", "change", "delete"})

ReadOnlyAdmin is a ScopedAdmin already. Every page that says nothing is the operators'
alone: the site sees to that when it is registered. Rows of others are not in a page's
queryset, so that Django answers for them as for rows that there are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final
from uuid import UUID

from django.contrib.admin import ModelAdmin as DjangoModelAdmin
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import BadRequest, FieldDoesNotExist
from django.db.models import BinaryField, ForeignKey, Model, Q, UUIDField

from dispatcher.admin.audited import AuditedAdmin
from dispatcher.models import Membership, Partner, Tenant
from dispatcher.models.encryption import EncryptedTextField

if TYPE_CHECKING:
    from django import forms
    from django.db.models import QuerySet
    from django.http import HttpRequest, HttpResponse

    from dispatcher.admin.unfolded import TabularInline

    OwnedFormBase = forms.ModelForm[Any]
else:
    TabularInline = OwnedFormBase = object

NOTHING: Final = Q(pk__in=())
# What stands in a history for users whose names are not for the reader.
SOMEBODY: Final = "somebody else"


@dataclass(frozen=True, slots=True)
class Scope:
    """An operator's, or that of one owner's members; as it comes: nobody's."""

    operator: bool = False
    tenant: Tenant | None = None
    partner: Partner | None = None
    administrator: bool = False

    @property
    def anybody(self) -> bool:
        """True if there is anything that this user may see."""
        return self.operator or self.tenant is not None or self.partner is not None

    def rows(self, tenant_path: str = "", partner_path: str = "") -> Q:
        """The condition that holds for rows in this scope.

        The paths lead from a row to its tenant and its partner; an empty one: its kind
        of owner has none of these rows.
        """
        if self.operator:
            return Q()
        condition = NOTHING
        if self.tenant is not None and tenant_path:
            condition |= Q(**{tenant_path: self.tenant.pk})
        if self.partner is not None and tenant_path:
            condition |= Q(**{_partner_of(tenant_path): self.partner.pk})
        if self.partner is not None and partner_path:
            condition |= Q(**{partner_path: self.partner.pk})
        return condition

    def tenants(self) -> QuerySet[Tenant]:
        """The tenants in it."""
        return Tenant.objects.filter(self.rows("pk"))


def _partner_of(tenant_path: str) -> str:
    return "partner" if tenant_path == "pk" else f"{tenant_path}__partner"


OPERATOR: Final = Scope(operator=True)
NOBODY: Final = Scope()


def scope_of(request: HttpRequest) -> Scope:
    """The scope of the user who asks, read once a request."""
    user = request.user
    known: tuple[object, Scope] | None = getattr(request, "_cdrhook_scope", None)
    if known is None or known[0] != user.pk:
        known = (user.pk, scope_of_user(user))
        request._cdrhook_scope = known  # type: ignore[attr-defined]  # a cache of our own
    return known[1]


def scope_of_user(user: AbstractBaseUser | AnonymousUser) -> Scope:
    """What a user may see: by superuser status, else by membership."""
    if not user.is_active:
        return NOBODY
    if getattr(user, "is_superuser", False):
        return OPERATOR
    memberships = Membership.objects.select_related("tenant", "partner")
    membership = memberships.filter(user=user.pk).first()
    if membership is None:
        return NOBODY
    return Scope(
        tenant=membership.tenant,
        partner=membership.partner,
        administrator=membership.role == Membership.ADMINISTRATOR,
    )


# Pages ------------------------------------------------------------------------------


def as_uuid(text: str) -> UUID | None:
    """The id that a text spells, or None."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _keys(model: type[Model]) -> set[str]:
    """The fields of a model that hold the UUID of another row."""
    return {
        field.name
        for field in model._meta.fields
        if isinstance(field, ForeignKey) and isinstance(field.target_field, UUIDField)
    }


_ASKED: Final = frozenset({"exact", "isnull", "gt", "gte", "lt", "lte", "in"})


def _may_be_asked(model: type[Model], lookup: str) -> bool:
    """Whether it is a field, or of others, that is not secret, with a simple lookup."""
    here: Any = model
    field: Any = None
    for part in lookup.split("__"):
        try:
            field = here._meta.get_field(part) if here is not None else None
        except FieldDoesNotExist:
            field = None
        if field is None:
            # A lookup, or a parameter of one of the page's own filters.
            return part in _ASKED or part == lookup
        if isinstance(field, EncryptedTextField | BinaryField):
            return False
        here = field.related_model
    return True


def _leads_back(model: type[Model], lookup: str) -> bool:
    """Whether it begins with rows that refer to the model's."""
    try:
        return not model._meta.get_field(lookup.partition("__")[0]).concrete
    except FieldDoesNotExist:
        return False


class ScopedAdmin(AuditedAdmin):
    """Limits a page to what is in the user's scope; see the top of this module."""

    tenant_path: ClassVar[str] = ""
    partner_path: ClassVar[str] = ""
    # Of add, change, delete, and of the page's own words for its actions.
    administrators_may: ClassVar[frozenset[str]] = frozenset()

    def may(self, request: HttpRequest, verb: str) -> bool:
        """Whether the user may `view`, `add`, .. some rows here; get_queryset says which."""
        scope = scope_of(request)
        if scope.operator:
            return True
        if not self._has_rows_in(scope):
            return False
        return verb == "view" or (
            scope.administrator and verb in self.administrators_may
        )

    def _has_rows_in(self, scope: Scope) -> bool:
        if scope.tenant is not None:
            return bool(self.tenant_path)
        return scope.partner is not None and bool(self.tenant_path or self.partner_path)

    # What is shown -------------------------------------------------------------------

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """What the address of a list may ask for: no patterns, and nothing encrypted.

        A pattern can hang SQLite, and with it the process; texts that are searched by
        their beginning tell what no page shows. Rows that refer to the page's may be of
        somebody else, and so may those that it refers to, where the user has no page of
        them: only operators ask for these.
        """
        if not (scope_of(request).operator or self._leads_to_own(request, lookup)):
            return False
        return _may_be_asked(self.model, lookup) and super().lookup_allowed(
            lookup, value, request
        )

    def _leads_to_own(self, request: HttpRequest, lookup: str) -> bool:
        if _leads_back(self.model, lookup):
            return False
        name = lookup.partition("__")[0]
        field = next((one for one in self.opts.fields if one.name == name), None)
        if not isinstance(field, ForeignKey):
            return True
        page = self.admin_site._registry.get(field.related_model)
        return isinstance(page, ScopedAdmin) and page.may(request, "view")

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """As Django, which fails at a name by which other rows refer to the page's."""
        return not _leads_back(self.model, to_field) and super().to_field_allowed(
            request, to_field
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the address proposes for a new row, without ids that are none."""
        proposed = super().get_changeform_initial_data(request)
        return {
            name: value
            for name, value in proposed.items()
            if not (name in _keys(self.model) and as_uuid(str(value)) is None)
        }

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """As Django, whose autocomplete fields fail when they show an id that is none."""
        for name in _keys(self.model):
            if (text := request.POST.get(name)) and as_uuid(text) is None:
                raise BadRequest(f"{name} is no id")
        shown: HttpResponse = super().changeform_view(
            request, object_id, form_url, extra_context
        )
        return shown

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """The rows in the user's scope."""
        rows: QuerySet[Any] = super().get_queryset(request)
        scope = scope_of(request)
        return rows.filter(scope.rows(self.tenant_path, self.partner_path))

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> Any:
        """What a foreign key may be set to: the rows of that kind in the scope."""
        if scope_of(request).operator:
            return super().get_field_queryset(db, db_field, request)
        return rows_of(self, db_field.remote_field.model, request)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Tells the form whose a new row is, where the user has no choice."""
        form = super().get_form(request, obj, change=change, **kwargs)
        if issubclass(form, OwnedForm):
            form.own_tenant = scope_of(request).tenant
        return form

    def get_inline_instances(
        self, request: HttpRequest, obj: Any | None = None
    ) -> list[Any]:
        """For members those only that know of scopes."""
        inlines = super().get_inline_instances(request, obj)
        if scope_of(request).operator:
            return inlines
        return [inline for inline in inlines if isinstance(inline, ScopedInline)]

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What was done to a row; members read only the names of their own."""
        response = super().history_view(request, object_id, extra_context)
        scope, context = scope_of(request), getattr(response, "context_data", None)
        if context is not None and not scope.operator:
            own = own_users(scope)
            for entry in context["action_list"]:
                if entry.user_id not in own:
                    entry.user = User(username=SOMEBODY)
        return response

    # What may be done ----------------------------------------------------------------

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether anything of it is listed."""
        return self.may(request, "view") and _django(request, super(), "module")

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Members see what is theirs."""
        return self.may(request, "view") and _django(request, super(), "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Administrators, where the page lets them."""
        return self.may(request, "add") and _django(request, super(), "add")

    def has_change_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """Administrators, where the page lets them."""
        return self.may(request, "change") and _django(request, super(), "change", obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """Administrators, where the page lets them."""
        return self.may(request, "delete") and _django(request, super(), "delete", obj)


def _django(request: HttpRequest, page: Any, verb: str, *obj: Any) -> bool:
    """What a page says beneath, of operators: that members hold no permission is known."""
    if not scope_of(request).operator:
        return True
    return bool(getattr(page, f"has_{verb}_permission")(request, *obj))


def own_users(scope: Scope) -> set[int]:
    """The keys of the users whose names are a member's to read."""
    members = Membership.objects.filter(scope.rows("tenant", "partner"))
    return set(members.values_list("user_id", flat=True))


def rows_of(
    page: DjangoModelAdmin[Any], model: type[Model], request: HttpRequest
) -> Any:
    """The rows of another page that the user sees there; none if it has no page."""
    other = page.admin_site._registry.get(model)
    return (
        model._default_manager.none() if other is None else other.get_queryset(request)
    )


def scoped(page: type[Any] | None) -> type[Any]:
    """The class of a page, which is for operators alone if it says nothing of scopes."""
    page = page or DjangoModelAdmin
    if issubclass(page, ScopedAdmin):
        return page
    return type(page.__name__, (ScopedAdmin, page), {"__module__": page.__module__})


class ScopedInline(TabularInline):
    """Rows under a page that are seen and changed by whoever sees and changes that."""

    def _page(self) -> Any:
        return self.admin_site._registry[self.parent_model]

    def has_view_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """As the page."""
        return bool(self._page().has_view_permission(request, obj))

    def has_add_permission(self, request: HttpRequest, obj: Any | None = None) -> bool:
        """Whoever may add or change what they are under."""
        page = self._page()
        if obj is None:
            return bool(page.has_add_permission(request))
        return bool(page.has_change_permission(request, obj))

    def has_change_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """As for adding: a new row's form has rows under it as well."""
        return self.has_add_permission(request, obj)

    def has_delete_permission(
        self, request: HttpRequest, obj: Any | None = None
    ) -> bool:
        """As for adding."""
        return self.has_add_permission(request, obj)


class OwnedForm(OwnedFormBase):
    """A form whose new rows are `own_tenant`'s, where that is known."""

    own_tenant: ClassVar[Tenant | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.own_tenant is not None and self.instance._state.adding:
            self.instance.tenant = self.own_tenant
