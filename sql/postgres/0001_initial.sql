-- 0001: runs, their steps and activities, the graphs that they carry, artifacts, and the
-- workers that execute.
--
-- Never edited once merged: a change is a new file with the next number. cmo_schema holds the
-- numbers that were applied. A change only adds, so that workers of the version before go on.
--
-- Hashes are lower-case hex; a hash that is not there is NULL. Payloads (input, state, output,
-- request, ...) are BYTEA of canonical JSON (RFC 8785), the very bytes that were hashed; the
-- *_json views show them as JSON. Names are of the database's own schema (search_path).
--
-- What every turn writes again (cmo_runs) is kept small and apart from what it writes once
-- (cmo_inputs), and no index of it is over a column that every turn changes: its updates stay
-- in their page.

CREATE TABLE cmo_graphs (
  graph_hash    TEXT        NOT NULL PRIMARY KEY,
  graph_id      TEXT        NOT NULL,
  graph_version TEXT        NOT NULL,
  definition    BYTEA       NOT NULL,
  created_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  updated_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX cmo_graphs_id ON cmo_graphs (graph_id, graph_version);

-- One row per process that executes; its lease is that of all its runs.
CREATE SEQUENCE cmo_worker_ids;
CREATE TABLE cmo_workers (
  worker      BIGINT      NOT NULL PRIMARY KEY DEFAULT nextval('cmo_worker_ids'),
  owner       TEXT        NOT NULL,
  lease_until TIMESTAMPTZ NOT NULL,
  started_at  TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The number of each worker's last flush that committed, and the lowest that still may, of the
-- flushes that create runs: what became of a COMMIT whose reply was lost is looked up here. Of
-- other flushes it is told by the runs that they wrote (cmo_runs.flush).
CREATE TABLE cmo_flushes (
  worker BIGINT NOT NULL PRIMARY KEY,
  flush  BIGINT NOT NULL,
  fence  BIGINT NOT NULL
) WITH (fillfactor = 50);

-- Who may create a run that is not there yet. A crash of the server empties it, which is fine:
-- the key of cmo_runs decides.
CREATE UNLOGGED TABLE cmo_reservations (
  trace_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  worker   BIGINT NOT NULL
);

CREATE TABLE cmo_runs (
  trace_id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  run_no          BIGINT      NOT NULL GENERATED ALWAYS AS IDENTITY,
  graph_id        TEXT        NOT NULL,
  graph_version   TEXT        NOT NULL,
  graph_hash      TEXT        NOT NULL,
  status          TEXT        NOT NULL,
  seed            TEXT        NOT NULL,
  step_count      BIGINT      NOT NULL,
  chain           TEXT,
  epoch           BIGINT      NOT NULL,
  claims          INTEGER     NOT NULL,
  flush           BIGINT      NOT NULL DEFAULT 0,
  abort_requested BOOLEAN     NOT NULL,
  worker          BIGINT,
  due_at          TIMESTAMPTZ,
  error           BYTEA,
  metadata        BYTEA,
  started_at      TIMESTAMPTZ,
  completed_at    TIMESTAMPTZ,
  created_at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  updated_at      TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 60);
CREATE INDEX cmo_runs_created ON cmo_runs (created_at, run_no);
CREATE INDEX cmo_runs_unfinished ON cmo_runs (created_at, run_no) WHERE completed_at IS NULL;
CREATE INDEX cmo_runs_completed ON cmo_runs (completed_at) WHERE completed_at IS NOT NULL;
-- What anyone may take up: runs whose time has come, and runs that wait for nothing.
CREATE INDEX cmo_runs_due ON cmo_runs (due_at)
  WHERE completed_at IS NULL AND worker IS NULL AND due_at IS NOT NULL;
CREATE INDEX cmo_runs_free ON cmo_runs (created_at, run_no)
  WHERE completed_at IS NULL AND worker IS NULL AND due_at IS NULL AND status <> 'waiting';
CREATE INDEX cmo_runs_worker ON cmo_runs (worker) WHERE completed_at IS NULL;
CREATE INDEX cmo_runs_abort ON cmo_runs (worker) WHERE abort_requested AND completed_at IS NULL;

CREATE TABLE cmo_inputs (
  trace_id      TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES cmo_runs (trace_id) ON DELETE CASCADE,
  input         BYTEA,
  initial_state BYTEA,
  limits        BYTEA
);

CREATE TABLE cmo_steps (
  trace_id       TEXT COLLATE "C" NOT NULL REFERENCES cmo_runs (trace_id) ON DELETE CASCADE,
  step_index     INTEGER          NOT NULL,
  attempt        INTEGER          NOT NULL,
  node_id        TEXT             NOT NULL,
  status         TEXT             NOT NULL,
  input_hash     TEXT,
  state_hash     TEXT,
  output_hash    TEXT,
  next_edge      TEXT,
  next_node      TEXT             NOT NULL,
  fuel           BIGINT           NOT NULL,
  activity_count INTEGER          NOT NULL,
  clock          TIMESTAMPTZ      NOT NULL,
  retry_at       TIMESTAMPTZ,
  started_at     TIMESTAMPTZ,
  completed_at   TIMESTAMPTZ,
  duration_ms    DOUBLE PRECISION NOT NULL,
  fingerprint    TEXT,
  digest         TEXT,
  chain          TEXT,
  state          BYTEA,
  output         BYTEA,
  metadata       BYTEA,
  error          BYTEA,
  stop           BYTEA,
  PRIMARY KEY (trace_id, step_index, attempt)
);

CREATE TABLE cmo_activities (
  trace_id          TEXT COLLATE "C" NOT NULL REFERENCES cmo_runs (trace_id) ON DELETE CASCADE,
  step_index        INTEGER NOT NULL,
  attempt           INTEGER NOT NULL,
  seq               INTEGER NOT NULL,
  activity_type     TEXT    NOT NULL,
  status            TEXT    NOT NULL,
  request_hash      TEXT,
  idempotency_key   TEXT,
  due_at            TIMESTAMPTZ,
  "timestamp"       TIMESTAMPTZ,
  location          TEXT,
  digest            TEXT,
  response_blob_ref TEXT,
  request_data      BYTEA,
  response_data     BYTEA,
  PRIMARY KEY (trace_id, step_index, attempt, seq)
);

-- All chunks of an artifact are written in one transaction: a chunk that is there means that
-- all are.
CREATE TABLE cmo_artifacts (
  artifact_hash TEXT        NOT NULL,
  chunk_index   INTEGER     NOT NULL,
  chunk_count   INTEGER     NOT NULL,
  size_bytes    BIGINT      NOT NULL,
  data          BYTEA       NOT NULL,
  created_at    TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (artifact_hash, chunk_index)
);
ALTER TABLE cmo_artifacts ALTER COLUMN data SET STORAGE EXTERNAL;

-- updated_at, for whoever changes a row by hand: the store dates its own writes, and says so
-- by setting cmo.dates in its sessions.
CREATE FUNCTION cmo_set_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := clock_timestamp();
  RETURN NEW;
END
$$;
CREATE TRIGGER cmo_runs_updated_at BEFORE UPDATE ON cmo_runs FOR EACH ROW
  WHEN (current_setting('cmo.dates', true) IS DISTINCT FROM 'given')
  EXECUTE FUNCTION cmo_set_updated_at();
CREATE TRIGGER cmo_graphs_updated_at BEFORE UPDATE ON cmo_graphs FOR EACH ROW
  WHEN (current_setting('cmo.dates', true) IS DISTINCT FROM 'given')
  EXECUTE FUNCTION cmo_set_updated_at();

-- Bytes as JSON; what is not JSON is shown as a string, so that a view can always be read.
CREATE FUNCTION cmo_json(payload BYTEA) RETURNS json LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN convert_from(payload, 'UTF8')::json;
EXCEPTION WHEN others THEN
  RETURN to_json(encode(payload, 'escape'));
END
$$;

CREATE VIEW cmo_runs_json AS
SELECT r.trace_id, r.graph_id, r.graph_version, r.graph_hash, r.status, r.seed, r.step_count,
       r.chain, r.epoch, r.claims, r.abort_requested, w.owner, w.lease_until, r.due_at,
       cmo_json(i.input) AS input, cmo_json(i.initial_state) AS initial_state,
       cmo_json(i.limits) AS limits, cmo_json(r.error) AS error,
       cmo_json(r.metadata) AS metadata, r.started_at, r.completed_at, r.created_at,
       r.updated_at
FROM cmo_runs r
LEFT JOIN cmo_inputs i ON i.trace_id = r.trace_id
LEFT JOIN cmo_workers w ON w.worker = r.worker;

CREATE VIEW cmo_steps_json AS
SELECT trace_id, step_index, attempt, node_id, status, input_hash, state_hash, output_hash,
       next_edge, next_node, fuel, activity_count, clock, retry_at, started_at, completed_at,
       duration_ms, fingerprint, digest, chain, cmo_json(state) AS state,
       cmo_json(output) AS output, cmo_json(metadata) AS metadata, cmo_json(error) AS error,
       cmo_json(stop) AS stop
FROM cmo_steps;

CREATE VIEW cmo_activities_json AS
SELECT trace_id, step_index, attempt, seq, activity_type, status, request_hash,
       idempotency_key, due_at, "timestamp", location, digest, response_blob_ref,
       cmo_json(request_data) AS request_data, cmo_json(response_data) AS response_data
FROM cmo_activities;

CREATE VIEW cmo_graphs_json AS
SELECT graph_hash, graph_id, graph_version, cmo_json(definition) AS definition, created_at,
       updated_at
FROM cmo_graphs;

CREATE VIEW cmo_execution_summary AS
SELECT r.trace_id, r.graph_id, r.graph_version, r.status, r.started_at, r.completed_at,
       r.step_count AS steps_completed, s.attempts, s.failed_attempts,
       a.activities, a.open_activities,
       s.duration_ms AS node_duration_ms,
       extract(epoch FROM coalesce(r.completed_at, clock_timestamp()) - r.started_at) * 1000
         AS elapsed_ms,
       cmo_json(r.error) ->> 'code' AS error_code,
       cmo_json(r.error) ->> 'message' AS error_message, r.created_at, r.updated_at
FROM cmo_runs r
CROSS JOIN LATERAL (
  SELECT count(*) AS attempts, count(*) FILTER (WHERE status NOT IN ('ok', 'open'))
           AS failed_attempts, coalesce(sum(duration_ms), 0) AS duration_ms
  FROM cmo_steps WHERE trace_id = r.trace_id) s
CROSS JOIN LATERAL (
  SELECT count(*) AS activities, count(*) FILTER (WHERE status = 'intent') AS open_activities
  FROM cmo_activities WHERE trace_id = r.trace_id) a;

-- Deletes what ended more than so many days ago, with all that belongs to it, and graphs of
-- that age that no run carries any more. Gives the number of runs.
CREATE FUNCTION cleanup_old_executions(retention_days INTEGER) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
  deleted BIGINT;
  before TIMESTAMPTZ := clock_timestamp() - make_interval(days => retention_days);
BEGIN
  IF retention_days IS NULL OR retention_days < 0 THEN
    RAISE EXCEPTION 'retention_days: % is not a number of days', retention_days
      USING ERRCODE = '22023';
  END IF;
  DELETE FROM cmo_runs WHERE completed_at < before;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  DELETE FROM cmo_graphs g WHERE g.created_at < before
    AND NOT EXISTS (SELECT 1 FROM cmo_runs r WHERE r.graph_hash = g.graph_hash);
  RETURN deleted;
END
$$;

CREATE FUNCTION get_execution_progress(of_trace_id TEXT)
RETURNS TABLE (trace_id TEXT, status TEXT, steps_completed BIGINT, current_step INTEGER,
  current_node TEXT, current_attempt INTEGER, activities BIGINT, open_activities BIGINT,
  due_at TIMESTAMPTZ, elapsed_ms DOUBLE PRECISION, updated_at TIMESTAMPTZ)
LANGUAGE sql STABLE AS $$
  SELECT r.trace_id, r.status, r.step_count, s.step_index,
         CASE WHEN s.chain IS NULL THEN s.node_id ELSE nullif(s.next_node, '') END, s.attempt,
         (SELECT count(*) FROM cmo_activities a WHERE a.trace_id = r.trace_id),
         (SELECT count(*) FROM cmo_activities a WHERE a.trace_id = r.trace_id
            AND a.status = 'intent'),
         r.due_at,
         (extract(epoch FROM coalesce(r.completed_at, clock_timestamp()) - r.started_at)
           * 1000)::double precision, r.updated_at
  FROM cmo_runs r
  LEFT JOIN LATERAL (SELECT * FROM cmo_steps l WHERE l.trace_id = r.trace_id
                     ORDER BY l.step_index DESC, l.attempt DESC LIMIT 1) s ON true
  WHERE r.trace_id = of_trace_id
$$;

COMMENT ON TABLE cmo_graphs IS 'Graphs by the hash of all their sources; a run carries its own';
COMMENT ON COLUMN cmo_graphs.definition IS 'Canonical {"entry","description","sources":{path:text}}';
COMMENT ON TABLE cmo_workers IS 'Processes that execute runs; lease_until is renewed every second by this clock';
COMMENT ON TABLE cmo_flushes IS 'Per worker: the last flush that committed, and the lowest number that still may';
COMMENT ON TABLE cmo_reservations IS 'Who may create a run that is not there yet';
COMMENT ON TABLE cmo_runs IS 'One row per execution of a graph on one input';
COMMENT ON COLUMN cmo_runs.run_no IS 'Order of creation';
COMMENT ON COLUMN cmo_runs.step_count IS 'Finished steps';
COMMENT ON COLUMN cmo_runs.chain IS 'Hash chain: of the last finished step, or of the beginning';
COMMENT ON COLUMN cmo_runs.epoch IS 'Raised by each claim; every write names it';
COMMENT ON COLUMN cmo_runs.claims IS 'Claims since the last record; too many of them quarantine the run';
COMMENT ON COLUMN cmo_runs.flush IS 'Token of the flush that wrote it last since it was claimed; one more: of one that must not';
COMMENT ON COLUMN cmo_runs.worker IS 'Who executes it while that worker''s lease lasts';
COMMENT ON COLUMN cmo_runs.due_at IS 'Waiting until';
COMMENT ON COLUMN cmo_runs.completed_at IS 'Set exactly when the run has ended';
COMMENT ON TABLE cmo_inputs IS 'What a run never changes after its first step';
COMMENT ON TABLE cmo_steps IS 'One row per attempt of a step';
COMMENT ON COLUMN cmo_steps.next_edge IS 'NULL: the node named none';
COMMENT ON COLUMN cmo_steps.next_node IS 'Empty: the run ends here';
COMMENT ON COLUMN cmo_steps.clock IS 'The attempt''s start as node code sees it';
COMMENT ON COLUMN cmo_steps.retry_at IS 'A failed attempt''s successor may begin then';
COMMENT ON COLUMN cmo_steps.fingerprint IS 'Engine, library and fuel table';
COMMENT ON COLUMN cmo_steps.chain IS 'On the row that finishes its step';
COMMENT ON COLUMN cmo_steps.state IS 'The state after the step; NULL between checkpoints';
COMMENT ON TABLE cmo_activities IS 'Calls across the boundary, one result each';
COMMENT ON COLUMN cmo_activities.due_at IS 'Of a sleep: when it ends';
COMMENT ON COLUMN cmo_activities.location IS 'file:line of the call';
COMMENT ON COLUMN cmo_activities.response_blob_ref IS 'Hash of an artifact';
COMMENT ON COLUMN cmo_activities.response_data IS '{"value":...} or {"error":{...}}';
COMMENT ON TABLE cmo_artifacts IS 'Large payloads by their SHA-256, in chunks';
COMMENT ON VIEW cmo_execution_summary IS 'One row per run: how far it is and how it went';
COMMENT ON FUNCTION cleanup_old_executions(INTEGER) IS 'Deletes runs that ended more than so many days ago';
COMMENT ON FUNCTION get_execution_progress(TEXT) IS 'How far a run is';
