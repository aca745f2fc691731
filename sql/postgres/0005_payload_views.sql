-- 0005: the JSON views show payloads that lie in artifacts as what they are.
--
-- A payload over 256 KiB is '@sha256:' and the hash of an artifact, and a large response is that
-- of response_blob_ref. Where the artifact is not in the database (--artifacts FOLDER) the view
-- shows the reference, as a string.

CREATE OR REPLACE FUNCTION cmo_json(payload BYTEA) RETURNS json LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
  content BYTEA := payload;
BEGIN
  IF substr(payload, 1, 8) = convert_to('@sha256:', 'UTF8') THEN
    SELECT coalesce(string_agg(data, ''::bytea ORDER BY chunk_index), payload) INTO content
      FROM cmo_artifacts WHERE artifact_hash = convert_from(substr(payload, 9), 'UTF8');
  END IF;
  RETURN convert_from(content, 'UTF8')::json;
EXCEPTION WHEN others THEN
  RETURN to_json(encode(payload, 'escape'));
END
$$;

CREATE OR REPLACE VIEW cmo_activities_json AS
SELECT trace_id, step_index, attempt, seq, activity_type, status, request_hash,
       idempotency_key, due_at, "timestamp", location, digest, response_blob_ref,
       cmo_json(request_data) AS request_data,
       cmo_json(coalesce(response_data, convert_to('@sha256:' || response_blob_ref, 'UTF8')))
         AS response_data
FROM cmo_activities;

COMMENT ON FUNCTION cmo_json(BYTEA) IS 'A payload as JSON, fetched from its artifact if it lies in one';
