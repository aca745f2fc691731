/* postgres_next: the SQL that takes up runs. Private to postgres_statement.c.
 *
 * CLAIM_NEXT. Pairs of graph and priority that have free runs are stepped through by
 * their index; of each the first runs whose quota leaves room are candidates (b), in the
 * order of the contract: of graphs of one priority one run each, then a second each, and
 * so on, as single claims would take them. The first of them that nobody has locked are
 * locked (c). A run with limits is taken alone, because the next one must count it; the
 * others are those of one priority (f). Counting is exact because who takes up runs of a
 * graph with limits holds that graph's advisory lock, which the statement before this one
 * took: what others did before is seen.
 *
 * Which index is used must not depend on statistics, which a young database has none of:
 * FREE is what the index of free runs is made of, THIS_FREE says the same of a run that
 * is found by its key, in words from which that index cannot be taken. Times are compared
 * with statement_timestamp(), which an index can be searched by.
 */
#ifndef ELG_CHECKPOINT_POSTGRES_NEXT_H
#define ELG_CHECKPOINT_POSTGRES_NEXT_H

/* The error of a run that is quarantined; `blob` has $STEP and $OWNER in its text. */
/* clang-format off */
#define ELG_POSTGRES_SQL_QUARANTINED(blob) \
    "convert_to(replace(replace(convert_from(" blob "::bytea, 'UTF8'), '$STEP', " \
    "r.step_count::text), '$OWNER', trim('\"' FROM to_json(coalesce(r.claimed_by, 'an " \
    "unknown process'))::text)), 'UTF8')"

/* What a claim counts. A count that has no next one stays: reading it says so. */
#define ELG_POSTGRES_SQL_COUNTED \
    "least(r.epoch, 9223372036854775806) + 1, claims = least(r.claims, 2147483646) + 1"

#define ELG_POSTGRES_SQL_FREE \
    "r.completed_at IS NULL AND r.worker IS NULL AND (r.due_at IS NOT NULL OR r.status " \
    "<> 'waiting')"
#define ELG_POSTGRES_SQL_THIS_FREE \
    "coalesce(r.completed_at, '-infinity') = '-infinity' AND coalesce(r.worker, 0) = 0 " \
    "AND (r.due_at IS NOT NULL OR r.status <> 'waiting')"
#define ELG_POSTGRES_SQL_READY "coalesce(r.due_at, r.created_at)"

/* Of a run r; NULL: nothing is passed over. `jailed`: what the limits of jailed runs hold. */
#define ELG_POSTGRES_SQL_NOT_PASSED(traces, jailed) \
    "octet_length(r.trace_id) <= 128 AND (" traces "::text[] IS NULL OR r.trace_id <> ALL (" traces "::text[])) AND (" jailed \
    "::bytea IS NULL OR NOT EXISTS (SELECT 1 FROM cmo_inputs q WHERE q.trace_id = " \
    "r.trace_id AND position(" jailed "::bytea IN q.limits) > 0))"

/* One row of each graph that has a free run with limits whose time has come. */
#define ELG_POSTGRES_SQL_QUOTAS_LOCK \
    "WITH RECURSIVE g (graph_id) AS ((SELECT r.graph_id FROM cmo_runs r WHERE r.limited " \
    "AND " ELG_POSTGRES_SQL_FREE " ORDER BY r.graph_id LIMIT 1) UNION ALL SELECT " \
    "n.graph_id FROM g CROSS JOIN LATERAL (SELECT r.graph_id FROM cmo_runs r WHERE " \
    "r.limited AND " ELG_POSTGRES_SQL_FREE " AND r.graph_id > g.graph_id ORDER BY " \
    "r.graph_id LIMIT 1) n), d AS MATERIALIZED (SELECT g.graph_id FROM g WHERE EXISTS " \
    "(SELECT 1 FROM cmo_runs r WHERE r.limited AND " ELG_POSTGRES_SQL_FREE " AND " \
    "r.graph_id = g.graph_id AND " ELG_POSTGRES_SQL_READY " <= statement_timestamp()) " \
    "ORDER BY g.graph_id) SELECT pg_advisory_xact_lock(1701602098, hashtext(d.graph_id)) " \
    "FROM d"

#define ELG_POSTGRES_SQL_PAIRS \
    "p (graph_id, priority) AS ((SELECT r.graph_id, r.priority FROM cmo_runs r WHERE " \
    ELG_POSTGRES_SQL_FREE " ORDER BY r.graph_id, r.priority LIMIT 1) UNION ALL SELECT " \
    "n.graph_id, n.priority FROM p CROSS JOIN LATERAL (SELECT r.graph_id, r.priority FROM " \
    "cmo_runs r WHERE " ELG_POSTGRES_SQL_FREE " AND (r.graph_id, r.priority) > " \
    "(p.graph_id, p.priority) ORDER BY r.graph_id, r.priority LIMIT 1) n)"

#define ELG_POSTGRES_SQL_HAS_ROOM \
    "(NOT r.limited OR ((r.running_max = 0 OR r.running_max > (SELECT count(*) FROM " \
    "cmo_runs x WHERE x.graph_id = r.graph_id AND x.limited AND x.completed_at IS NULL AND " \
    "x.worker IS NOT NULL)) AND (r.key_running_max = 0 OR r.key_running_max > (SELECT " \
    "count(*) FROM cmo_runs x WHERE x.graph_id = r.graph_id AND x.limit_key = r.limit_key " \
    "AND x.limited AND x.completed_at IS NULL AND x.worker IS NOT NULL)) AND (r.rate_count " \
    "= 0 OR r.begun_at IS NOT NULL OR r.rate_count > (SELECT count(*) FROM cmo_runs x WHERE " \
    "x.graph_id = r.graph_id AND x.limited AND x.begun_at > clock_timestamp() - r.rate_ms * " \
    "interval '1 millisecond'))))"

#define ELG_POSTGRES_SQL_CANDIDATES \
    "b AS MATERIALIZED (SELECT t.trace_id, t.limited, p.priority, row_number() OVER (ORDER " \
    "BY p.priority DESC, t.nth, s.served NULLS FIRST, t.first) AS place FROM p CROSS JOIN " \
    "LATERAL (SELECT max(x.claimed_at) AS served FROM cmo_runs x WHERE x.graph_id = " \
    "p.graph_id) s CROSS JOIN LATERAL (SELECT n.trace_id, n.limited, row_number() OVER " \
    "(ORDER BY n.ready, n.run_no) AS nth, min(n.ready) OVER () AS first FROM (SELECT " \
    "r.trace_id, r.limited, r.run_no, " ELG_POSTGRES_SQL_READY " AS ready FROM cmo_runs r " \
    "WHERE r.graph_id = p.graph_id AND r.priority = p.priority AND " ELG_POSTGRES_SQL_FREE \
    " AND " ELG_POSTGRES_SQL_READY " <= statement_timestamp() AND " \
    ELG_POSTGRES_SQL_HAS_ROOM " AND " ELG_POSTGRES_SQL_NOT_PASSED("$8", "$9") " ORDER BY " ELG_POSTGRES_SQL_READY ", r.run_no LIMIT " \
    "$7::int4 + 15) n) t WHERE $6::text[] IS NULL OR p.graph_id = ANY ($6::text[]))"

#define ELG_POSTGRES_SQL_LOCKED \
    "c AS MATERIALIZED (SELECT o.trace_id, o.place, o.priority, o.limited FROM (SELECT * " \
    "FROM b ORDER BY b.place) o CROSS JOIN LATERAL (SELECT 1 FROM cmo_runs r WHERE " \
    "r.trace_id = o.trace_id AND " ELG_POSTGRES_SQL_THIS_FREE " FOR UPDATE OF r SKIP " \
    "LOCKED) l LIMIT $7::int4), f AS (SELECT m.trace_id, m.place FROM (SELECT c.trace_id, " \
    "c.place, c.priority, row_number() OVER w AS nth, first_value(c.priority) OVER w AS top, " \
    "bool_or(c.limited) OVER w AS limits FROM c WINDOW w AS (ORDER BY c.place)) m WHERE " \
    "m.nth = 1 OR (m.priority = m.top AND NOT m.limits))"

/* The claimed rows with their inputs, as elg_postgres_row_run reads them, then the place. */
#define ELG_POSTGRES_SQL_CLAIMED \
    "u (trace_id, graph_id, graph_version, graph_hash, status, seed, step_count, chain, " \
    "epoch, claims, abort_requested, due_at, error, started_at, completed_at, created_at, " \
    "updated_at, parent_trace_id, parent_step, parent_seq, depth, has_children, input_of, " \
    "input, initial_state, limits, place)"
#define ELG_POSTGRES_SQL_CLAIMED_ROWS \
    " FROM f LEFT JOIN cmo_inputs i ON i.trace_id = f.trace_id WHERE r.trace_id = f.trace_id " \
    "RETURNING r.trace_id, r.graph_id, r.graph_version, r.graph_hash, r.status, r.seed, " \
    "r.step_count, r.chain, r.epoch, r.claims, r.abort_requested, r.due_at, r.error, " \
    "r.started_at, r.completed_at, r.created_at, r.updated_at, r.parent_trace_id, " \
    "coalesce(r.parent_step, 0), coalesce(r.parent_seq, 0), r.depth, r.has_children, " \
    "i.trace_id, i.input, i.initial_state, i.limits, f.place) SELECT * FROM u ORDER BY place"

/* claimed_at is in the order of places: whose turn it is next depends on it. */
#define ELG_POSTGRES_SQL_CLAIM_NEXT \
    "WITH RECURSIVE " ELG_POSTGRES_SQL_PAIRS ", " ELG_POSTGRES_SQL_CANDIDATES ", " \
    ELG_POSTGRES_SQL_LOCKED ", " ELG_POSTGRES_SQL_CLAIMED " AS (UPDATE cmo_runs r SET epoch " \
    "= " ELG_POSTGRES_SQL_COUNTED ", flush = 0, updated_at = $2::timestamptz, " \
    "claimed_at = statement_timestamp() + f.place * interval '1 microsecond', begun_at = " \
    "coalesce(r.begun_at, clock_timestamp()), claimed_by = $4::text, worker = CASE WHEN " \
    "r.claims < $3::int4 THEN $1::bigint END, status = CASE WHEN r.claims < $3::int4 THEN " \
    "r.status ELSE 'quarantined' END, error = CASE WHEN r.claims < $3::int4 THEN r.error " \
    "ELSE " ELG_POSTGRES_SQL_QUARANTINED("$5") " END, completed_at = CASE WHEN r.claims >= " \
    "$3::int4 THEN $2::timestamptz END" ELG_POSTGRES_SQL_CLAIMED_ROWS

/* As the claim of one, of those that can be had at once; the others are left out. */
#define ELG_POSTGRES_SQL_CLAIM_NAMED \
    "WITH f AS MATERIALIZED (SELECT t.trace_id, t.place FROM unnest($5::text[]) WITH " \
    "ORDINALITY AS t (trace_id, place) CROSS JOIN LATERAL (SELECT 1 FROM cmo_runs r WHERE " \
    "r.trace_id = t.trace_id AND coalesce(r.completed_at, '-infinity') = '-infinity' AND " \
    "r.claims < $3::int4 AND (r.worker IS NULL OR r.worker = $1::bigint OR NOT EXISTS " \
    "(SELECT 1 FROM cmo_workers w WHERE w.worker = r.worker AND w.lease_until > " \
    "clock_timestamp())) AND ($6::text[] IS NULL OR r.trace_id <> ALL ($6::text[])) FOR " \
    "UPDATE OF r SKIP LOCKED) l), " ELG_POSTGRES_SQL_CLAIMED " AS " \
    "(UPDATE cmo_runs r SET epoch = " ELG_POSTGRES_SQL_COUNTED ", flush = 0, worker = " \
    "$1::bigint, updated_at = $2::timestamptz, claimed_by = $4::text" \
    ELG_POSTGRES_SQL_CLAIMED_ROWS

/* What is locked just now is left to the single statement. */
#define ELG_POSTGRES_SQL_HAND_BACK_MANY \
    "WITH f AS MATERIALIZED (SELECT t.trace_id FROM unnest($1::text[]) AS t (trace_id) CROSS " \
    "JOIN LATERAL (SELECT 1 FROM cmo_runs r WHERE r.trace_id = t.trace_id FOR UPDATE OF r " \
    "SKIP LOCKED) l), u AS (UPDATE cmo_runs r SET worker = NULL, claims = greatest(r.claims " \
    "- 1, 0) FROM f WHERE r.trace_id = f.trace_id AND r.worker = $2::bigint AND " \
    "coalesce(r.completed_at, '-infinity') = '-infinity') SELECT trace_id FROM f"
/* clang-format on */

#endif
