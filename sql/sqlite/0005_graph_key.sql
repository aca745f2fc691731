-- 0005: a run's graph is in cmo_graphs: no run is made without its code, and no graph is deleted
-- that a run carries. By triggers: a reference cannot be added to a column that is there without
-- making the table anew, and SQLite looks at references only where a connection asks for it.
-- Processes of the version before put the graph first, too. Runs that are there without their
-- graph stay.

CREATE INDEX cmo_runs_graph ON cmo_runs (graph_hash);
CREATE TRIGGER cmo_runs_graph_hash AFTER INSERT ON cmo_runs
WHEN NOT EXISTS (SELECT 1 FROM cmo_graphs WHERE graph_hash = NEW.graph_hash)
BEGIN
  SELECT RAISE(ABORT, 'the run''s graph is not in cmo_graphs');
END;
CREATE TRIGGER cmo_graphs_graph_hash BEFORE DELETE ON cmo_graphs
WHEN EXISTS (SELECT 1 FROM cmo_runs WHERE graph_hash = OLD.graph_hash)
BEGIN
  SELECT RAISE(ABORT, 'a run carries this graph');
END;
