-- 0003: child runs, which ctx.run begins in the transaction of its intent.
--
-- has_children is set with the first child of a run, so that only the end of a run that has some
-- looks for them. A child's end is a signal to its parent, named $child.

ALTER TABLE cmo_runs ADD COLUMN parent_trace_id TEXT;
ALTER TABLE cmo_runs ADD COLUMN parent_step INTEGER;
ALTER TABLE cmo_runs ADD COLUMN parent_seq INTEGER;
ALTER TABLE cmo_runs ADD COLUMN depth INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cmo_runs ADD COLUMN has_children INTEGER NOT NULL DEFAULT 0;
CREATE INDEX cmo_runs_parent ON cmo_runs (parent_trace_id) WHERE parent_trace_id IS NOT NULL;
