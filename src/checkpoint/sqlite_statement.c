/* sqlite_statement: the SQL of the back end, prepared once per connection, and binding.
 *
 * Uses sqlite.h. The order of columns here is the order in which sqlite_commit.c binds
 * and sqlite_row.c reads them.
 */
#include "checkpoint/sqlite.h"

#include <string.h>

#define RUN_SUMMARY                                                                      \
    "r.trace_id, r.graph_id, r.graph_version, r.graph_hash, r.status, r.seed, "          \
    "r.step_count, r.chain, r.epoch, r.claims, r.abort_requested, r.due_at, r.error, "   \
    "r.started_at, r.completed_at, r.created_at, r.updated_at, "                         \
    "r.parent_trace_id, r.parent_step, r.parent_seq, r.depth, r.has_children"
#define FREE                                                                             \
    "free = 1 AND completed_at IS NULL AND (due_at IS NOT NULL OR status <> 'waiting')"
#define TREE                                                                             \
    "WITH RECURSIVE t (id) AS (SELECT ?1 UNION ALL SELECT r.trace_id FROM cmo_runs r "   \
    "JOIN t ON r.parent_trace_id = t.id) "
#define TREE_DELETE(table) "DELETE FROM " table " WHERE trace_id IN (SELECT id FROM t)"
/* A payload that lies elsewhere: payload.h. */
#define LIES(column)                                                                     \
    "(length(" column ") = 72 AND substr(" column ", 1, 8) = CAST('@sha256:' AS BLOB)) "
#define LIST_FILTER                                                                      \
    "r.created_at BETWEEN ?1 AND ?2 AND (r.created_at < ?2 OR r.rowid < ?3) "            \
    "AND (?4 IS NULL OR instr(?4, r.status || ',') > 0) AND (?5 IS NULL OR r.graph_id "  \
    "= ?5)"
#define STRAYS(where)                                                                    \
    "SELECT trace_id, 'created_at' FROM cmo_runs WHERE " where                           \
    " AND (?2 IS NULL OR instr(?2, status || ',') > 0) AND (?3 IS NULL OR graph_id = "   \
    "?3)"
#define LIST_ORDER " ORDER BY r.created_at DESC, r.rowid DESC"

static const char *const SQL[ELG_SQLITE_STATEMENT_COUNT] = {
    [ELG_SQLITE_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [ELG_SQLITE_BEGIN_READ] = "BEGIN",
    [ELG_SQLITE_COMMIT] = "COMMIT",
    [ELG_SQLITE_ROLLBACK] = "ROLLBACK",
    /* Without completed_at, so that no index is written but the row alone. */
    [ELG_SQLITE_TURN_GO] =
        "UPDATE cmo_runs SET status = ?1, error = ?2, step_count = ?3, chain = ?4, "
        "due_at = ?5, started_at = ?6, updated_at = ?7, "
        "claims = CASE WHEN ?8 THEN 0 ELSE claims END "
        "WHERE trace_id = ?9 AND epoch = ?10 AND step_count = ?11 "
        "AND completed_at IS NULL",
    [ELG_SQLITE_TURN_END] =
        "UPDATE cmo_runs SET status = ?1, error = ?2, step_count = ?3, chain = ?4, "
        "due_at = ?5, started_at = ?6, updated_at = ?7, "
        "claims = CASE WHEN ?8 THEN 0 ELSE claims END, completed_at = ?12 "
        "WHERE trace_id = ?9 AND epoch = ?10 AND step_count = ?11 "
        "AND completed_at IS NULL",
    [ELG_SQLITE_RUN_INSERT] =
        "INSERT INTO cmo_runs (trace_id, graph_id, graph_version, graph_hash, status, "
        "seed, step_count, chain, epoch, claims, abort_requested, owner, due_at, error, "
        "started_at, completed_at, created_at, updated_at, parent_trace_id, "
        "parent_step, parent_seq, depth) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (trace_id) DO NOTHING",
    [ELG_SQLITE_INPUT_INSERT] =
        "INSERT INTO cmo_inputs (trace_id, input, initial_state, limits) "
        "VALUES (?, ?, ?, ?)",
    [ELG_SQLITE_INPUT_UPDATE] =
        "UPDATE cmo_inputs SET initial_state = ? WHERE trace_id = ?",
    [ELG_SQLITE_STEP_WRITE] =
        "INSERT INTO cmo_steps (trace_id, step_index, attempt, node_id, status, "
        "input_hash, state_hash, output_hash, next_edge, next_node, fuel, "
        "activity_count, clock, retry_at, started_at, completed_at, duration_ms, "
        "fingerprint, digest, chain, state, output, metadata, error, stop) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?) "
        "ON CONFLICT (trace_id, step_index, attempt) DO UPDATE SET "
        "node_id = excluded.node_id, status = excluded.status, "
        "input_hash = excluded.input_hash, state_hash = excluded.state_hash, "
        "output_hash = excluded.output_hash, next_edge = excluded.next_edge, "
        "next_node = excluded.next_node, fuel = excluded.fuel, "
        "activity_count = excluded.activity_count, clock = excluded.clock, "
        "retry_at = excluded.retry_at, started_at = excluded.started_at, "
        "completed_at = excluded.completed_at, duration_ms = excluded.duration_ms, "
        "fingerprint = excluded.fingerprint, digest = excluded.digest, "
        "chain = excluded.chain, state = excluded.state, output = excluded.output, "
        "metadata = excluded.metadata, error = excluded.error, stop = excluded.stop "
        "WHERE cmo_steps.status = 'open'",
    [ELG_SQLITE_ACTIVITY_WRITE] =
        "INSERT INTO cmo_activities (trace_id, step_index, attempt, seq, activity_type, "
        "status, request_hash, idempotency_key, due_at, timestamp, location, digest, "
        "response_blob_ref, request_data, response_data) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (trace_id, step_index, attempt, seq) DO UPDATE SET "
        "activity_type = excluded.activity_type, status = excluded.status, "
        "request_hash = excluded.request_hash, "
        "idempotency_key = excluded.idempotency_key, due_at = excluded.due_at, "
        "timestamp = excluded.timestamp, location = excluded.location, "
        "digest = excluded.digest, response_blob_ref = excluded.response_blob_ref, "
        "request_data = excluded.request_data, response_data = excluded.response_data "
        "WHERE cmo_activities.status = 'intent'",
    [ELG_SQLITE_FENCE_READ] = "SELECT epoch, step_count, completed_at IS NOT NULL "
                              "FROM cmo_runs WHERE trace_id = ?",
    [ELG_SQLITE_CLAIM] =
        "UPDATE cmo_runs SET free = 0, epoch = ?, claims = ?, owner = ?, "
        "updated_at = ? WHERE trace_id = ?",
    [ELG_SQLITE_QUARANTINE] = "UPDATE cmo_runs SET epoch = ?, claims = ?, owner = NULL, "
                              "updated_at = ?, status = 'quarantined', error = ?, "
                              "completed_at = ? WHERE trace_id = ?",
    [ELG_SQLITE_ABORT] = "UPDATE cmo_runs SET abort_requested = 1, updated_at = ? "
                         "WHERE trace_id = ? AND abort_requested = 0 "
                         "AND completed_at IS NULL",
    [ELG_SQLITE_GRAPH_INSERT] =
        "INSERT INTO cmo_graphs (graph_hash, graph_id, graph_version, definition, "
        "created_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (graph_hash) DO UPDATE SET "
        "created_at = excluded.created_at",
    [ELG_SQLITE_GRAPH_EXISTS] =
        "SELECT 1 FROM cmo_graphs WHERE graph_hash = ? "
        "AND created_at > strftime('%s', 'now', '-12 hours') * 1000",
    [ELG_SQLITE_GRAPH_READ] = "SELECT graph_hash, graph_id, graph_version, definition "
                              "FROM cmo_graphs WHERE graph_hash = ?",
    [ELG_SQLITE_OWNER_READ] = "SELECT owner FROM cmo_runs WHERE trace_id = ?",
    [ELG_SQLITE_RUN_READ] =
        "SELECT " RUN_SUMMARY ", i.trace_id AS input_of, i.input, i.initial_state, "
        "i.limits FROM cmo_runs r LEFT JOIN cmo_inputs i "
        "ON i.trace_id = r.trace_id WHERE r.trace_id = ?",
    [ELG_SQLITE_RUN_EXISTS] = "SELECT 1 FROM cmo_runs WHERE trace_id = ?",
    [ELG_SQLITE_LIST_ALL] =
        "SELECT " RUN_SUMMARY " FROM cmo_runs r WHERE " LIST_FILTER LIST_ORDER,
    [ELG_SQLITE_LIST_UNFINISHED] =
        "SELECT " RUN_SUMMARY " FROM cmo_runs r WHERE r.completed_at IS NULL "
        "AND " LIST_FILTER LIST_ORDER,
    [ELG_SQLITE_LIST_AFTER] = "SELECT created_at, rowid FROM cmo_runs WHERE trace_id = ?",
    /* Texts and blobs come behind all numbers: these are ends of indexes. */
    [ELG_SQLITE_LIST_STRAYS] =
        STRAYS("created_at < 0") " UNION ALL " STRAYS("created_at > ?1"),
    [ELG_SQLITE_LIST_STRAYS_UNFINISHED] =
        STRAYS("completed_at IS NULL AND created_at < 0") " UNION ALL " STRAYS(
            "completed_at IS NULL AND created_at > ?1"),
    [ELG_SQLITE_NEXT_STRAYS] =
        "SELECT trace_id, 'created_at' FROM cmo_runs WHERE completed_at IS NULL AND "
        "created_at > ?1 UNION ALL SELECT trace_id, 'due_at' FROM cmo_runs WHERE free = "
        "1 "
        "AND completed_at IS NULL AND due_at IS NOT NULL AND due_at > ?1 LIMIT 256",
    [ELG_SQLITE_STEPS_READ] =
        "SELECT step_index, attempt, node_id, status, input_hash, state_hash, "
        "output_hash, next_edge, next_node, fuel, activity_count, clock, retry_at, "
        "started_at, completed_at, duration_ms, fingerprint, digest, chain, state, "
        "output, metadata, error, stop FROM cmo_steps "
        "WHERE trace_id = ? AND step_index BETWEEN ? AND ? ORDER BY step_index, attempt",
    [ELG_SQLITE_ACTIVITIES_READ] =
        "SELECT step_index, attempt, seq, activity_type, status, request_hash, "
        "idempotency_key, due_at, timestamp, location, digest, response_blob_ref, "
        "request_data, response_data FROM cmo_activities "
        "WHERE trace_id = ? AND step_index BETWEEN ? AND ? "
        "ORDER BY step_index, attempt, seq",
    [ELG_SQLITE_NEXT_PAIR] =
        "SELECT graph_id, priority FROM cmo_runs INDEXED BY cmo_runs_free WHERE " FREE
        " AND (graph_id, priority) > (?1, ?2) AND typeof(graph_id) = 'text' AND "
        "typeof(priority) = 'integer' AND instr(graph_id, char(0)) = 0 AND "
        "length(CAST(graph_id AS BLOB)) <= ?3 ORDER BY graph_id, priority LIMIT 1",
    [ELG_SQLITE_NEXT_SERVED] = "SELECT max(claimed_at) FROM cmo_runs WHERE graph_id = ? "
                               "AND claimed_at IS NOT NULL",
    [ELG_SQLITE_NEXT_READ] =
        "SELECT trace_id, coalesce(due_at, created_at), running_max, limit_key, "
        "key_running_max, CASE WHEN begun_at IS NULL THEN rate_count ELSE 0 END, rate_ms "
        "FROM cmo_runs INDEXED BY cmo_runs_free WHERE " FREE
        " AND graph_id = ?1 AND priority = ?2 AND coalesce(due_at, created_at) <= ?3 "
        "AND (?5 = 0 OR NOT EXISTS (SELECT 1 FROM cmo_inputs i WHERE i.trace_id = "
        "cmo_runs.trace_id AND instr(i.limits, ?6) > 0)) "
        "ORDER BY coalesce(due_at, created_at), trace_id LIMIT ?4",
    [ELG_SQLITE_NEXT_TAKEN] = "UPDATE cmo_runs SET claimed_at = ?1, begun_at = "
                              "coalesce(begun_at, ?1) WHERE trace_id = ?2",
    [ELG_SQLITE_RATE_COUNT] =
        "SELECT count(*) FROM cmo_runs WHERE graph_id = (SELECT graph_id FROM cmo_runs "
        "WHERE trace_id = ?1) AND begun_at IS NOT NULL AND begun_at > ?2",
    [ELG_SQLITE_QUOTA_WRITE] =
        "UPDATE cmo_runs SET free = ?, priority = ?, running_max = ?, limit_key = "
        "nullif(?, ''), key_running_max = ?, rate_count = ?, rate_ms = ? WHERE "
        "trace_id = ?",
    [ELG_SQLITE_ORPHANS_READ] = "SELECT trace_id, epoch FROM cmo_runs WHERE completed_at "
                                "IS NULL AND free = 0",
    [ELG_SQLITE_ORPHAN_FREE] = "UPDATE cmo_runs SET free = 1 WHERE trace_id = ? AND "
                               "epoch = ? AND free = 0 AND completed_at IS NULL",
    [ELG_SQLITE_DUE_READ] =
        "SELECT min(due_at) FROM cmo_runs WHERE free = 1 AND completed_at IS NULL AND "
        "due_at IS NOT NULL AND due_at > ? AND due_at <= 253402300799000",
    [ELG_SQLITE_VERSION_READ] = "PRAGMA data_version",
    [ELG_SQLITE_REOPEN] =
        "UPDATE cmo_runs SET status = 'running', completed_at = NULL, claims = 0, "
        "abort_requested = 0, epoch = epoch + 1, owner = NULL, free = 1 WHERE trace_id = "
        "? AND "
        "epoch = ? - 1 AND completed_at IS NOT NULL AND status <> 'completed'",
    [ELG_SQLITE_REOPENED_UNTELL] =
        "DELETE FROM cmo_signals WHERE name = '$child' AND signal_key = '$' || ?1 AND "
        "trace_id = (SELECT parent_trace_id FROM cmo_runs WHERE trace_id = ?1)",
    [ELG_SQLITE_UNCLAIM] =
        "UPDATE cmo_runs SET free = 1, claims = max(claims - 1, 0) WHERE trace_id = ? "
        "AND completed_at IS NULL",
    [ELG_SQLITE_TREE_READ] = TREE
    "SELECT count(*), coalesce(sum(x.completed_at IS NULL), 0), (SELECT "
    "completed_at FROM cmo_runs WHERE trace_id = ?1 AND parent_trace_id IS NULL) "
    "FROM t JOIN cmo_runs x ON x.trace_id = t.id",
    [ELG_SQLITE_TREE_SIGNALS] = TREE TREE_DELETE("cmo_signals"),
    [ELG_SQLITE_TREE_ACTIVITIES] = TREE TREE_DELETE("cmo_activities"),
    [ELG_SQLITE_TREE_STEPS] = TREE TREE_DELETE("cmo_steps"),
    [ELG_SQLITE_TREE_INPUTS] = TREE TREE_DELETE("cmo_inputs"),
    [ELG_SQLITE_TREE_RUNS] = TREE TREE_DELETE("cmo_runs"),
    [ELG_SQLITE_GRAPHS_REMOVE] = "DELETE FROM cmo_graphs WHERE created_at < ? AND "
                                 "graph_hash NOT IN (SELECT graph_hash FROM cmo_runs)",
    [ELG_SQLITE_GRAPHS_COUNT] =
        "SELECT count(*) FROM cmo_graphs WHERE created_at < ? AND "
        "graph_hash NOT IN (SELECT graph_hash FROM cmo_runs)",
    [ELG_SQLITE_REFERENCES_READ] =
        "SELECT response_blob_ref FROM cmo_activities WHERE response_blob_ref IS NOT "
        "NULL "
        "UNION ALL SELECT response_data FROM cmo_activities WHERE activity_type = "
        "'write_artifact' OR (activity_type = 'http_request' AND instr(response_data, "
        "CAST('\"artifact\":' AS BLOB)) > 0) "
        "UNION ALL SELECT request_data FROM cmo_activities WHERE activity_type = "
        "'read_artifact' OR " LIES(
            "request_data") "UNION ALL SELECT input FROM cmo_inputs "
                            "UNION ALL SELECT initial_state FROM cmo_inputs WHERE " LIES(
                                "initial_state") "UNION ALL SELECT payload FROM "
                                                 "cmo_signals WHERE payload IS NOT NULL "
                                                 "UNION ALL SELECT error FROM cmo_runs "
                                                 "WHERE " LIES(
                                                     "error") "UNION ALL "
                                                              "SELECT state "
                                                              "FROM cmo_steps "
                                                              "WHERE " LIES(
                                                                  "st"
                                                                  "at"
                                                                  "e") "UNION ALL SELECT "
                                                                       "output FROM "
                                                                       "cmo_steps "
                                                                       "WHERE " LIES(
                                                                           "out"
                                                                           "pu"
                                                                           "t") "UN"
                                                                                "IO"
                                                                                "N "
                                                                                "AL"
                                                                                "L "
                                                                                "SE"
                                                                                "LE"
                                                                                "CT"
                                                                                " m"
                                                                                "et"
                                                                                "ad"
                                                                                "at"
                                                                                "a "
                                                                                "FR"
                                                                                "OM"
                                                                                " c"
                                                                                "mo"
                                                                                "_s"
                                                                                "te"
                                                                                "ps"
                                                                                " W"
                                                                                "HE"
                                                                                "RE"
                                                                                " " LIES("metadata") "UNION ALL SELECT error FROM cmo_steps WHERE " LIES(
                                                                                    "erro"
                                                                                    "r") "UNION ALL SELECT s.state FROM cmo_steps s JOIN cmo_runs r ON r.trace_id = "
                                                                                         "s.trace_id WHERE r.completed_at IS NULL AND s.state IS NOT NULL "
                                                                                         "UNION ALL SELECT s.output FROM cmo_steps s JOIN cmo_runs r ON r.trace_id = "
                                                                                         "s.trace_id WHERE r.completed_at IS NULL AND s.output IS NOT NULL",
    [ELG_SQLITE_ABORTS_READ] = "SELECT trace_id FROM cmo_runs "
                               "WHERE abort_requested = 1 AND completed_at IS NULL",
    [ELG_SQLITE_SIGNAL_FACTS] =
        "SELECT r.status, count(s.signal_no), coalesce(sum(s.payload_bytes), 0) "
        "FROM cmo_runs r LEFT JOIN cmo_signals s ON s.trace_id = r.trace_id "
        "AND s.consumed_step IS NULL AND s.name <> '$child' "
        "WHERE r.trace_id = ? GROUP BY r.trace_id",
    [ELG_SQLITE_SIGNAL_KEY] = "SELECT name, payload_hash FROM cmo_signals "
                              "WHERE trace_id = ? AND signal_key = ?",
    [ELG_SQLITE_SIGNAL_INSERT] =
        "INSERT INTO cmo_signals (trace_id, name, signal_key, created_at, payload_hash, "
        "payload_bytes, payload) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [ELG_SQLITE_SIGNAL_WAKE] =
        "UPDATE cmo_runs SET due_at = ?1 WHERE trace_id = ?2 AND status = 'waiting' "
        "AND completed_at IS NULL AND (due_at IS NULL OR due_at > ?1)",
    [ELG_SQLITE_SIGNAL_USE] =
        "UPDATE cmo_signals SET payload = NULL, consumed_step = ?, consumed_attempt = ?, "
        "consumed_seq = ? WHERE signal_no = ? AND trace_id = ? "
        "AND consumed_step IS NULL",
    [ELG_SQLITE_SIGNAL_DUE] =
        "UPDATE cmo_runs SET due_at = ?1 WHERE trace_id = ?2 "
        "AND (due_at IS NULL OR due_at > ?1) "
        "AND EXISTS (SELECT 1 FROM cmo_signals WHERE trace_id = ?2 AND signal_no > ?3 "
        "AND consumed_step IS NULL)",
    [ELG_SQLITE_SIGNALS_READ] =
        "SELECT signal_no, name, signal_key, payload_hash, payload FROM cmo_signals "
        "WHERE trace_id = ? AND name = ? AND signal_no > ? AND consumed_step IS NULL "
        "ORDER BY signal_no",
    [ELG_SQLITE_SIGNALS_NEW] = "SELECT signal_no, trace_id FROM cmo_signals "
                               "WHERE signal_no > ? ORDER BY signal_no",
    [ELG_SQLITE_SIGNALS_LAST_OF] =
        "SELECT coalesce(max(signal_no), 0) FROM cmo_signals WHERE trace_id = ?",
    [ELG_SQLITE_CHILDREN_MARK] =
        "UPDATE cmo_runs SET has_children = 1 WHERE trace_id = ? AND has_children = 0",
    [ELG_SQLITE_CHILD_TELL] =
        "INSERT INTO cmo_signals (trace_id, name, signal_key, created_at, payload_bytes) "
        "SELECT parent_trace_id, '$child', '$' || trace_id, ?, 0 FROM cmo_runs "
        "WHERE trace_id = ? ON CONFLICT DO NOTHING",
    [ELG_SQLITE_CHILDREN_ABORT] =
        "UPDATE cmo_runs SET abort_requested = 1, "
        "due_at = CASE WHEN status = 'waiting' THEN ?1 ELSE due_at END "
        "WHERE parent_trace_id = ?2 AND completed_at IS NULL",
    [ELG_SQLITE_CHILDREN_READ] = "SELECT trace_id FROM cmo_runs "
                                 "WHERE parent_trace_id = ? AND completed_at IS NULL",
    [ELG_SQLITE_CHILDREN_FAILED] =
        "SELECT trace_id FROM cmo_runs WHERE parent_trace_id = ?1 AND parent_step = ?2 "
        "AND completed_at IS NOT NULL AND status <> 'completed'",
    [ELG_SQLITE_SIGNALS_LAST] = "SELECT coalesce(max(signal_no), 0) FROM cmo_signals",
};

enum elg_status elg_sqlite_statement(struct elg_sqlite_connection *connection,
                                     enum elg_sqlite_statement which, sqlite3_stmt **out,
                                     struct elg_error *error)
{
    sqlite3_stmt **statement = &connection->statements[which];
    if (*statement == NULL) {
        int code = sqlite3_prepare_v3(connection->db, SQL[which], -1,
                                      SQLITE_PREPARE_PERSISTENT, statement, NULL);
        if (code != SQLITE_OK)
            return elg_sqlite_fail(connection, code, "preparing", error);
    }
    *out = *statement;
    return ELG_OK;
}

enum elg_status elg_sqlite_frame_prepare(struct elg_sqlite_connection *connection,
                                         struct elg_error *error)
{
    enum elg_status status = ELG_OK;
    for (int i = ELG_SQLITE_BEGIN_WRITE; status == ELG_OK && i <= ELG_SQLITE_ROLLBACK;
         i++) {
        sqlite3_stmt *statement;
        status = elg_sqlite_statement(connection, (enum elg_sqlite_statement)i,
                                      &statement, error);
    }
    return status;
}

void elg_sqlite_rollback(struct elg_sqlite_connection *connection)
{
    if (!sqlite3_get_autocommit(connection->db))
        elg_sqlite_run(connection, ELG_SQLITE_ROLLBACK, NULL);
}

enum elg_status elg_sqlite_run(struct elg_sqlite_connection *connection,
                               enum elg_sqlite_statement which, struct elg_error *error)
{
    sqlite3_stmt *statement = NULL;
    int changes;
    enum elg_status status = elg_sqlite_statement(connection, which, &statement, error);
    if (status == ELG_OK)
        status = elg_sqlite_write(connection, statement, &changes, error);
    return status;
}

enum elg_status elg_sqlite_step(struct elg_sqlite_connection *connection,
                                sqlite3_stmt *statement, bool *row,
                                struct elg_error *error)
{
    int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        return ELG_OK;
    enum elg_status status = ELG_OK;
    if (code != SQLITE_DONE)
        status = elg_sqlite_fail(connection, sqlite3_extended_errcode(connection->db),
                                 "reading", error);
    sqlite3_reset(statement);
    return status;
}

enum elg_status elg_sqlite_write(struct elg_sqlite_connection *connection,
                                 sqlite3_stmt *statement, int *changes,
                                 struct elg_error *error)
{
    int code = sqlite3_step(statement);
    enum elg_status status = ELG_OK;
    if (code != SQLITE_DONE)
        status = elg_sqlite_fail(connection, sqlite3_extended_errcode(connection->db),
                                 "writing", error);
    else
        *changes = sqlite3_changes(connection->db);
    sqlite3_reset(statement);
    return status;
}

void elg_sqlite_connection_close(struct elg_sqlite_connection *connection)
{
    for (int i = 0; i < ELG_SQLITE_STATEMENT_COUNT; i++) {
        sqlite3_finalize(connection->statements[i]);
        connection->statements[i] = NULL;
    }
    sqlite3_close(connection->db);
    connection->db = NULL;
}

/* ---- binding */

void elg_sqlite_bind_begin(struct elg_sqlite_bind *bind, sqlite3_stmt *statement)
{
    bind->statement = statement;
    bind->index = 0;
    bind->code = SQLITE_OK;
    bind->hash_count = 0;
}

static void note(struct elg_sqlite_bind *bind, int code)
{
    if (bind->code == SQLITE_OK)
        bind->code = code;
}

void elg_sqlite_bind_int(struct elg_sqlite_bind *bind, int64_t value)
{
    note(bind, sqlite3_bind_int64(bind->statement, ++bind->index, value));
}

void elg_sqlite_bind_time(struct elg_sqlite_bind *bind, int64_t value_ms)
{
    if (value_ms == 0)
        note(bind, sqlite3_bind_null(bind->statement, ++bind->index));
    else
        elg_sqlite_bind_int(bind, value_ms);
}

void elg_sqlite_bind_real(struct elg_sqlite_bind *bind, double value)
{
    note(bind, sqlite3_bind_double(bind->statement, ++bind->index, value));
}

void elg_sqlite_bind_text(struct elg_sqlite_bind *bind, const char *text)
{
    note(bind,
         sqlite3_bind_text(bind->statement, ++bind->index, text, -1, SQLITE_STATIC));
}

void elg_sqlite_bind_blob(struct elg_sqlite_bind *bind, const struct elg_blob *blob)
{
    struct elg_bytes bytes = elg_base_blob_bytes(blob);
    note(bind, sqlite3_bind_blob64(bind->statement, ++bind->index, bytes.data, bytes.size,
                                   SQLITE_STATIC));
}

void elg_sqlite_bind_hash(struct elg_sqlite_bind *bind, const struct elg_hash *hash)
{
    static const struct elg_hash NONE;
    if (elg_base_hash_equal(hash, &NONE)) {
        note(bind, sqlite3_bind_null(bind->statement, ++bind->index));
        return;
    }
    if (bind->hash_count == ELG_SQLITE_BIND_HASHES_MAX) {
        note(bind, SQLITE_MISUSE);
        return;
    }
    char *hex = bind->hex[bind->hash_count++];
    elg_base_hash_hex(hash, hex);
    note(bind, sqlite3_bind_text(bind->statement, ++bind->index, hex,
                                 ELG_HASH_HEX_SIZE - 1, SQLITE_STATIC));
}

enum elg_status elg_sqlite_bind_end(struct elg_sqlite_bind *bind,
                                    const struct elg_sqlite_connection *connection,
                                    struct elg_error *error)
{
    if (bind->code == SQLITE_OK)
        return ELG_OK;
    return elg_sqlite_fail(connection, bind->code, "binding", error);
}
