-- 0010: which graphs have free runs with limits is told without looking at all free runs. Runs
-- without limits pay nothing for it.
CREATE INDEX cmo_runs_limited ON cmo_runs (graph_id, (coalesce(due_at, created_at)))
  WHERE limited AND completed_at IS NULL AND worker IS NULL
    AND (due_at IS NOT NULL OR status <> 'waiting');
