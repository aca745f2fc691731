/* postgres_gc: the SQL of retention. Private to postgres_statement.c. */
#ifndef ELG_CHECKPOINT_POSTGRES_GC_H
#define ELG_CHECKPOINT_POSTGRES_GC_H

/* clang-format off */
#define ELG_POSTGRES_SQL_TREES \
    "WITH RECURSIVE t (root, trace_id, ended) AS (SELECT r.trace_id, r.trace_id, true FROM " \
    "cmo_runs r WHERE r.trace_id = ANY ($1::text[]) AND r.parent_trace_id IS NULL AND " \
    "r.completed_at < $2::timestamptz UNION ALL SELECT t.root, c.trace_id, c.completed_at " \
    "IS NOT NULL FROM t JOIN cmo_runs c ON c.parent_trace_id = t.trace_id), whole AS " \
    "(SELECT root FROM t GROUP BY root HAVING bool_and(ended)), d AS (SELECT t.trace_id " \
    "FROM t JOIN whole ON whole.root = t.root) "
#define ELG_POSTGRES_SQL_TREES_REMOVE \
    ELG_POSTGRES_SQL_TREES ", x AS (DELETE FROM cmo_runs WHERE trace_id IN (SELECT " \
    "trace_id FROM d) RETURNING 1) SELECT count(*) FROM x"
#define ELG_POSTGRES_SQL_TREES_COUNT ELG_POSTGRES_SQL_TREES "SELECT count(*) FROM d"

#define ELG_POSTGRES_SQL_UNUSED \
    "g.created_at < $1::timestamptz AND NOT EXISTS (SELECT 1 FROM cmo_runs r WHERE " \
    "r.graph_hash = g.graph_hash)"
#define ELG_POSTGRES_SQL_GRAPHS_REMOVE \
    "WITH x AS (DELETE FROM cmo_graphs g WHERE " ELG_POSTGRES_SQL_UNUSED \
    " RETURNING 1) SELECT count(*) FROM x"
#define ELG_POSTGRES_SQL_GRAPHS_COUNT \
    "SELECT count(*) FROM cmo_graphs g WHERE " ELG_POSTGRES_SQL_UNUSED

/* A payload that lies elsewhere: payload.h. */
#define ELG_POSTGRES_SQL_LIES(column) \
    "(octet_length(" column ") = 72 AND substring(" column " FROM 1 FOR 8) = '@sha256:'::bytea) "
#define ELG_POSTGRES_SQL_REFERENCES_READ \
    "DECLARE texts NO SCROLL CURSOR FOR SELECT convert_to(response_blob_ref, 'UTF8') FROM " \
    "cmo_activities WHERE response_blob_ref IS NOT NULL UNION ALL SELECT response_data " \
    "FROM cmo_activities WHERE activity_type = 'write_artifact' OR (activity_type = " \
    "'http_request' AND position('\"artifact\":'::bytea IN response_data) > 0) UNION ALL " \
    "SELECT request_data FROM cmo_activities WHERE activity_type = 'read_artifact' OR " \
    ELG_POSTGRES_SQL_LIES("request_data") "UNION ALL SELECT input FROM cmo_inputs UNION ALL " \
    "SELECT initial_state FROM cmo_inputs WHERE " ELG_POSTGRES_SQL_LIES("initial_state") \
    "UNION ALL SELECT payload FROM cmo_signals WHERE payload IS NOT NULL UNION ALL SELECT " \
    "error FROM cmo_runs WHERE " ELG_POSTGRES_SQL_LIES("error") "UNION ALL SELECT state FROM " \
    "cmo_steps WHERE " ELG_POSTGRES_SQL_LIES("state") "UNION ALL SELECT output FROM cmo_steps " \
    "WHERE " ELG_POSTGRES_SQL_LIES("output") "UNION ALL SELECT metadata FROM cmo_steps WHERE " \
    ELG_POSTGRES_SQL_LIES("metadata") "UNION ALL SELECT error FROM cmo_steps WHERE " \
    ELG_POSTGRES_SQL_LIES("error") "UNION ALL SELECT s.state FROM cmo_steps s JOIN cmo_runs r " \
    "ON r.trace_id = s.trace_id WHERE r.completed_at IS NULL AND s.state IS NOT NULL UNION " \
    "ALL SELECT s.output FROM cmo_steps s JOIN cmo_runs r ON r.trace_id = s.trace_id WHERE " \
    "r.completed_at IS NULL AND s.output IS NOT NULL"
/* clang-format on */

#endif
