"""On PostgreSQL, triggers of statements instead of the foreign keys of what each call adds.

A foreign key looks each row's parent up by itself, which was nearly half of what
PostgreSQL did to take a call in. The triggers give the same guarantee, a statement at a
time. Django's models keep their foreign keys, and so does SQLite.

Why no orphan can come about:

1. Who adds a row looks its parents up FOR KEY SHARE, as a foreign key does: they can be
   deleted only after the commit, which the one who deletes waits for.
2. Who deletes a parent asks for its children at the commit, in READ COMMITTED: what was
   committed while the deletion waited is seen. An older snapshot would not show it, so
   that other levels of isolation are refused.
3. Who adds a row beside a deletion waits for it, and then finds no parent.

What differs from the foreign keys: a parent has to be there when the statement that
names it ends, not only at the commit, for there is no deferred trigger that sees what a
statement added. Parents may still be deleted before their children.
"""

from django.db import migrations

# Which row of which table a column names: in the order in which rows are locked.
REFERENCES = {
    'storedcdr': {'tenant': 'tenant'},
    'rawrecord': {'cdr': 'storedcdr', 'source': 'source'},
    'delivery': {'tenant': 'tenant', 'webhook': 'webhook'},
    'owedcdr': {'cdr': 'storedcdr', 'webhook': 'webhook', 'delivery': 'delivery'},
}

# `added` is what the statement added: each parent is looked up once, and by id, in which
# order everybody locks. One query, for a statement that adds one row spends its time on
# beginning queries. By index: a connection keeps its plan, which may be older than all
# but one row of the parent.
PARENTS_ARE_THERE = """
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    orphaned text;
BEGIN
    SELECT named_by INTO orphaned FROM ({lookups}
    ) AS missing;
    IF orphaned IS NOT NULL THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('%s.%s names a row that there is not', TG_TABLE_NAME, orphaned),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = orphaned;
    END IF;
    RETURN NULL;
END $$;
"""
AFTER_A_STATEMENT = """
CREATE TRIGGER {trigger} AFTER {event} ON {table} REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION {function}();
"""
LOOKUP = """
        SELECT '{column}' AS named_by FROM (
            SELECT DISTINCT {column} AS id FROM added WHERE {column} IS NOT NULL ORDER BY 1
        ) AS named
        WHERE NOT EXISTS (
            SELECT FROM {parent} AS parent WHERE parent.id = named.id FOR KEY SHARE
        )"""

# None of our code has a row name another parent, but for `delivery` of owed CDRs, which
# is looked up by statement as well. `source` of raw records is only ever set to null.
# Whoever does so by hand pays for a query a row.
ANOTHER_PARENT_IS_THERE = """
CREATE FUNCTION {schema}.dispatcher_another_parent_is_there() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    referrer CONSTANT text := TG_ARGV[0];
    is_there boolean;
BEGIN
    EXECUTE format(
        'SELECT true FROM %I.%I WHERE id = ($1).%I FOR KEY SHARE',
        TG_TABLE_SCHEMA, TG_ARGV[1], referrer
    ) INTO is_there USING NEW;
    IF is_there IS NULL THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('%s.%s names a row that there is not', TG_TABLE_NAME, referrer),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, COLUMN = referrer;
    END IF;
    RETURN NULL;
END $$;
"""
WHERE_IT_CHANGES = """
CREATE TRIGGER {trigger} AFTER UPDATE OF {column} ON {table} FOR EACH ROW
WHEN (NEW.{column} IS NOT NULL AND NEW.{column} IS DISTINCT FROM OLD.{column})
EXECUTE FUNCTION {schema}.dispatcher_another_parent_is_there('{column}', '{parent}');
"""

# At the commit, as the foreign keys did: Django deletes in an order of its own where a
# column may be null. A row that has come back under the same id is as good.
NO_CHILD_IS_LEFT = """
CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    left_over text;
BEGIN
    IF current_setting('transaction_isolation') IN ('repeatable read', 'serializable') THEN
        RAISE feature_not_supported USING MESSAGE = format(
            'rows of %s are deleted in READ COMMITTED transactions only', TG_TABLE_NAME
        );
    END IF;
    SELECT child INTO left_over FROM ({lookups}
    ) AS found
    WHERE NOT EXISTS (SELECT FROM {table} AS parent WHERE parent.id = OLD.id);
    IF left_over IS NOT NULL THEN
        RAISE foreign_key_violation USING
            MESSAGE = format('%s still names a row of %s', left_over, TG_TABLE_NAME),
            SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER {trigger} AFTER DELETE OR UPDATE OF id ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {function}();
"""
CHILD = """
        SELECT '{child}.{column}' AS child WHERE EXISTS (
            SELECT FROM {table} AS child WHERE child.{column} = OLD.id FOR KEY SHARE
        )"""

# TRUNCATE goes round triggers of rows; that of all these tables together is right.
NOTHING_IS_LEFT = """
CREATE FUNCTION {schema}.dispatcher_nothing_is_left() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    left_over boolean;
BEGIN
    EXECUTE format(
        'SELECT true FROM %I.%I WHERE %I IS NOT NULL LIMIT 1',
        TG_TABLE_SCHEMA, TG_ARGV[0], TG_ARGV[1]
    ) INTO left_over;
    IF left_over THEN
        RAISE foreign_key_violation USING MESSAGE = format(
            '%s.%s still names rows of %s', TG_ARGV[0], TG_ARGV[1], TG_TABLE_NAME
        );
    END IF;
    RETURN NULL;
END $$;
"""
WHEN_EMPTIED = """
CREATE TRIGGER {trigger} AFTER TRUNCATE ON {table} FOR EACH STATEMENT
EXECUTE FUNCTION {schema}.dispatcher_nothing_is_left('{child}', '{column}');
"""
UNION = '\n        UNION ALL'


def _each():
    for child, references in REFERENCES.items():
        for name, parent in references.items():
            yield child, name, parent


def _children_of(parent):
    return [(child, name) for child, name, of in _each() if of == parent]


class _Schema:
    """Where the tables are: named in full, functions hold under any search_path."""

    def __init__(self, schema_editor):
        with schema_editor.connection.cursor() as cursor:
            cursor.execute('SELECT quote_ident(current_schema())')
            (self.name,) = cursor.fetchone()

    def table(self, model):
        return f'{self.name}.dispatcher_{model}'


def _parents_are_there(schema, child, names, event):
    lookups = [
        LOOKUP.format(column=f'{name}_id', parent=schema.table(REFERENCES[child][name]))
        for name in names
    ]
    return (PARENTS_ARE_THERE + AFTER_A_STATEMENT).format(
        function=f'{schema.table(child)}_{event}_has_parents',
        trigger=f'{event}_has_parents',
        event=event.upper(),
        table=schema.table(child),
        lookups=UNION.join(lookups),
    )


def _no_child_is_left(schema, parent):
    lookups = [
        CHILD.format(child=f'dispatcher_{child}', column=f'{name}_id', table=schema.table(child))
        for child, name in _children_of(parent)
    ]
    return NO_CHILD_IS_LEFT.format(
        function=f'{schema.table(parent)}_has_no_child',
        trigger='has_no_child',
        table=schema.table(parent),
        lookups=UNION.join(lookups),
    )


def _statements(schema):
    yield ANOTHER_PARENT_IS_THERE.format(schema=schema.name)
    yield NOTHING_IS_LEFT.format(schema=schema.name)
    for child, references in REFERENCES.items():
        yield _parents_are_there(schema, child, references, 'insert')
    yield _parents_are_there(schema, 'owedcdr', ['delivery'], 'update')
    for child, name, parent in _each():
        column, where = f'{name}_id', {'schema': schema.name}
        if (child, name) != ('owedcdr', 'delivery'):
            yield WHERE_IT_CHANGES.format(
                trigger=f'{column}_has_parent',
                column=column,
                table=schema.table(child),
                parent=f'dispatcher_{parent}',
                **where,
            )
        yield WHEN_EMPTIED.format(
            trigger=f'empty_with_{child}_{column}',
            table=schema.table(parent),
            child=f'dispatcher_{child}',
            column=column,
            **where,
        )
    for parent in sorted({parent for _, _, parent in _each()}):
        yield _no_child_is_left(schema, parent)


def _functions(schema):
    yield f'{schema.name}.dispatcher_another_parent_is_there'
    yield f'{schema.name}.dispatcher_nothing_is_left'
    yield f'{schema.table("owedcdr")}_update_has_parents'
    for child in REFERENCES:
        yield f'{schema.table(child)}_insert_has_parents'
    for parent in sorted({parent for _, _, parent in _each()}):
        yield f'{schema.table(parent)}_has_no_child'


def by_statement(apps, schema_editor):
    """Foreign keys out, triggers in: in one transaction, so that nothing slips through."""
    if schema_editor.connection.vendor != 'postgresql':
        return
    for child, name, _ in _each():
        model = apps.get_model('dispatcher', child)
        column = model._meta.get_field(name).column
        for key in schema_editor._constraint_names(model, [column], foreign_key=True):
            schema_editor.execute(schema_editor._delete_fk_sql(model, key))
    for statement in _statements(_Schema(schema_editor)):
        schema_editor.execute(statement, params=None)


def by_row(apps, schema_editor):
    """Triggers out, with their functions; foreign keys in, as Django would make them."""
    if schema_editor.connection.vendor != 'postgresql':
        return
    for function in _functions(_Schema(schema_editor)):
        schema_editor.execute(f'DROP FUNCTION {function}() CASCADE', params=None)
    for child, name, _ in _each():
        model = apps.get_model('dispatcher', child)
        field = model._meta.get_field(name)
        suffix = '_fk_%(to_table)s_%(to_column)s'
        schema_editor.execute(schema_editor._create_fk_sql(model, field, suffix))


class Migration(migrations.Migration):

    dependencies = [
        ('dispatcher', '0006_uids'),
    ]

    operations = [
        migrations.RunPython(by_statement, by_row),
    ]
