"""What a bank's database holds that timebank did not make, or makes otherwise, and which of its tables are missing.

A table, view, trigger, rule or index that is not ours could change what is written behind our back, and a constraint
that was altered could refuse it. SQLite tells of each object the statement that made it. PostgreSQL tells of columns
and constraints one by one, in its catalogs; there a schema of the bank's own holds nothing else, while in the server's
default schema, which it may share, only what hangs on its own tables is looked at.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from ledger.store.sql import Db, create_statements, table_names
from ledger.verifying.findings import Finding, finding

_LOG = "stored_events"


def foreign_objects(db: Db) -> Iterator[Finding]:
    """Tables of ours that are missing or were altered, and whatever else there is."""
    yield from _in_a_file(db) if db.dialect == "sqlite" else _on_a_server(db)


def _foreign(kind: str, name: str) -> Finding:
    return finding("foreign_object", None, f"the {kind} {name[:40]!r} is none that timebank makes")


def _altered(name: str, how: str = "") -> Finding:
    return finding("foreign_object", None, f"the table {name!r} is not as timebank makes it{how}")


def _missing(names: set[str]) -> Iterator[Finding]:
    for name in sorted(names):
        yield finding("database_damaged", None, f"the table {name} is missing")


def _in_a_file(db: Db) -> Iterator[Finding]:
    ours = {statement.split()[2]: _one_spaced(statement) for statement in create_statements(db.dialect)}
    made = set()
    for kind, name, sql in db.rows("SELECT type, name, sql FROM sqlite_master ORDER BY name"):
        if kind == "table" and name in ours:
            made.add(name)
            if _one_spaced(str(sql)) != ours[name]:
                yield _altered(name)
        elif (kind, name) != ("table", _LOG) and not str(name).startswith("sqlite_"):
            yield _foreign(kind, str(name))
    yield from _missing(set(ours) - made)


def _one_spaced(sql: str) -> str:
    return " ".join(sql.split())


def _on_a_server(db: Db) -> Iterator[Finding]:
    ours = {statement.split()[2]: _parts(statement) for statement in create_statements(db.dialect)} | {_LOG: _LOG_PARTS}
    found: defaultdict[str, set[str]] = defaultdict(set)
    for sort, kind, name, part in db.rows(_CATALOGS):
        if sort == "part" and name in ours:
            found[name].add(_one_spaced(part))
        elif sort == "foreign" and not (kind == "table" and name in ours):
            yield _foreign(kind, name)
    for name in sorted(found):
        lost, more = sorted(ours[name] - found[name]), sorted(found[name] - ours[name])
        if lost or more:
            said = [f"it lacks {lost[0][:80]!r}"] if lost else []
            said += [f"it has {more[0][:80]!r}"] if more else []
            yield _altered(name, f": {', '.join(said)}")
    yield from _missing(set(ours) - set(found))


def _parts(statement: str) -> set[str]:
    """The columns and constraints of a statement of ours, as `_CATALOGS` tells them."""
    parts, keys = set(), set[str]()
    inside = _one_spaced(statement).partition("(")[2].rstrip().removesuffix(")")
    for part in re.split(r", (?![^()]*\))", inside):
        if part.startswith("PRIMARY KEY"):
            keys |= set(re.findall(r"\w+", part.removeprefix("PRIMARY KEY")))
            parts.add(part)
            continue
        name, kind, *more = part.split(" ", 2)
        said = more[0] if more else ""
        for word in ("PRIMARY KEY", "UNIQUE"):
            if word in said:
                parts.add(f"{word} ({name})")
                keys |= {name} if word == "PRIMARY KEY" else set()
        filled = "NOT NULL" if "NOT NULL" in said else ""
        parts.add(_one_spaced(f"{name} {kind.lower()} {'COLLATE C' if 'COLLATE' in said else ''} {filled}"))
    return {part if part.split()[0] not in keys or "NOT NULL" in part else f"{part} NOT NULL" for part in parts}


#: the library's table
_LOG_PARTS = {
    *("originator_id uuid NOT NULL", "originator_version bigint NOT NULL", "topic text", "state bytea"),
    *("notification_id bigint NOT NULL DEFAULT counted", "PRIMARY KEY (originator_id, originator_version)"),
    "UNIQUE (notification_id)",
}

#: what hangs on tables of the schema, in parts; and what stands in it, or hangs on them, that may be foreign
_CATALOGS = """
WITH here AS (SELECT oid, nspname <> 'public' AS own FROM pg_namespace WHERE nspname = current_schema()),
stands AS (
    SELECT c.* FROM pg_class c, here WHERE c.relnamespace = here.oid AND c.relkind NOT IN ('i', 'I', 't')
), tables AS (SELECT * FROM stands WHERE relkind = 'r')
SELECT 'part', '', t.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || CASE WHEN l.collname IS NULL OR l.collname = 'default' THEN '' ELSE ' COLLATE ' || l.collname END
    || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE WHEN d.oid IS NULL THEN '' WHEN pg_get_expr(d.adbin, d.adrelid) ~ '^nextval[(]''[^'']*''::regclass[)]$'
        THEN ' DEFAULT counted' ELSE ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END
    FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
UNION ALL SELECT 'part', '', t.relname, pg_get_constraintdef(o.oid)
    FROM tables t JOIN pg_constraint o ON o.conrelid = t.oid AND o.contype <> 'n'
UNION ALL SELECT 'part', '', t.relname,
    CASE WHEN i.indisunique AND t.relname = 'stored_events' THEN 'UNIQUE' ELSE 'INDEX' END
    || substring(pg_get_indexdef(i.indexrelid) FROM ' [(].*')
    FROM tables t JOIN pg_index i ON i.indrelid = t.oid
    WHERE NOT EXISTS (SELECT 1 FROM pg_constraint o WHERE o.conindid = i.indexrelid AND o.conrelid = t.oid)
UNION ALL SELECT 'part', '', t.relname, 'row security' FROM tables t WHERE t.relrowsecurity
UNION ALL SELECT 'part', '', t.relname, 'no write-ahead log' FROM tables t WHERE t.relpersistence <> 'p'
UNION ALL SELECT 'part', '', t.relname, 'INHERITS' FROM tables t
    JOIN pg_inherits h ON t.oid IN (h.inhrelid, h.inhparent)
UNION ALL SELECT 'foreign', 'trigger', g.tgname, '' FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid
    WHERE NOT g.tgisinternal AND OURS
UNION ALL SELECT 'foreign', 'rule', r.rulename, '' FROM tables t JOIN pg_rewrite r ON r.ev_class = t.oid WHERE OURS
UNION ALL SELECT 'foreign', 'policy', p.polname, '' FROM tables t JOIN pg_policy p ON p.polrelid = t.oid WHERE OURS
UNION ALL SELECT 'foreign', CASE t.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' WHEN 'S' THEN 'sequence'
    WHEN 'c' THEN 'type' ELSE 'table' END, t.relname, '' FROM stands t, here WHERE here.own
    AND NOT (t.relkind = 'S' AND EXISTS (SELECT 1 FROM pg_depend d JOIN tables u ON u.oid = d.refobjid
        WHERE d.objid = t.oid AND d.deptype = 'a' AND u.relname = 'stored_events'))
UNION ALL SELECT 'foreign', 'function', f.proname, '' FROM pg_proc f, here
    WHERE here.own AND f.pronamespace = here.oid
UNION ALL SELECT 'foreign', 'operator', o.oprname, '' FROM pg_operator o, here
    WHERE here.own AND o.oprnamespace = here.oid
UNION ALL SELECT 'foreign', 'type', y.typname, '' FROM pg_type y, here WHERE here.own AND y.typnamespace = here.oid
    AND y.typrelid = 0 AND y.typelem = 0
ORDER BY 1, 2, 3, 4
""".replace("OURS", f"t.relname IN {(*table_names(), _LOG)}")
