-- 0008: a NUL in an error's code or message is shown as U+FFFD: `->` cannot read such a member
-- either.
CREATE OR REPLACE FUNCTION cmo_member(document json, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN document ->> name;
EXCEPTION WHEN untranslatable_character THEN
  RETURN replace(document::text, chr(92) || 'u0000', chr(65533))::json ->> name;
END
$$;
