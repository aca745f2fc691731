-- 0011: what is shown as U+FFFD in an error's text is a NUL alone, written with an odd number of
-- backslashes: a backslash before "u0000" stays one.
CREATE OR REPLACE FUNCTION cmo_member(document json, name text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN document ->> name;
EXCEPTION WHEN untranslatable_character THEN
  RETURN regexp_replace(document::text, E'(?<!\\\\)((?:\\\\\\\\)*)\\\\u0000',
    E'\\1' || chr(65533), 'g')::json ->> name;
END
$$;
