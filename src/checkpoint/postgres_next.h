/* postgres_next: the SQL that takes up the next run. Private to postgres_statement.c.
 *
 * Pairs of graph and priority that have free runs are stepped through by their index; of
 * each the first runs whose quota leaves room are candidates, ordered as the contract
 * says; the first that nobody has locked is claimed. Counting is exact because who takes
 * up runs of a graph with limits holds that graph's advisory lock, which the statement
 * before this one took: what others did before is seen.
 */
#ifndef ELG_CHECKPOINT_POSTGRES_NEXT_H
#define ELG_CHECKPOINT_POSTGRES_NEXT_H

/* The error of a run that is quarantined; `blob` has $STEP and $OWNER in its text. */
/* clang-format off */
#define ELG_POSTGRES_SQL_QUARANTINED(blob) \
    "convert_to(replace(replace(convert_from(" blob "::bytea, 'UTF8'), '$STEP', " \
    "r.step_count::text), '$OWNER', trim('\"' FROM to_json(coalesce(r.claimed_by, 'an " \
    "unknown process'))::text)), 'UTF8')"

/* Of a run r; NULL: nothing is passed over. `jailed`: what the limits of jailed runs hold. */
#define ELG_POSTGRES_SQL_NOT_PASSED(traces, jailed) \
    "(" traces "::text[] IS NULL OR r.trace_id <> ALL (" traces "::text[])) AND (" jailed \
    "::bytea IS NULL OR NOT EXISTS (SELECT 1 FROM cmo_inputs q WHERE q.trace_id = " \
    "r.trace_id AND position(" jailed "::bytea IN q.limits) > 0))"

#define ELG_POSTGRES_SQL_QUOTAS_LOCK \
    "SELECT pg_advisory_xact_lock(1701602098, hashtext(g.graph_id)) FROM (SELECT " \
    "DISTINCT r.graph_id FROM cmo_runs r WHERE r.completed_at IS NULL AND r.worker " \
    "IS NULL AND (r.due_at IS NOT NULL OR r.status <> 'waiting') AND r.limited AND " \
    "coalesce(r.due_at, r.created_at) <= clock_timestamp() ORDER BY r.graph_id) g"

#define ELG_POSTGRES_SQL_CLAIM_NEXT \
    "WITH RECURSIVE p (graph_id, priority) AS ((SELECT r.graph_id, r.priority FROM " \
    "cmo_runs r WHERE r.completed_at IS NULL AND r.worker IS NULL AND (r.due_at IS " \
    "NOT NULL OR r.status <> 'waiting') ORDER BY r.graph_id, r.priority LIMIT 1) " \
    "UNION ALL SELECT n.graph_id, n.priority FROM p CROSS JOIN LATERAL (SELECT " \
    "r.graph_id, r.priority FROM cmo_runs r WHERE r.completed_at IS NULL AND " \
    "r.worker IS NULL AND (r.due_at IS NOT NULL OR r.status <> 'waiting') AND " \
    "(r.graph_id, r.priority) > (p.graph_id, p.priority) ORDER BY r.graph_id, " \
    "r.priority LIMIT 1) n), b AS MATERIALIZED (SELECT t.trace_id, row_number() " \
    "OVER (ORDER BY p.priority DESC, s.served NULLS FIRST, t.ready) AS place FROM p" \
    " CROSS JOIN LATERAL (SELECT max(x.claimed_at) AS served FROM cmo_runs x WHERE " \
    "x.graph_id = p.graph_id) s CROSS JOIN LATERAL (SELECT r.trace_id, " \
    "coalesce(r.due_at, r.created_at) AS ready FROM cmo_runs r WHERE r.graph_id = " \
    "p.graph_id AND r.priority = p.priority AND r.completed_at IS NULL AND r.worker" \
    " IS NULL AND (r.due_at IS NOT NULL OR r.status <> 'waiting') AND " \
    "coalesce(r.due_at, r.created_at) <= clock_timestamp() AND (NOT r.limited OR " \
    "((r.running_max = 0 OR r.running_max > (SELECT count(*) FROM cmo_runs x WHERE " \
    "x.graph_id = r.graph_id AND x.limited AND x.completed_at IS NULL AND x.worker " \
    "IS NOT NULL)) AND (r.key_running_max = 0 OR r.key_running_max > (SELECT " \
    "count(*) FROM cmo_runs x WHERE x.graph_id = r.graph_id AND x.limit_key = " \
    "r.limit_key AND x.limited AND x.completed_at IS NULL AND x.worker IS NOT " \
    "NULL)) AND (r.rate_count = 0 OR r.begun_at IS NOT NULL OR r.rate_count > " \
    "(SELECT count(*) FROM cmo_runs x WHERE x.graph_id = r.graph_id AND x.limited " \
    "AND x.begun_at > clock_timestamp() - r.rate_ms * interval '1 millisecond')))) AND " \
    ELG_POSTGRES_SQL_NOT_PASSED("$7", "$8") " ORDER BY coalesce(r.due_at, r.created_at), r.run_no LIMIT 16) t WHERE " \
    "$5::text[] IS NULL OR p.graph_id = ANY ($5::text[])), c AS (SELECT r.trace_id " \
    "FROM b JOIN cmo_runs r ON r.trace_id = b.trace_id WHERE r.completed_at IS NULL" \
    " AND r.worker IS NULL AND (r.due_at IS NOT NULL OR r.status <> 'waiting') " \
    "ORDER BY b.place LIMIT 1 FOR UPDATE OF r SKIP LOCKED) UPDATE cmo_runs r SET " \
    "epoch = r.epoch + 1, flush = 0, claims = r.claims + 1, updated_at = " \
    "$2::timestamptz, claimed_at = clock_timestamp(), begun_at = " \
    "coalesce(r.begun_at, clock_timestamp()), claimed_by = $6::text, worker = CASE " \
    "WHEN r.claims < $3::int4 THEN $1::bigint END, status = CASE WHEN r.claims < " \
    "$3::int4 THEN r.status ELSE 'quarantined' END, error = CASE WHEN r.claims < " \
    "$3::int4 THEN r.error ELSE " ELG_POSTGRES_SQL_QUARANTINED("$4") " END, completed_at = CASE WHEN r.claims >=" \
    " $3::int4 THEN $2::timestamptz END FROM c JOIN cmo_inputs i ON i.trace_id = " \
    "c.trace_id WHERE r.trace_id = c.trace_id RETURNING r.trace_id, r.graph_id, " \
    "r.graph_version, r.graph_hash, r.status, r.seed, r.step_count, r.chain, " \
    "r.epoch, r.claims, r.abort_requested, r.due_at, r.error, r.started_at, " \
    "r.completed_at, r.created_at, r.updated_at, r.parent_trace_id, coalesce(r.parent_step, 0), " \
    "coalesce(r.parent_seq, 0), r.depth, r.has_children, " \
    "i.trace_id, i.input, " \
    "i.initial_state, i.limits"
/* clang-format on */

#endif
