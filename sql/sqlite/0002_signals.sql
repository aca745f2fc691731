-- 0002: signals, which ctx.wait consumes.
--
-- A signal is kept until a result consumes it; then the journal has its payload and the row only
-- says by which call. signal_no orders them, also over runs, and is never given twice.

CREATE TABLE cmo_signals (
  signal_no        INTEGER PRIMARY KEY AUTOINCREMENT,
  trace_id         TEXT    NOT NULL REFERENCES cmo_runs (trace_id),
  name             TEXT    NOT NULL,
  signal_key       TEXT,              -- of the sender: the same one again is not kept twice
  consumed_step    INTEGER,           -- NULL: it waits to be consumed
  consumed_attempt INTEGER,
  consumed_seq     INTEGER,
  created_at       INTEGER NOT NULL,
  payload_hash     TEXT,
  payload_bytes    INTEGER NOT NULL,
  payload          BLOB               -- NULL once consumed
);
CREATE UNIQUE INDEX cmo_signals_key ON cmo_signals (trace_id, signal_key)
  WHERE signal_key IS NOT NULL;
CREATE INDEX cmo_signals_run ON cmo_signals (trace_id, signal_no);
CREATE INDEX cmo_signals_waiting ON cmo_signals (trace_id, name, signal_no)
  WHERE consumed_step IS NULL;

CREATE VIEW cmo_signals_json AS
SELECT signal_no, trace_id, name, signal_key, consumed_step, consumed_attempt, consumed_seq,
       strftime('%Y-%m-%dT%H:%M:%fZ', created_at / 1000.0, 'unixepoch') AS created_at,
       payload_hash, payload_bytes, CAST(payload AS TEXT) AS payload
FROM cmo_signals;
