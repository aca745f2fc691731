-- 0004: in what order runs are taken up, and how many at once.

ALTER TABLE cmo_runs
  ADD COLUMN priority        INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN limited         BOOLEAN NOT NULL DEFAULT false,  -- one of the next five is set
  ADD COLUMN running_max     INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN limit_key       TEXT,
  ADD COLUMN key_running_max INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN rate_count      INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN rate_ms         INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN claimed_at      TIMESTAMPTZ,
  ADD COLUMN claimed_by      TEXT,
  ADD COLUMN begun_at        TIMESTAMPTZ;

DROP INDEX cmo_runs_free;
CREATE INDEX cmo_runs_free ON cmo_runs (graph_id, priority, (coalesce(due_at, created_at)), run_no)
  WHERE completed_at IS NULL AND worker IS NULL AND (due_at IS NOT NULL OR status <> 'waiting');
CREATE INDEX cmo_runs_claimed ON cmo_runs (graph_id, claimed_at) WHERE claimed_at IS NOT NULL;
CREATE INDEX cmo_runs_begun ON cmo_runs (graph_id, begun_at) WHERE limited AND begun_at IS NOT NULL;
CREATE INDEX cmo_runs_running ON cmo_runs (graph_id, limit_key)
  WHERE limited AND completed_at IS NULL AND worker IS NOT NULL;

COMMENT ON COLUMN cmo_runs.priority IS 'Higher ones are taken up first';
COMMENT ON COLUMN cmo_runs.running_max IS 'Of the graph, at once; 0: no limit';
COMMENT ON COLUMN cmo_runs.limit_key IS 'What its input says at the path limits.key';
COMMENT ON COLUMN cmo_runs.key_running_max IS 'Of the graph and limit_key, at once';
COMMENT ON COLUMN cmo_runs.rate_count IS 'So many of the graph begin in any rate_ms';
COMMENT ON COLUMN cmo_runs.claimed_at IS 'When it was last taken up as the next one';
COMMENT ON COLUMN cmo_runs.claimed_by IS 'Who claimed it last';
COMMENT ON COLUMN cmo_runs.begun_at IS 'When it was first taken up as the next one';
