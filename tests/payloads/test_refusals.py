"""What a webhook's style does not allow is refused by field and reason."""

import pytest

from dispatcher.payloads.registry import STYLES, UnknownStyleError, style

ALLOWED = {
    "method": "POST",
    "format": "json",
    "custom_data": (),
    "has_filters": False,
    "owner": "tenant",
}


def _refusals(entry, **settings):
    return [
        (error.field, error.message)
        for error in entry.refusals(**{**ALLOWED, **settings})
    ]


@pytest.mark.parametrize("owner", ["tenant", "partner"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_the_envelope_takes_every_method_filters_and_custom_data(method, owner):
    settings = {"custom_data": ["cost"], "has_filters": True, "format": "form"}

    assert _refusals(style("envelope"), method=method, owner=owner, **settings) == []


@pytest.mark.parametrize("method", ["GET", "PUT", "post", "DELETE", ""])
def test_flat_is_sent_by_post_only(method):
    refused = _refusals(style("flat"), method=method)

    assert refused == [("method", f'style flat takes POST, not "{method}"')]


def test_an_unknown_format_is_refused_by_name():
    refused = _refusals(style("envelope"), format="xml")

    assert refused == [("format", 'style envelope takes json or form, not "xml"')]


@pytest.mark.parametrize("key", ["cost", "client_id", "list_phonebook_id[0]"])
def test_flat_custom_data_may_not_replace_one_of_the_19(key):
    refused = _refusals(style("flat"), custom_data=["hook", key])

    assert refused == [("custom_data", f'"{key}" would replace a field of style flat')]


def test_flat_takes_custom_data_of_other_names_and_filters():
    assert _refusals(style("flat"), custom_data=["hook"], has_filters=True) == []


@pytest.mark.parametrize(
    "name", [name for name, entry in STYLES.items() if entry.custom_data]
)
def test_a_custom_key_may_not_be_empty(name):
    assert _refusals(style(name), custom_data=[" "]) == [
        ("custom_data", "a key is empty")
    ]


def test_the_feed_names_everything_that_it_does_not_take():
    refused = _refusals(
        style("feed"),
        method="PUT",
        format="form",
        custom_data=["a"],
        has_filters=True,
        owner="tenant",
    )

    assert refused == [
        ("method", 'style feed takes POST, not "PUT"'),
        ("format", 'style feed takes json, not "form"'),
        ("style", "style feed belongs to a partner"),
        ("filters", "style feed takes no filters"),
        ("custom_data", "style feed takes no custom data"),
    ]


def test_a_batch_takes_filters_and_belongs_to_a_tenant_alone():
    assert _refusals(style("batch"), has_filters=True) == []
    assert _refusals(style("batch"), owner="partner", custom_data=["a"]) == [
        ("style", "style batch belongs to a tenant"),
        ("custom_data", "style batch takes no custom data"),
    ]


def test_an_unknown_style_is_answered_with_those_that_there_are():
    with pytest.raises(UnknownStyleError, match='no style "soap"; there are envelope'):
        style("soap")
