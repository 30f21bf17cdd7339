"""What PostgreSQL does for each call that is added, where there are many at a time: less.

Ids ascend. Lists that begin with the newest read an ascending index backwards, and what
is always added at an end leaves that index's pages full; at the other end, half empty.

An import adds calls, what was told of them, deliveries and what these owe in one
transaction. It may say so: `cdrhook.parents_added` = on, until its end at most. The
triggers of migration 0007 then look up neither calls nor deliveries, which nobody but
that transaction sees. Tenants, webhooks and sources are looked up all the same.
"""

from importlib import import_module

from django.db import migrations, models

before = import_module('dispatcher.migrations.0007_references_by_statement')

# Of those, whoever adds a child may have added the parent a moment ago.
ADDED_TOGETHER = {'storedcdr', 'delivery'}

DOUBTED = "current_setting('cdrhook.parents_added', true) IS DISTINCT FROM 'on' AND"


def _function(schema, child, believed):
    lookups = []
    for name, parent in before.REFERENCES[child].items():
        lookup = before.LOOKUP.format(column=f'{name}_id', parent=schema.table(parent))
        if parent in believed:
            lookup = lookup.replace('WHERE NOT EXISTS', f'WHERE {DOUBTED} NOT EXISTS')
        lookups.append(lookup)
    return before.PARENTS_ARE_THERE.format(
        function=f'{schema.table(child)}_insert_has_parents',
        lookups=before.UNION.join(lookups),
    )


def _replaced(schema_editor, believed):
    if schema_editor.connection.vendor != 'postgresql':
        return
    schema = before._Schema(schema_editor)
    for child in ('rawrecord', 'owedcdr'):
        schema_editor.execute(_function(schema, child, believed), params=None)


def believing(apps, schema_editor):
    """Believes who says that the parents were added by the same transaction."""
    _replaced(schema_editor, ADDED_TOGETHER)


def doubting(apps, schema_editor):
    """Looks everything up, whatever is said."""
    _replaced(schema_editor, ())


def _index(model, fields, name, **options):
    ascending = models.Index(fields=fields, name=name, **options)
    return [
        migrations.RemoveIndex(model_name=model, name=name),
        migrations.AddIndex(model_name=model, index=ascending),
    ]


class Migration(migrations.Migration):

    dependencies = [
        ('dispatcher', '0007_references_by_statement'),
    ]

    operations = [
        *_index('storedcdr', ['tenant', 'id'], 'cdr_newest'),
        *_index('delivery', ['tenant', 'id'], 'delivery_of_tenant'),
        *_index('delivery', ['webhook', 'id'], 'delivery_of_webhook'),
        *_index(
            'delivery',
            ['state', 'id'],
            'delivery_not_delivered',
            condition=~models.Q(state='delivered'),
        ),
        migrations.RunPython(believing, doubting),
    ]
