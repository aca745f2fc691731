/* postgres_error: what the server's and libpq's failures mean to us. Uses postgres.h. */
#include "checkpoint/postgres.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *state; /* SQLSTATE, or its first characters */
    enum elg_status status;
    const char *hint;
} MEANINGS[] = {
    {"53100", ELG_FULL, "; make room on the server and go on"},
    {"53300", ELG_IO, "; raise max_connections or run fewer workers"},
    {"53", ELG_IO, ""},
    {"54", ELG_LIMIT, ""},
    {"28", ELG_IO, ""},
    {"3D000", ELG_IO, "; create it with createdb"},
    {"3F", ELG_IO, "; name a schema that exists in search_path"},
    {"42501", ELG_IO, "; grant this role SELECT, INSERT, UPDATE and DELETE there"},
    {"25006", ELG_IO, "; name the primary server, or a role that may write"},
    {"55P03", ELG_BUSY, "; another session holds a lock for too long"},
    {"57014", ELG_IO, ""},
    {"58", ELG_IO, ""},
    {"57", ELG_IO, ""},
    {"08", ELG_IO, ""},
    {"40", ELG_BUSY, ""},
    {"25P03", ELG_IO, ""},
    {"XX001", ELG_CORRUPT, "; restore it from a copy"},
    {"XX002", ELG_CORRUPT, "; restore it from a copy"},
    {"XX", ELG_IO, ""},
    {"22", ELG_CORRUPT, ""},
    {"23", ELG_CORRUPT, "; the tables were changed by someone else"},
    {"42", ELG_CORRUPT, "; the tables are not those of this elg"},
};
#define MEANING_COUNT (sizeof MEANINGS / sizeof MEANINGS[0])

static const char *const LOST_STATES[] = {"08",    "57P01", "57P02",
                                          "57P03", "57P05", "25P03"};
#define LOST_COUNT (sizeof LOST_STATES / sizeof LOST_STATES[0])

static bool starts(const char *state, const char *with)
{
    return strncmp(state, with, strlen(with)) == 0;
}

/* The first line, without its end. */
static void line_copy(const char *text, char *out, size_t out_size)
{
    size_t size = strcspn(text, "\n");
    snprintf(out, out_size, "%.*s", (int)(size < out_size ? size : out_size - 1), text);
}

static enum elg_status meaning_fail(const char *label, const char *state,
                                    const char *text, struct elg_error *error)
{
    char line[ELG_ERROR_TEXT_MAX / 2];
    line_copy(text, line, sizeof line);
    for (size_t i = 0; i < MEANING_COUNT; i++) {
        if (starts(state, MEANINGS[i].state))
            return elg_base_fail(error, MEANINGS[i].status, label, "%s%s", line,
                                 MEANINGS[i].hint);
    }
    return elg_base_fail(error, ELG_INTERNAL, label, "%s (SQLSTATE %s)", line, state);
}

/* Only the primary message: a detail may show a row. */
enum elg_status elg_postgres_fail(struct elg_postgres_connection *connection,
                                  const PGresult *result, struct elg_error *error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    snprintf(connection->sqlstate, sizeof connection->sqlstate, "%s", state ? state : "");
    if (text == NULL)
        text = PQresultErrorMessage(result);
    if (state == NULL && strstr(text, "out of memory") != NULL)
        return elg_base_no_memory(error);
    if (state == NULL) {
        char line[ELG_ERROR_TEXT_MAX / 2];
        line_copy(text, line, sizeof line);
        return elg_base_fail(error, ELG_IO, connection->postgres->settings.label, "%s",
                             line);
    }
    for (size_t i = 0; i < LOST_COUNT; i++) {
        if (starts(state, LOST_STATES[i]))
            connection->lost = true;
    }
    return meaning_fail(connection->postgres->settings.label, state, text, error);
}

static bool tells_more(const char *line)
{
    return *line == '\t' || *line == '\n' || starts(line, "DETAIL:") ||
           starts(line, "HINT:") || starts(line, "CONTEXT:");
}

/* Has libpq's or the server's name for what a line is: "connection to ...", "FATAL: ". */
static bool has_prefix(const char *line)
{
    return starts(line, "connection to ") || starts(line, "FATAL:") ||
           starts(line, "ERROR:") || starts(line, "could not ");
}

/* libpq gives a line or more for each address and try; the last one that says what
 * happened counts, and what follows it only tells more of it. A line without a prefix
 * may be such advice too, unless no line has one. */
static const char *what_happened(const char *text)
{
    const char *told = NULL, *last = text;
    for (const char *p = text; *p != '\0';) {
        if (!tells_more(p)) {
            last = p;
            told = has_prefix(p) ? p : told;
        }
        p += strcspn(p, "\n");
        p += *p == '\n' ? 1 : 0;
    }
    return told != NULL ? told : last;
}

enum elg_status elg_postgres_lose(struct elg_postgres_connection *connection,
                                  const char *why, struct elg_error *error)
{
    char line[ELG_ERROR_TEXT_MAX / 2];
    line_copy(why ? why : what_happened(PQerrorMessage(connection->pg)), line,
              sizeof line);
    elg_base_fail(error, ELG_IO, connection->postgres->settings.label, "%s",
                  line[0] ? line : "the connection is gone");
    elg_postgres_disconnect(connection);
    connection->lost = true;
    if (connection->lost_since_us == 0)
        connection->lost_since_us = elg_postgres_now_us(connection);
    return ELG_IO;
}

bool elg_postgres_keyless(const struct elg_postgres_connection *connection)
{
    return strcmp(connection->sqlstate, "23503") == 0;
}

bool elg_postgres_mismatch(const struct elg_postgres_connection *connection)
{
    return strcmp(connection->sqlstate, "22012") == 0 ||
           strcmp(connection->sqlstate, "23505") == 0 || elg_postgres_keyless(connection);
}

bool elg_postgres_only_reads(const struct elg_postgres_connection *connection)
{
    return strcmp(connection->sqlstate, "25006") == 0;
}

bool elg_postgres_transient(const struct elg_postgres_connection *connection)
{
    return starts(connection->sqlstate, "40");
}
