-- 0002: signals, which ctx.wait consumes.
--
-- A signal is kept until a result consumes it; then the journal has its payload and the row only
-- says by which call. signal_no orders them in their run. token is of the sending process: a
-- sending whose reply was lost and that is repeated does not keep the signal twice.

CREATE TABLE cmo_signals (
  signal_no        BIGINT  NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
  trace_id         TEXT COLLATE "C" NOT NULL REFERENCES cmo_runs (trace_id) ON DELETE CASCADE,
  name             TEXT    NOT NULL,
  signal_key       TEXT,
  token            BIGINT  UNIQUE,
  consumed_step    INTEGER,
  consumed_attempt INTEGER,
  consumed_seq     INTEGER,
  created_at       TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
  payload_hash     TEXT,
  payload_bytes    BIGINT  NOT NULL,
  payload          BYTEA
);
CREATE UNIQUE INDEX cmo_signals_key ON cmo_signals (trace_id, signal_key)
  WHERE signal_key IS NOT NULL;
CREATE INDEX cmo_signals_run ON cmo_signals (trace_id, signal_no);
CREATE INDEX cmo_signals_waiting ON cmo_signals (trace_id, name, signal_no)
  WHERE consumed_step IS NULL;

CREATE VIEW cmo_signals_json AS
SELECT signal_no, trace_id, name, signal_key, consumed_step, consumed_attempt, consumed_seq,
       created_at, payload_hash, payload_bytes, cmo_json(payload) AS payload
FROM cmo_signals;

COMMENT ON TABLE cmo_signals IS 'What was sent to runs, by name, first in first out';
COMMENT ON COLUMN cmo_signals.signal_key IS 'The sender''s: the same one again is not kept twice';
COMMENT ON COLUMN cmo_signals.consumed_step IS 'NULL: it waits to be consumed';
COMMENT ON COLUMN cmo_signals.payload IS 'NULL once consumed: the journal has it';
