-- 0009: a run's graph is in cmo_graphs: no run is made without its code, and no graph is deleted
-- that a run carries. Workers of the version before put the graph first, too.
--
-- A run that is there without its graph (made by hand, or from a copy of a part) stays, and the
-- key holds for new rows alone. The index is for deletions of graphs; no turn changes it.

CREATE INDEX cmo_runs_graph ON cmo_runs (graph_hash);
ALTER TABLE cmo_runs ADD CONSTRAINT cmo_runs_graph_hash FOREIGN KEY (graph_hash)
  REFERENCES cmo_graphs (graph_hash) NOT VALID;
DO $$
BEGIN
  ALTER TABLE cmo_runs VALIDATE CONSTRAINT cmo_runs_graph_hash;
EXCEPTION WHEN foreign_key_violation THEN
  RAISE WARNING 'some runs have no graph: %', SQLERRM;
END
$$;

-- As before, but a graph that a run comes to carry at this moment is left for the next time.
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
  BEGIN
    DELETE FROM cmo_graphs g WHERE g.created_at < before
      AND NOT EXISTS (SELECT 1 FROM cmo_runs r WHERE r.graph_hash = g.graph_hash);
  EXCEPTION WHEN foreign_key_violation THEN
    NULL;
  END;
  RETURN deleted;
END
$$;

COMMENT ON COLUMN cmo_runs.graph_hash IS 'Its code, in cmo_graphs';
