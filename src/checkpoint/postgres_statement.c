/* postgres_statement: the SQL of the back end. Uses postgres.h.
 *
 * The order of columns is that in which postgres_flush.c puts and postgres_row.c reads
 * them. A statement that must write a known number of rows divides by whether it did: a
 * wrong count is an error (22012), so that the server itself skips the COMMIT behind it
 * and a flush is one way there and back. Whether a run is free is asked of the leases, by
 * the database's clock.
 */
#include "checkpoint/postgres.h"
#include "checkpoint/postgres_gc.h"
#include "checkpoint/postgres_next.h"

/* clang-format off */
static const char *const SQL[ELG_POSTGRES_STATEMENT_COUNT] = {
    [ELG_POSTGRES_BEGIN] =
        "BEGIN",
    [ELG_POSTGRES_COMMIT] =
        "COMMIT",
    [ELG_POSTGRES_ROLLBACK] =
        "ROLLBACK",
    [ELG_POSTGRES_WORK_NOTIFY] =
        "SELECT pg_notify('cmo_work', '')",
    [ELG_POSTGRES_SIGNAL_NOTIFY] =
        "SELECT pg_notify('cmo_signals', ''), pg_notify('cmo_work', '')",
    [ELG_POSTGRES_CHILDREN_TELL] =
        "WITH e AS (SELECT trace_id, parent_trace_id FROM cmo_runs WHERE trace_id = ANY "
        "($1::text[]) AND parent_trace_id IS NOT NULL AND completed_at IS NOT NULL), s AS "
        "(INSERT INTO cmo_signals (trace_id, name, signal_key, payload_bytes) SELECT "
        "parent_trace_id, '$child', '$' || trace_id, 0 FROM e ON CONFLICT DO NOTHING) "
        "UPDATE cmo_runs r SET due_at = CASE WHEN r.status = 'waiting' AND "
        "coalesce(r.due_at > clock_timestamp(), true) THEN clock_timestamp() ELSE "
        "r.due_at END FROM (SELECT DISTINCT parent_trace_id FROM e) AS p WHERE r.trace_id "
        "= p.parent_trace_id AND r.completed_at IS NULL",
    [ELG_POSTGRES_SAVE] =
        "SAVEPOINT turn",
    [ELG_POSTGRES_SAVE_BACK] =
        "ROLLBACK TO SAVEPOINT turn",
    [ELG_POSTGRES_SAVE_DROP] =
        "RELEASE SAVEPOINT turn",
    [ELG_POSTGRES_MARK] =
        "WITH w AS (UPDATE cmo_flushes SET flush = $2::bigint, fence = $2::bigint + 1 "
        "WHERE worker = $1::bigint AND fence <= $2::bigint RETURNING 1) SELECT 1 / "
        "count(*) FROM w",
    [ELG_POSTGRES_MARK_SETTLE] =
        "UPDATE cmo_flushes SET fence = greatest(fence, $2::bigint + 1) WHERE worker = "
        "$1::bigint RETURNING flush",
    [ELG_POSTGRES_MARK_AGAIN] =
        "INSERT INTO cmo_flushes (worker, flush, fence) VALUES ($1::bigint, -1, "
        "$2::bigint) ON CONFLICT (worker) DO NOTHING",
    [ELG_POSTGRES_TOKEN_FENCE] =
        "UPDATE cmo_runs r SET flush = $3::bigint + 1 FROM (SELECT * FROM "
        "unnest($1::text[], $2::int8[]) LIMIT $4::bigint) AS t (trace_id, epoch) WHERE "
        "r.trace_id = t.trace_id AND r.epoch = t.epoch AND r.flush < $3::bigint",
    [ELG_POSTGRES_TOKEN_READ] =
        "SELECT r.flush FROM (SELECT * FROM unnest($1::text[], $2::int8[]) LIMIT "
        "$3::bigint) AS t (trace_id, epoch) JOIN cmo_runs r ON r.trace_id = t.trace_id "
        "AND r.epoch = t.epoch LIMIT 1",
    [ELG_POSTGRES_RUN_UPDATE] =
        "WITH w AS (UPDATE cmo_runs r SET status = t.status, error = t.error, "
        "step_count = t.step_count, chain = t.chain, due_at = t.due_at, started_at = "
        "t.started_at, completed_at = t.completed_at, updated_at = t.updated_at, claims "
        "= CASE WHEN t.progress THEN 0 ELSE r.claims END, worker = CASE WHEN "
        "t.completed_at IS NULL THEN $13::bigint END, flush = $14::bigint FROM (SELECT "
        "* FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[], $5::bytea[], "
        "$6::int8[], $7::text[], $8::timestamptz[], $9::timestamptz[], "
        "$10::timestamptz[], $11::timestamptz[], $12::bool[]) LIMIT $15::bigint) AS t "
        "(trace_id, epoch, step_count_before, status, error, step_count, chain, due_at, "
        "started_at, completed_at, updated_at, progress) WHERE r.trace_id = t.trace_id "
        "AND r.epoch = t.epoch AND r.step_count = t.step_count_before AND r.flush <= "
        "$14::bigint AND coalesce(r.completed_at, '-infinity') = '-infinity' RETURNING "
        "1) SELECT 1 / (count(*) = cardinality($1::text[]))::int FROM w",
    [ELG_POSTGRES_RUN_UPDATE_ONE] =
        "WITH w AS (UPDATE cmo_runs SET status = $4::text, error = $5::bytea, "
        "step_count = $6::int8, chain = $7::text, due_at = $8::timestamptz, started_at "
        "= $9::timestamptz, completed_at = $10::timestamptz, updated_at = "
        "$11::timestamptz, claims = CASE WHEN $12::bool THEN 0 ELSE claims END, worker "
        "= CASE WHEN $10::timestamptz IS NULL THEN $13::bigint END, flush = $14::bigint "
        "WHERE trace_id = $1::text AND epoch = $2::int8 AND step_count = $3::int8 AND "
        "flush <= $14::bigint AND coalesce(completed_at, '-infinity') = '-infinity' "
        "RETURNING 1) SELECT 1 / count(*) FROM w",
    [ELG_POSTGRES_RUN_INSERT] =
        "WITH w AS (INSERT INTO cmo_runs (trace_id, graph_id, graph_version, "
        "graph_hash, status, seed, step_count, chain, epoch, claims, abort_requested, "
        "due_at, error, started_at, completed_at, created_at, updated_at, worker) "
        "SELECT t.*, CASE WHEN t.status <> 'pending' THEN $18::bigint END FROM "
        "unnest($1::text[], $2::text[], $3::text[], "
        "$4::text[], $5::text[], $6::text[], $7::int8[], $8::text[], $9::int8[], "
        "$10::int4[], $11::bool[], $12::timestamptz[], $13::bytea[], "
        "$14::timestamptz[], $15::timestamptz[], $16::timestamptz[], "
        "$17::timestamptz[]) AS t (trace_id, graph_id, graph_version, graph_hash, "
        "status) ON CONFLICT (trace_id) DO NOTHING RETURNING 1) SELECT "
        "1 / (count(*) = cardinality($1::text[]))::int FROM w",
    [ELG_POSTGRES_INPUT_INSERT] =
        "INSERT INTO cmo_inputs (trace_id, input, initial_state, limits) SELECT * FROM "
        "unnest($1::text[], $2::bytea[], $3::bytea[], $4::bytea[])",
    [ELG_POSTGRES_INPUT_UPDATE] =
        "UPDATE cmo_inputs i SET initial_state = t.state FROM (SELECT * FROM "
        "unnest($1::text[], $2::bytea[]) LIMIT $3::bigint) AS t (trace_id, state) WHERE "
        "i.trace_id = t.trace_id",
    [ELG_POSTGRES_QUOTA_WRITE] =
        "UPDATE cmo_runs r SET priority = t.priority, limited = t.running_max > 0 OR "
        "t.key_running_max > 0 OR t.rate_count > 0, running_max = t.running_max, "
        "limit_key = nullif(t.key, ''), key_running_max = t.key_running_max, rate_count "
        "= t.rate_count, rate_ms = t.rate_ms FROM (SELECT * FROM unnest($1::text[], "
        "$2::int4[], $3::int4[], $4::text[], $5::int4[], $6::int4[], $7::int4[]) LIMIT "
        "$8::bigint) AS t (trace_id, priority, running_max, key, key_running_max, "
        "rate_count, rate_ms) WHERE r.trace_id = t.trace_id",
    [ELG_POSTGRES_STEPS_WRITE] =
        "WITH w AS (INSERT INTO cmo_steps (trace_id, step_index, attempt, node_id, "
        "status, input_hash, state_hash, output_hash, next_edge, next_node, fuel, "
        "activity_count, clock, retry_at, started_at, completed_at, duration_ms, "
        "fingerprint, digest, chain, state, output, metadata, error, stop) SELECT * "
        "FROM unnest($1::text[], $2::int4[], $3::int4[], $4::text[], $5::text[], "
        "$6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int8[], "
        "$12::int4[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], "
        "$16::timestamptz[], $17::float8[], $18::text[], $19::text[], $20::text[], "
        "$21::bytea[], $22::bytea[], $23::bytea[], $24::bytea[], $25::bytea[]) ON "
        "CONFLICT (trace_id, step_index, attempt) DO UPDATE SET node_id = "
        "excluded.node_id, status = excluded.status, input_hash = excluded.input_hash, "
        "state_hash = excluded.state_hash, output_hash = excluded.output_hash, "
        "next_edge = excluded.next_edge, next_node = excluded.next_node, fuel = "
        "excluded.fuel, activity_count = excluded.activity_count, clock = "
        "excluded.clock, retry_at = excluded.retry_at, started_at = "
        "excluded.started_at, completed_at = excluded.completed_at, duration_ms = "
        "excluded.duration_ms, fingerprint = excluded.fingerprint, digest = "
        "excluded.digest, chain = excluded.chain, state = excluded.state, output = "
        "excluded.output, metadata = excluded.metadata, error = excluded.error, stop = "
        "excluded.stop WHERE cmo_steps.status = 'open' RETURNING 1) SELECT 1 / "
        "(count(*) = cardinality($1::text[]))::int FROM w",
    [ELG_POSTGRES_STEP_WRITE_ONE] =
        "WITH w AS (INSERT INTO cmo_steps (trace_id, step_index, attempt, node_id, "
        "status, input_hash, state_hash, output_hash, next_edge, next_node, fuel, "
        "activity_count, clock, retry_at, started_at, completed_at, duration_ms, "
        "fingerprint, digest, chain, state, output, metadata, error, stop) VALUES "
        "($1::text, $2::int4, $3::int4, $4::text, $5::text, $6::text, $7::text, "
        "$8::text, $9::text, $10::text, $11::int8, $12::int4, $13::timestamptz, "
        "$14::timestamptz, $15::timestamptz, $16::timestamptz, $17::float8, $18::text, "
        "$19::text, $20::text, $21::bytea, $22::bytea, $23::bytea, $24::bytea, "
        "$25::bytea) ON CONFLICT (trace_id, step_index, attempt) DO UPDATE SET node_id "
        "= excluded.node_id, status = excluded.status, input_hash = "
        "excluded.input_hash, state_hash = excluded.state_hash, output_hash = "
        "excluded.output_hash, next_edge = excluded.next_edge, next_node = "
        "excluded.next_node, fuel = excluded.fuel, activity_count = "
        "excluded.activity_count, clock = excluded.clock, retry_at = excluded.retry_at, "
        "started_at = excluded.started_at, completed_at = excluded.completed_at, "
        "duration_ms = excluded.duration_ms, fingerprint = excluded.fingerprint, digest "
        "= excluded.digest, chain = excluded.chain, state = excluded.state, output = "
        "excluded.output, metadata = excluded.metadata, error = excluded.error, stop = "
        "excluded.stop WHERE cmo_steps.status = 'open' RETURNING 1) SELECT 1 / count(*) "
        "FROM w",
    [ELG_POSTGRES_STEPS_INSERT] =
        "INSERT INTO cmo_steps (trace_id, step_index, attempt, node_id, status, "
        "input_hash, state_hash, output_hash, next_edge, next_node, fuel, "
        "activity_count, clock, retry_at, started_at, completed_at, duration_ms, "
        "fingerprint, digest, chain, state, output, metadata, error, stop) SELECT * "
        "FROM unnest($1::text[], $2::int4[], $3::int4[], $4::text[], $5::text[], "
        "$6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::int8[], "
        "$12::int4[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[], "
        "$16::timestamptz[], $17::float8[], $18::text[], $19::text[], $20::text[], "
        "$21::bytea[], $22::bytea[], $23::bytea[], $24::bytea[], $25::bytea[])",
    [ELG_POSTGRES_STEP_INSERT_ONE] =
        "INSERT INTO cmo_steps (trace_id, step_index, attempt, node_id, status, "
        "input_hash, state_hash, output_hash, next_edge, next_node, fuel, "
        "activity_count, clock, retry_at, started_at, completed_at, duration_ms, "
        "fingerprint, digest, chain, state, output, metadata, error, stop) VALUES "
        "($1::text, $2::int4, $3::int4, $4::text, $5::text, $6::text, $7::text, "
        "$8::text, $9::text, $10::text, $11::int8, $12::int4, $13::timestamptz, "
        "$14::timestamptz, $15::timestamptz, $16::timestamptz, $17::float8, $18::text, "
        "$19::text, $20::text, $21::bytea, $22::bytea, $23::bytea, $24::bytea, "
        "$25::bytea)",
    [ELG_POSTGRES_ACTIVITIES_WRITE] =
        "WITH w AS (INSERT INTO cmo_activities (trace_id, step_index, attempt, seq, "
        "activity_type, status, request_hash, idempotency_key, due_at, \"timestamp\", "
        "location, digest, response_blob_ref, request_data, response_data) SELECT * "
        "FROM unnest($1::text[], $2::int4[], $3::int4[], $4::int4[], $5::text[], "
        "$6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], "
        "$11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[]) ON CONFLICT "
        "(trace_id, step_index, attempt, seq) DO UPDATE SET activity_type = "
        "excluded.activity_type, status = excluded.status, request_hash = "
        "excluded.request_hash, idempotency_key = excluded.idempotency_key, due_at = "
        "excluded.due_at, \"timestamp\" = excluded.\"timestamp\", location = "
        "excluded.location, digest = excluded.digest, response_blob_ref = "
        "excluded.response_blob_ref, request_data = excluded.request_data, "
        "response_data = excluded.response_data WHERE cmo_activities.status = 'intent' "
        "RETURNING 1) SELECT 1 / (count(*) = cardinality($1::text[]))::int FROM w",
    [ELG_POSTGRES_ACTIVITY_WRITE_ONE] =
        "WITH w AS (INSERT INTO cmo_activities (trace_id, step_index, attempt, seq, "
        "activity_type, status, request_hash, idempotency_key, due_at, \"timestamp\", "
        "location, digest, response_blob_ref, request_data, response_data) VALUES "
        "($1::text, $2::int4, $3::int4, $4::int4, $5::text, $6::text, $7::text, "
        "$8::text, $9::timestamptz, $10::timestamptz, $11::text, $12::text, $13::text, "
        "$14::bytea, $15::bytea) ON CONFLICT (trace_id, step_index, attempt, seq) DO "
        "UPDATE SET activity_type = excluded.activity_type, status = excluded.status, "
        "request_hash = excluded.request_hash, idempotency_key = "
        "excluded.idempotency_key, due_at = excluded.due_at, \"timestamp\" = "
        "excluded.\"timestamp\", location = excluded.location, digest = excluded.digest, "
        "response_blob_ref = excluded.response_blob_ref, request_data = "
        "excluded.request_data, response_data = excluded.response_data WHERE "
        "cmo_activities.status = 'intent' RETURNING 1) SELECT 1 / count(*) FROM w",
    [ELG_POSTGRES_FENCE_READ] =
        "SELECT epoch FROM cmo_runs WHERE trace_id = $1::text",
    [ELG_POSTGRES_REOPEN] =
        "WITH w AS (UPDATE cmo_runs r SET status = 'running', completed_at = NULL, claims "
        "= 0, abort_requested = false, epoch = r.epoch + 1, flush = 0 FROM "
        "unnest($1::text[], $2::bigint[]) AS t (trace_id, epoch) WHERE r.trace_id = "
        "t.trace_id AND r.epoch = t.epoch - 1 AND r.completed_at IS NOT NULL AND r.status "
        "<> 'completed' RETURNING 1) SELECT 1 / (count(*) = cardinality($1::text[]))::int "
        "FROM w",
    [ELG_POSTGRES_REOPENED_FREE] =
        "UPDATE cmo_runs SET worker = NULL WHERE trace_id = ANY ($1::text[])",
    [ELG_POSTGRES_REOPENED_UNTELL] =
        "DELETE FROM cmo_signals s USING cmo_runs r WHERE r.trace_id = ANY ($1::text[]) "
        "AND s.trace_id = r.parent_trace_id AND s.signal_key = '$' || r.trace_id AND "
        "s.name = '$child'",
    [ELG_POSTGRES_SIGNALS_USE] =
        "WITH w AS (UPDATE cmo_signals s SET payload = NULL, consumed_step = t.step, "
        "consumed_attempt = t.attempt, consumed_seq = t.seq FROM unnest($1::text[], "
        "$2::int8[], $3::int4[], $4::int4[], $5::int4[]) AS t (trace_id, no, step, "
        "attempt, seq) WHERE s.signal_no = t.no AND s.trace_id = t.trace_id AND "
        "s.consumed_step IS NULL RETURNING 1) SELECT 1 / (count(*) = "
        "cardinality($1::text[]))::int FROM w",
    [ELG_POSTGRES_CHILDREN_INSERT] =
        "INSERT INTO cmo_runs (trace_id, graph_id, graph_version, graph_hash, status, "
        "seed, step_count, chain, epoch, claims, abort_requested, created_at, "
        "updated_at, parent_trace_id, parent_step, parent_seq, depth) SELECT t.trace_id, "
        "t.graph_id, t.graph_version, t.graph_hash, 'pending', t.seed, 0, t.chain, 0, 0, "
        "false, clock_timestamp(), clock_timestamp(), t.parent_trace_id, t.parent_step, "
        "t.parent_seq, t.depth FROM unnest($1::text[], $2::text[], $3::text[], "
        "$4::text[], $5::text[], $6::text[], $7::text[], $8::int4[], $9::int4[], "
        "$10::int4[]) AS t (trace_id, graph_id, graph_version, graph_hash, seed, chain, "
        "parent_trace_id, parent_step, parent_seq, depth) ON CONFLICT (trace_id) DO "
        "NOTHING",
    [ELG_POSTGRES_CHILDREN_INPUT] =
        "INSERT INTO cmo_inputs (trace_id, input, limits) SELECT * FROM "
        "unnest($1::text[], $2::bytea[], $3::bytea[]) ON CONFLICT (trace_id) DO NOTHING",
    [ELG_POSTGRES_CHILDREN_MARK] =
        "UPDATE cmo_runs SET has_children = true WHERE trace_id = ANY ($1::text[]) AND "
        "NOT has_children",
    [ELG_POSTGRES_CHILDREN_ABORT] =
        "UPDATE cmo_runs SET abort_requested = true, due_at = CASE WHEN status = "
        "'waiting' THEN clock_timestamp() ELSE due_at END WHERE parent_trace_id = ANY "
        "($1::text[]) AND completed_at IS NULL",
    [ELG_POSTGRES_SIGNALS_DUE] =
        "UPDATE cmo_runs r SET due_at = clock_timestamp() FROM unnest($1::text[], "
        "$2::int8[]) AS t (trace_id, seen) WHERE r.trace_id = t.trace_id AND "
        "coalesce(r.due_at > clock_timestamp(), true) AND EXISTS (SELECT 1 FROM "
        "cmo_signals s WHERE s.trace_id = t.trace_id AND s.signal_no > t.seen AND "
        "s.consumed_step IS NULL)",
    [ELG_POSTGRES_BEGIN_READ] =
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    [ELG_POSTGRES_RESERVE] =
        "INSERT INTO cmo_reservations AS v (trace_id, worker) SELECT $1::text, "
        "$2::bigint WHERE NOT EXISTS (SELECT 1 FROM cmo_runs r JOIN cmo_workers w ON "
        "w.worker = r.worker WHERE r.trace_id = $1::text AND r.completed_at IS NULL AND "
        "r.worker <> $2::bigint AND w.lease_until > clock_timestamp()) ON CONFLICT "
        "(trace_id) DO UPDATE SET worker = $2::bigint WHERE v.worker = $2::bigint OR "
        "NOT EXISTS (SELECT 1 FROM cmo_workers w WHERE w.worker = v.worker AND "
        "w.lease_until > clock_timestamp()) RETURNING 1",
    [ELG_POSTGRES_RELEASE] =
        "UPDATE cmo_runs SET worker = NULL WHERE trace_id = $1::text AND worker = "
        "$2::bigint AND completed_at IS NULL",
    [ELG_POSTGRES_UNRESERVE] =
        "DELETE FROM cmo_reservations WHERE trace_id = $1::text AND worker = $2::bigint",
    [ELG_POSTGRES_HAND_BACK] =
        "UPDATE cmo_runs SET worker = NULL, claims = greatest(claims - 1, 0) WHERE "
        "trace_id = $1::text AND worker = $2::bigint AND completed_at IS NULL",
    [ELG_POSTGRES_HAND_BACK_MANY] = ELG_POSTGRES_SQL_HAND_BACK_MANY,
    [ELG_POSTGRES_DUE_READ] =
        "SELECT min(due_at) FROM cmo_runs WHERE completed_at IS NULL AND worker IS NULL "
        "AND due_at IS NOT NULL AND due_at > now()",
    [ELG_POSTGRES_OWNER_READ] =
        "SELECT w.owner FROM cmo_workers w WHERE w.worker IN (SELECT worker FROM "
        "cmo_runs WHERE trace_id = $1::text UNION ALL SELECT worker FROM "
        "cmo_reservations WHERE trace_id = $1::text) AND w.worker <> $2::bigint",
    [ELG_POSTGRES_CLAIM] =
        "UPDATE cmo_runs r SET epoch = " ELG_POSTGRES_SQL_COUNTED ", flush = 0, "
        "worker = $2::bigint, updated_at = $3::timestamptz, claimed_by = $5::text WHERE "
        "r.trace_id = $1::text AND r.completed_at IS NULL AND r.claims < $4::int4 AND (r.worker IS NULL OR "
        "r.worker = $2::bigint OR NOT EXISTS (SELECT 1 FROM cmo_workers w WHERE "
        "w.worker = r.worker AND w.lease_until > clock_timestamp())) RETURNING 1",
    [ELG_POSTGRES_QUARANTINE] =
        "UPDATE cmo_runs r SET epoch = " ELG_POSTGRES_SQL_COUNTED ", flush = 0, "
        "worker = NULL, updated_at = $3::timestamptz, status = 'quarantined', error = "
        ELG_POSTGRES_SQL_QUARANTINED("$5") ", completed_at = $3::timestamptz WHERE r.trace_id = $1::text AND "
        "r.completed_at IS NULL AND r.claims >= $4::int4 AND (r.worker IS NULL OR "
        "r.worker = $2::bigint OR NOT EXISTS (SELECT 1 FROM cmo_workers w WHERE "
        "w.worker = r.worker AND w.lease_until > clock_timestamp())) RETURNING 1",
    [ELG_POSTGRES_QUOTAS_LOCK] = ELG_POSTGRES_SQL_QUOTAS_LOCK,
    [ELG_POSTGRES_CLAIM_NEXT] = ELG_POSTGRES_SQL_CLAIM_NEXT,
    [ELG_POSTGRES_CLAIM_NAMED] = ELG_POSTGRES_SQL_CLAIM_NAMED,
    [ELG_POSTGRES_ABORT] =
        "UPDATE cmo_runs SET abort_requested = true, updated_at = $2::timestamptz WHERE "
        "trace_id = $1::text AND NOT abort_requested AND completed_at IS NULL",
    [ELG_POSTGRES_ABORTS_READ] =
        "SELECT r.trace_id, r.graph_id, r.graph_version, r.graph_hash, r.status, "
        "r.seed, r.step_count, r.chain, r.epoch, r.claims, r.abort_requested, r.due_at, "
        "r.error, r.started_at, r.completed_at, r.created_at, r.updated_at, r.parent_trace_id, "
        "coalesce(r.parent_step, 0) AS parent_step, coalesce(r.parent_seq, 0) AS parent_seq, r.depth, r.has_children, i.trace_id, "
        "i.input, i.initial_state, i.limits FROM cmo_runs r LEFT JOIN cmo_inputs i ON "
        "i.trace_id = r.trace_id WHERE r.worker = $1::bigint AND r.abort_requested AND "
        "r.completed_at IS NULL",
    [ELG_POSTGRES_NOTIFY] =
        "SELECT pg_notify('cmo_aborts', $1::text)",
    [ELG_POSTGRES_GRAPH_EXISTS] =
        "SELECT 1 FROM cmo_graphs WHERE graph_hash = $1::text AND created_at > now() - "
        "interval '12 hours'",
    [ELG_POSTGRES_GRAPH_INSERT] =
        "INSERT INTO cmo_graphs (graph_hash, graph_id, graph_version, definition, "
        "created_at) VALUES ($1::text, $2::text, $3::text, $4::bytea, $5::timestamptz) "
        "ON CONFLICT (graph_hash) DO UPDATE SET created_at = excluded.created_at",
    [ELG_POSTGRES_GRAPH_READ] =
        "SELECT graph_hash, graph_id, graph_version, definition FROM cmo_graphs WHERE "
        "graph_hash = $1::text",
    [ELG_POSTGRES_CHILDREN_READ] =
        "SELECT trace_id FROM cmo_runs WHERE parent_trace_id = $1::text AND completed_at "
        "IS NULL",
    [ELG_POSTGRES_CHILDREN_FAILED] =
        "SELECT trace_id FROM cmo_runs WHERE parent_trace_id = $1::text AND parent_step = "
        "$2::int4 AND completed_at IS NOT NULL AND status <> 'completed'",
    [ELG_POSTGRES_SIGNAL_LOCK] =
        "SELECT status FROM cmo_runs WHERE trace_id = $1::text FOR NO KEY UPDATE",
    [ELG_POSTGRES_SIGNAL_COUNT] =
        "SELECT count(*), coalesce(sum(payload_bytes), 0)::bigint FROM cmo_signals "
        "WHERE trace_id = $1::text AND consumed_step IS NULL AND name <> '$child'",
    [ELG_POSTGRES_SIGNAL_KEY] =
        "SELECT name, payload_hash, token = $3::bigint FROM cmo_signals WHERE trace_id "
        "= $1::text AND (signal_key = nullif($2::text, '') OR token = $3::bigint)",
    [ELG_POSTGRES_SIGNAL_INSERT] =
        "INSERT INTO cmo_signals (trace_id, name, signal_key, token, payload_hash, "
        "payload_bytes, payload) VALUES ($1::text, $2::text, nullif($3::text, ''), "
        "$4::bigint, $5::text, $6::bigint, $7::bytea)",
    [ELG_POSTGRES_SIGNAL_WAKE] =
        "UPDATE cmo_runs SET due_at = clock_timestamp() WHERE trace_id = $1::text AND "
        "status = 'waiting' AND completed_at IS NULL AND coalesce(due_at > "
        "clock_timestamp(), true)",
    [ELG_POSTGRES_SIGNALS_LAST] =
        "SELECT coalesce(max(signal_no), 0) FROM cmo_signals WHERE trace_id = $1::text",
    [ELG_POSTGRES_SIGNAL_READ] =
        "SELECT signal_no, name, signal_key, payload_hash, payload FROM cmo_signals "
        "WHERE trace_id = $1::text AND name = $2::text AND signal_no > $3::bigint AND "
        "consumed_step IS NULL ORDER BY signal_no LIMIT 1",
    [ELG_POSTGRES_SIGNALS_NEW] =
        "SELECT DISTINCT s.trace_id FROM cmo_signals s JOIN cmo_runs r ON r.trace_id = "
        "s.trace_id WHERE s.consumed_step IS NULL AND r.worker = $1::bigint AND "
        "r.status = 'waiting' AND r.completed_at IS NULL",
    [ELG_POSTGRES_RUN_READ] =
        "SELECT r.trace_id, r.graph_id, r.graph_version, r.graph_hash, r.status, "
        "r.seed, r.step_count, r.chain, r.epoch, r.claims, r.abort_requested, r.due_at, "
        "r.error, r.started_at, r.completed_at, r.created_at, r.updated_at, r.parent_trace_id, "
        "coalesce(r.parent_step, 0) AS parent_step, coalesce(r.parent_seq, 0) AS parent_seq, r.depth, r.has_children, i.trace_id, "
        "i.input, i.initial_state, i.limits FROM cmo_runs r LEFT JOIN cmo_inputs i ON "
        "i.trace_id = r.trace_id WHERE r.trace_id = $1::text",
    [ELG_POSTGRES_RUN_EXISTS] =
        "SELECT 1 FROM cmo_runs WHERE trace_id = $1::text",
    [ELG_POSTGRES_LIST_ALL] =
        "DECLARE runs NO SCROLL CURSOR FOR SELECT r.trace_id, r.graph_id, "
        "r.graph_version, r.graph_hash, r.status, r.seed, r.step_count, r.chain, "
        "r.epoch, r.claims, r.abort_requested, r.due_at, r.error, r.started_at, "
        "r.completed_at, r.created_at, r.updated_at, r.parent_trace_id, "
        "coalesce(r.parent_step, 0) AS parent_step, coalesce(r.parent_seq, 0) AS parent_seq, r.depth, "
        "r.has_children FROM cmo_runs r WHERE r.created_at "
        "BETWEEN $1::timestamptz AND $2::timestamptz AND (r.created_at < $2::timestamptz "
        "OR r.run_no < $3::bigint) AND ($4::text[] IS NULL OR r.status = ANY ($4::text[])) AND "
        "($5::text IS NULL "
        "OR r.graph_id = $5::text) ORDER BY r.created_at DESC, r.run_no DESC",
    [ELG_POSTGRES_LIST_UNFINISHED] =
        "DECLARE runs NO SCROLL CURSOR FOR SELECT r.trace_id, r.graph_id, "
        "r.graph_version, r.graph_hash, r.status, r.seed, r.step_count, r.chain, "
        "r.epoch, r.claims, r.abort_requested, r.due_at, r.error, r.started_at, "
        "r.completed_at, r.created_at, r.updated_at, r.parent_trace_id, "
        "coalesce(r.parent_step, 0) AS parent_step, coalesce(r.parent_seq, 0) AS parent_seq, r.depth, "
        "r.has_children FROM cmo_runs r WHERE r.completed_at IS NULL AND r.created_at "
        "BETWEEN $1::timestamptz AND $2::timestamptz AND (r.created_at < $2::timestamptz "
        "OR r.run_no < $3::bigint) AND ($4::text[] IS NULL OR r.status = ANY ($4::text[])) AND "
        "($5::text IS NULL "
        "OR r.graph_id = $5::text) ORDER BY r.created_at DESC, r.run_no DESC",
    [ELG_POSTGRES_LIST_AFTER] =
        "SELECT created_at, run_no FROM cmo_runs WHERE trace_id = $1::text",
    [ELG_POSTGRES_LIST_STRAYS] =
        "SELECT trace_id, completed_at IS NULL FROM cmo_runs WHERE (created_at < 'epoch' "
        "OR created_at > $1::timestamptz) AND ($2::text[] IS NULL OR status = ANY "
        "($2::text[])) AND ($3::text IS NULL OR graph_id = $3::text) AND (NOT $4::bool OR "
        "completed_at IS NULL)",
    [ELG_POSTGRES_TREES_REMOVE] = ELG_POSTGRES_SQL_TREES_REMOVE,
    [ELG_POSTGRES_TREES_COUNT] = ELG_POSTGRES_SQL_TREES_COUNT,
    [ELG_POSTGRES_GRAPHS_REMOVE] = ELG_POSTGRES_SQL_GRAPHS_REMOVE,
    [ELG_POSTGRES_GRAPHS_COUNT] = ELG_POSTGRES_SQL_GRAPHS_COUNT,
    [ELG_POSTGRES_REFERENCES_READ] = ELG_POSTGRES_SQL_REFERENCES_READ,
    [ELG_POSTGRES_REFERENCES_FETCH] = "FETCH 256 FROM texts",
    [ELG_POSTGRES_LIST_FETCH] =
        "FETCH 256 FROM runs",
    [ELG_POSTGRES_STEPS_READ] =
        "DECLARE steps NO SCROLL CURSOR FOR SELECT step_index, attempt, node_id, "
        "status, input_hash, state_hash, output_hash, next_edge, next_node, fuel, "
        "activity_count, clock, retry_at, started_at, completed_at, duration_ms, "
        "fingerprint, digest, chain, state, output, metadata, error, stop FROM "
        "cmo_steps WHERE trace_id = $1::text AND step_index BETWEEN $2::int4 AND "
        "$3::int4 ORDER BY step_index, attempt",
    [ELG_POSTGRES_STEPS_FETCH] =
        "FETCH 64 FROM steps",
    [ELG_POSTGRES_STEPS_FETCH_ONE] =
        "FETCH 1 FROM steps",
    [ELG_POSTGRES_ACTIVITIES_READ] =
        "DECLARE activities NO SCROLL CURSOR FOR SELECT step_index, attempt, seq, "
        "activity_type, status, request_hash, idempotency_key, due_at, \"timestamp\", "
        "location, digest, response_blob_ref, request_data, response_data FROM "
        "cmo_activities WHERE trace_id = $1::text AND step_index BETWEEN $2::int4 AND "
        "$3::int4 ORDER BY step_index, attempt, seq",
    [ELG_POSTGRES_ACTIVITIES_FETCH] =
        "FETCH 64 FROM activities",
    [ELG_POSTGRES_ACTIVITIES_FETCH_ONE] =
        "FETCH 1 FROM activities",
    [ELG_POSTGRES_WORKER_INSERT] =
        "WITH w AS (INSERT INTO cmo_workers (owner, lease_until) VALUES ($1::text, "
        "clock_timestamp() + $2::int8 * interval '1 millisecond') RETURNING worker), f "
        "AS (INSERT INTO cmo_flushes (worker, flush, fence) SELECT worker, 0, 1 FROM w) "
        "SELECT worker, clock_timestamp() FROM w",
    [ELG_POSTGRES_WORKER_RENEW] =
        "UPDATE cmo_workers SET lease_until = clock_timestamp() + $2::int8 * interval "
        "'1 millisecond' WHERE worker = $1::bigint RETURNING clock_timestamp(), EXISTS "
        "(SELECT 1 FROM cmo_runs r WHERE r.worker = $1::bigint AND r.abort_requested "
        "AND r.completed_at IS NULL)",
    [ELG_POSTGRES_WORKER_AGAIN] =
        "INSERT INTO cmo_workers (worker, owner, lease_until) VALUES ($1::bigint, "
        "$3::text, clock_timestamp() + $2::int8 * interval '1 millisecond') ON CONFLICT "
        "(worker) DO NOTHING",
    [ELG_POSTGRES_WORKERS_DEAD] =
        "WITH d AS (SELECT r.trace_id FROM cmo_workers w JOIN cmo_runs r ON r.worker = "
        "w.worker WHERE r.completed_at IS NULL AND w.lease_until < clock_timestamp() "
        "AND w.worker <> $1::bigint LIMIT 1000 FOR UPDATE OF r SKIP LOCKED) UPDATE "
        "cmo_runs r SET worker = NULL FROM d WHERE r.trace_id = d.trace_id",
    [ELG_POSTGRES_WORKER_DELETE] =
        "WITH u AS (UPDATE cmo_runs SET worker = NULL WHERE worker = $1::bigint AND "
        "completed_at IS NULL), r AS (DELETE FROM cmo_reservations WHERE worker = "
        "$1::bigint), f AS (DELETE FROM cmo_flushes WHERE worker = $1::bigint) DELETE "
        "FROM cmo_workers WHERE worker = $1::bigint",
    [ELG_POSTGRES_WORKERS_SWEEP] =
        "WITH d AS (DELETE FROM cmo_workers WHERE lease_until < clock_timestamp() - "
        "interval '1 day' RETURNING worker), u AS (UPDATE cmo_runs c SET worker = NULL "
        "FROM d WHERE c.worker = d.worker AND c.completed_at IS NULL), r AS (DELETE "
        "FROM cmo_reservations v USING d WHERE v.worker = d.worker) DELETE FROM "
        "cmo_flushes f USING d WHERE f.worker = d.worker",
    [ELG_POSTGRES_RELEASE_OTHERS] =
        "UPDATE cmo_runs SET worker = NULL WHERE worker = $1::bigint AND completed_at "
        "IS NULL AND trace_id <> ALL ($2::text[])",
    [ELG_POSTGRES_ARTIFACT_TOUCH] =
        "UPDATE cmo_artifacts SET created_at = clock_timestamp() WHERE artifact_hash = "
        "$1::text AND chunk_index = 0 AND created_at < clock_timestamp() - interval '1 "
        "minute'",
    [ELG_POSTGRES_ARTIFACT_WHOLE] =
        "SELECT 1 FROM cmo_artifacts WHERE artifact_hash = $1::text HAVING count(*) = "
        "max(chunk_count) AND max(size_bytes) = $2::int8 AND sum(octet_length(data)) = "
        "$2::int8",
    [ELG_POSTGRES_ARTIFACT_DELETE] =
        "DELETE FROM cmo_artifacts WHERE artifact_hash = $1::text",
    [ELG_POSTGRES_ARTIFACT_INSERT] =
        "INSERT INTO cmo_artifacts (artifact_hash, chunk_index, chunk_count, size_bytes, "
        "data) VALUES ($1::text, $2::int4, $3::int4, $4::int8, $5::bytea) ON CONFLICT "
        "(artifact_hash, chunk_index) DO NOTHING",
    [ELG_POSTGRES_ARTIFACT_READ] =
        "SELECT chunk_index, chunk_count, size_bytes, data FROM cmo_artifacts WHERE "
        "artifact_hash = $1::text AND chunk_index >= $2::int4 AND chunk_index < "
        "$3::int4 ORDER BY chunk_index",
    [ELG_POSTGRES_ARTIFACT_LIST] =
        "SELECT artifact_hash, size_bytes, greatest(extract(epoch FROM clock_timestamp() "
        "- created_at) * 1000, 0)::int8 FROM cmo_artifacts WHERE artifact_hash > "
        "$1::text AND chunk_index = 0 ORDER BY artifact_hash LIMIT 256",
    [ELG_POSTGRES_ARTIFACT_REMOVE] =
        "WITH d AS (DELETE FROM cmo_artifacts WHERE artifact_hash = $1::text AND "
        "chunk_index = 0 AND created_at <= clock_timestamp() - $2::int8 * interval '1 "
        "millisecond' RETURNING 1), r AS (DELETE FROM cmo_artifacts WHERE artifact_hash "
        "= $1::text AND chunk_index > 0 AND EXISTS (SELECT 1 FROM d)) SELECT 1 FROM d",
};
/* clang-format on */

const char *elg_postgres_sql(enum elg_postgres_statement statement)
{
    return SQL[statement];
}
