-- 0003: child runs, which ctx.run begins in the transaction of its intent.
--
-- has_children is set with the first child of a run, so that only the end of a run that has some
-- looks for them. A child's end is a signal to its parent, named $child. A run goes with its
-- children.

ALTER TABLE cmo_runs
  ADD COLUMN parent_trace_id TEXT COLLATE "C" REFERENCES cmo_runs (trace_id) ON DELETE CASCADE,
  ADD COLUMN parent_step INTEGER,
  ADD COLUMN parent_seq INTEGER,
  ADD COLUMN depth INTEGER NOT NULL DEFAULT 0,
  ADD COLUMN has_children BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX cmo_runs_parent ON cmo_runs (parent_trace_id) WHERE parent_trace_id IS NOT NULL;

COMMENT ON COLUMN cmo_runs.parent_trace_id IS 'The run whose ctx.run or ctx.map began it';
COMMENT ON COLUMN cmo_runs.depth IS 'How many runs are above it';

-- As before, but a child goes with its parent alone.
CREATE OR REPLACE FUNCTION cleanup_old_executions(retention_days INTEGER) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
  deleted BIGINT;
  before TIMESTAMPTZ := clock_timestamp() - make_interval(days => retention_days);
BEGIN
  IF retention_days IS NULL OR retention_days < 0 THEN
    RAISE EXCEPTION 'retention_days: % is not a number of days', retention_days
      USING ERRCODE = '22023';
  END IF;
  DELETE FROM cmo_runs WHERE completed_at < before AND parent_trace_id IS NULL;
  GET DIAGNOSTICS deleted = ROW_COUNT;
  DELETE FROM cmo_graphs g WHERE g.created_at < before
    AND NOT EXISTS (SELECT 1 FROM cmo_runs r WHERE r.graph_hash = g.graph_hash);
  RETURN deleted;
END
$$;
