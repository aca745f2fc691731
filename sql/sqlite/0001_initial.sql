-- 0001: runs, their steps and activities, and the graphs that they carry.
--
-- Never edited once merged: a change is a new file with the next number, and
-- PRAGMA user_version is the number of the last one that was applied.
--
-- Hashes are lower-case hex TEXT; a hash that is not there is NULL. Payloads (input, state,
-- output, request, ...) are BLOBs of canonical JSON (RFC 8785), the very bytes that were
-- hashed; the *_json views show them as text and times as ISO 8601. Times are INTEGER
-- milliseconds since 1970 UTC; NULL: none. duration_ms is REAL. Text columns are UTF-8.
--
-- All are rowid tables: with rows of 1 KB, WITHOUT ROWID costs three times the writer's time.
-- What a run never changes after its first step is apart from its row (cmo_inputs), because
-- the row is written again by every turn.

CREATE TABLE cmo_graphs (
  graph_hash    TEXT    NOT NULL PRIMARY KEY,
  graph_id      TEXT    NOT NULL,
  graph_version TEXT    NOT NULL,
  definition    BLOB    NOT NULL,
  created_at    INTEGER NOT NULL
);

CREATE TABLE cmo_runs (
  trace_id        TEXT    NOT NULL PRIMARY KEY,
  graph_id        TEXT    NOT NULL,
  graph_version   TEXT    NOT NULL,
  graph_hash      TEXT    NOT NULL,
  status          TEXT    NOT NULL,
  seed            TEXT    NOT NULL,
  step_count      INTEGER NOT NULL,  -- finished steps
  chain           TEXT    NOT NULL,  -- of the last finished step, or of the beginning
  epoch           INTEGER NOT NULL,  -- raised by each claim; every write names it
  claims          INTEGER NOT NULL,  -- since the last record
  abort_requested INTEGER NOT NULL,
  owner           TEXT,              -- for messages only; the lock is in DB-lock
  due_at          INTEGER,           -- waiting until
  error           BLOB,
  metadata        BLOB,
  started_at      INTEGER,
  completed_at    INTEGER,           -- set exactly when the run has ended
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL
);
CREATE INDEX cmo_runs_created ON cmo_runs (created_at);
CREATE INDEX cmo_runs_unfinished ON cmo_runs (created_at) WHERE completed_at IS NULL;
CREATE INDEX cmo_runs_abort ON cmo_runs (trace_id)
  WHERE abort_requested = 1 AND completed_at IS NULL;

CREATE TABLE cmo_inputs (
  trace_id      TEXT NOT NULL PRIMARY KEY REFERENCES cmo_runs (trace_id),
  input         BLOB,
  initial_state BLOB,
  limits        BLOB
);

-- One row per attempt of a step.
CREATE TABLE cmo_steps (
  trace_id       TEXT    NOT NULL REFERENCES cmo_runs (trace_id),
  step_index     INTEGER NOT NULL,
  attempt        INTEGER NOT NULL,
  node_id        TEXT    NOT NULL,
  status         TEXT    NOT NULL,
  input_hash     TEXT,
  state_hash     TEXT,
  output_hash    TEXT,
  next_edge      TEXT,               -- NULL: the node named none
  next_node      TEXT    NOT NULL,   -- '': the run ends here
  fuel           INTEGER NOT NULL,
  activity_count INTEGER NOT NULL,
  clock          INTEGER NOT NULL,   -- the attempt's start as node code sees it
  retry_at       INTEGER,            -- a failed attempt's successor may begin then
  started_at     INTEGER,
  completed_at   INTEGER,
  duration_ms    REAL    NOT NULL,
  fingerprint    TEXT,               -- engine, library, fuel table
  digest         TEXT,
  chain          TEXT,               -- on the row that finishes its step
  state          BLOB,               -- NULL between checkpoints
  output         BLOB,
  metadata       BLOB,
  error          BLOB,
  stop           BLOB
);
CREATE UNIQUE INDEX cmo_steps_key ON cmo_steps (trace_id, step_index, attempt);

CREATE TABLE cmo_activities (
  trace_id          TEXT    NOT NULL REFERENCES cmo_runs (trace_id),
  step_index        INTEGER NOT NULL,
  attempt           INTEGER NOT NULL,
  seq               INTEGER NOT NULL,
  activity_type     TEXT    NOT NULL,
  status            TEXT    NOT NULL,
  request_hash      TEXT,
  idempotency_key   TEXT,
  due_at            INTEGER,         -- sleep: when it ends
  timestamp         INTEGER,
  location          TEXT,            -- file:line of the call
  digest            TEXT,
  response_blob_ref TEXT,            -- hash of an artifact
  request_data      BLOB,
  response_data     BLOB             -- {"value":...} or {"error":{...}}
);
CREATE UNIQUE INDEX cmo_activities_key
  ON cmo_activities (trace_id, step_index, attempt, seq);

CREATE VIEW cmo_runs_json AS
SELECT r.trace_id, graph_id, graph_version, graph_hash, status, seed, step_count, chain,
       epoch, claims, abort_requested, owner,
       strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1000.0, 'unixepoch') AS due_at,
       CAST(i.input AS TEXT) AS input, CAST(i.initial_state AS TEXT) AS initial_state,
       CAST(i.limits AS TEXT) AS limits, CAST(error AS TEXT) AS error,
       CAST(metadata AS TEXT) AS metadata,
       strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', completed_at / 1000.0, 'unixepoch') AS completed_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', updated_at / 1000.0, 'unixepoch') AS updated_at
FROM cmo_runs r LEFT JOIN cmo_inputs i ON i.trace_id = r.trace_id;

CREATE VIEW cmo_steps_json AS
SELECT trace_id, step_index, attempt, node_id, status, input_hash, state_hash, output_hash,
       next_edge, next_node, fuel, activity_count, duration_ms, fingerprint, digest, chain,
       strftime('%Y-%m-%dT%H:%M:%fZ', clock / 1000.0, 'unixepoch') AS clock,
       strftime('%Y-%m-%dT%H:%M:%fZ', retry_at / 1000.0, 'unixepoch') AS retry_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', started_at / 1000.0, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', completed_at / 1000.0, 'unixepoch') AS completed_at,
       CAST(state AS TEXT) AS state, CAST(output AS TEXT) AS output,
       CAST(metadata AS TEXT) AS metadata, CAST(error AS TEXT) AS error,
       CAST(stop AS TEXT) AS stop
FROM cmo_steps;

CREATE VIEW cmo_activities_json AS
SELECT trace_id, step_index, attempt, seq, activity_type, status, request_hash,
       idempotency_key, location, digest, response_blob_ref,
       strftime('%Y-%m-%dT%H:%M:%fZ', due_at / 1000.0, 'unixepoch') AS due_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', timestamp / 1000.0, 'unixepoch') AS timestamp,
       CAST(request_data AS TEXT) AS request_data,
       CAST(response_data AS TEXT) AS response_data
FROM cmo_activities;

CREATE VIEW cmo_graphs_json AS
SELECT graph_hash, graph_id, graph_version, CAST(definition AS TEXT) AS definition,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at
FROM cmo_graphs;
