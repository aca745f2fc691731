-- 0007: columns of a status hold its names only; the same ones that workers of the version
-- before write. Rows that are there are looked at too, but what is wrong in them does not stop
-- the change: then the check is for new rows alone.

ALTER TABLE cmo_runs ADD CONSTRAINT cmo_runs_status CHECK (status IN ('pending', 'running',
  'waiting', 'completed', 'failed', 'timeout', 'aborted', 'diverged', 'quarantined')) NOT VALID;
ALTER TABLE cmo_steps ADD CONSTRAINT cmo_steps_status CHECK (status IN ('open', 'ok', 'error',
  'timeout', 'memory', 'aborted', 'diverged')) NOT VALID;
ALTER TABLE cmo_activities ADD CONSTRAINT cmo_activities_status CHECK (status IN ('intent',
  'done', 'cancelled', 'unknown')) NOT VALID;
DO $$
BEGIN
  ALTER TABLE cmo_runs VALIDATE CONSTRAINT cmo_runs_status;
  ALTER TABLE cmo_steps VALIDATE CONSTRAINT cmo_steps_status;
  ALTER TABLE cmo_activities VALIDATE CONSTRAINT cmo_activities_status;
EXCEPTION WHEN check_violation THEN
  RAISE WARNING 'some rows have a status that is none: %', SQLERRM;
END
$$;

-- As before, but so many days that no date is that old find nothing.
CREATE OR REPLACE FUNCTION cleanup_old_executions(retention_days INTEGER) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
  deleted BIGINT;
  before TIMESTAMPTZ := clock_timestamp() - make_interval(days => least(retention_days, 700000));
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

COMMENT ON FUNCTION cleanup_old_executions(INTEGER) IS
  'Deletes runs that ended more than so many days ago, each with the runs that it began; gives how many were deleted, those that others began not counted';
COMMENT ON COLUMN cmo_runs.started_at IS
  'When it began, or was last retried by hand: its timeout counts from then';
