-- 0006: an error's code and message may hold NUL, which json shows as \u0000 and no text of this
-- database can hold: such a member is shown as its JSON, so that the view can be read.
CREATE FUNCTION cmo_member(document json, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN document ->> name;
EXCEPTION WHEN untranslatable_character THEN
  RETURN (document -> name)::text;
END
$$;

CREATE OR REPLACE VIEW cmo_execution_summary AS
SELECT r.trace_id, r.graph_id, r.graph_version, r.status, r.started_at, r.completed_at,
       r.step_count AS steps_completed, s.attempts, s.failed_attempts,
       a.activities, a.open_activities,
       s.duration_ms AS node_duration_ms,
       extract(epoch FROM coalesce(r.completed_at, clock_timestamp()) - r.started_at) * 1000
         AS elapsed_ms,
       cmo_member(cmo_json(r.error), 'code') AS error_code,
       cmo_member(cmo_json(r.error), 'message') AS error_message, r.created_at, r.updated_at
FROM cmo_runs r
CROSS JOIN LATERAL (
  SELECT count(*) AS attempts, count(*) FILTER (WHERE status NOT IN ('ok', 'open'))
           AS failed_attempts, coalesce(sum(duration_ms), 0) AS duration_ms
  FROM cmo_steps WHERE trace_id = r.trace_id) s
CROSS JOIN LATERAL (
  SELECT count(*) AS activities, count(*) FILTER (WHERE status = 'intent') AS open_activities
  FROM cmo_activities WHERE trace_id = r.trace_id) a;
