-- 0004: which runs wait for whoever takes them up, in what order, and how many at once.
--
-- free is 1 for a run that is known to be nobody's: it was submitted, or handed back. A run of
-- a process that died is found by its lock, once a second, and becomes free. Only free runs are
-- in the indexes that the search goes through, so that the turns of the others do not write
-- them.

ALTER TABLE cmo_runs ADD COLUMN free INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cmo_runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cmo_runs ADD COLUMN running_max INTEGER NOT NULL DEFAULT 0;      -- of the graph; 0: none
ALTER TABLE cmo_runs ADD COLUMN limit_key TEXT;
ALTER TABLE cmo_runs ADD COLUMN key_running_max INTEGER NOT NULL DEFAULT 0;  -- of graph and key
ALTER TABLE cmo_runs ADD COLUMN rate_count INTEGER NOT NULL DEFAULT 0;       -- begin in any rate_ms
ALTER TABLE cmo_runs ADD COLUMN rate_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cmo_runs ADD COLUMN claimed_at INTEGER;                          -- the last time, as next
ALTER TABLE cmo_runs ADD COLUMN begun_at INTEGER;                            -- the first time

CREATE INDEX cmo_runs_free
  ON cmo_runs (graph_id, priority, coalesce(due_at, created_at), trace_id)
  WHERE free = 1 AND completed_at IS NULL AND (due_at IS NOT NULL OR status <> 'waiting');
CREATE INDEX cmo_runs_due ON cmo_runs (due_at)
  WHERE free = 1 AND completed_at IS NULL AND due_at IS NOT NULL;
CREATE INDEX cmo_runs_claimed ON cmo_runs (graph_id, claimed_at) WHERE claimed_at IS NOT NULL;
CREATE INDEX cmo_runs_begun ON cmo_runs (graph_id, begun_at) WHERE begun_at IS NOT NULL;

UPDATE cmo_runs SET free = 1 WHERE completed_at IS NULL AND status = 'pending';
