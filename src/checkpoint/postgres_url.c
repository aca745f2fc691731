/* postgres_url: where the database is. Uses postgres.h, libpq's own reading of URLs.
 *
 * Every setting of libpq may stand in the URL (?sslmode=verify-full&...) or in the
 * environment as POSTGRES_ and its name in capitals; the URL goes first, then POSTGRES_*,
 * then libpq's own PG* and defaults. A password never enters a message (I14).
 */
#include "checkpoint/postgres.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VARIABLE_BYTES_MAX 64
#define SETTINGS_OWN 8 /* those of DEFAULTS and the ends */

/* What we add where nothing is said. */
static const struct {
    const char *keyword, *value;
} DEFAULTS[] = {{"application_name", "elg"},
                {"keepalives_idle", "10"},
                {"keepalives_interval", "5"},
                {"keepalives_count", "3"},
                {"tcp_user_timeout", "15000"}};
#define DEFAULT_COUNT (sizeof DEFAULTS / sizeof DEFAULTS[0])

static const char *environment_of(const char *keyword)
{
    char name[VARIABLE_BYTES_MAX] = "POSTGRES_";
    size_t at = strlen(name);
    for (; *keyword != '\0' && at + 1 < sizeof name; keyword++)
        name[at++] = (char)toupper((unsigned char)*keyword);
    name[at] = '\0';
    const char *value = getenv(name);
    if (value == NULL && strcmp(name, "POSTGRES_DBNAME") == 0) {
        value = getenv("POSTGRES_DB");
        if (value == NULL)
            value = getenv("POSTGRES_DATABASE");
    }
    return value != NULL && *value != '\0' ? value : NULL;
}

static const char *default_of(const char *keyword)
{
    for (size_t i = 0; i < DEFAULT_COUNT; i++) {
        if (strcmp(DEFAULTS[i].keyword, keyword) == 0)
            return DEFAULTS[i].value;
    }
    return NULL;
}

/* Copies the value: the environment may change. False: no memory. */
static bool add(const struct elg_alloc *alloc, struct elg_postgres_settings *settings,
                const char *keyword, const char *value)
{
    char *copy = elg_base_strndup(alloc, value, strlen(value));
    if (copy == NULL)
        return false;
    settings->keywords[settings->count] = keyword;
    settings->values[settings->count++] = copy;
    return true;
}

static const char *value_of(const struct elg_postgres_settings *settings,
                            const char *keyword)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->keywords[i], keyword) == 0)
            return settings->values[i];
    }
    return NULL;
}

/* The database's name in messages: no password in it. */
static void label_make(struct elg_postgres_settings *settings)
{
    const char *host = value_of(settings, "host");
    const char *port = value_of(settings, "port");
    const char *user = value_of(settings, "user");
    const char *database = value_of(settings, "dbname");
    if (host == NULL)
        host = value_of(settings, "hostaddr");
    snprintf(settings->label, sizeof settings->label, "postgres://%s%s%s%s%s/%s",
             user ? user : "", user ? "@" : "", host ? host : "", port ? ":" : "",
             port ? port : "", database ? database : "");
}

static enum elg_status parse(const char *url, struct elg_postgres_settings *settings,
                             struct elg_error *error)
{
    char *message = NULL;
    bool bare = strcmp(url, "postgres:") == 0 || strcmp(url, "postgresql:") == 0;
    settings->options = PQconninfoParse(bare ? "postgres://" : url, &message);
    if (settings->options != NULL)
        return ELG_OK;
    if (message == NULL)
        return elg_base_no_memory(error);
    /* libpq's words may quote a part of the password, but not here. */
    bool harmless = strstr(message, "query parameter") != NULL;
    message[strcspn(message, "\r\n")] = '\0';
    elg_base_fail(
        error, ELG_USAGE, "postgres",
        "not a URL of Postgres%s%.200s; write "
        "postgres://USER:PASSWORD@HOST:PORT/DATABASE?SETTING=VALUE with special "
        "characters percent-encoded",
        harmless ? ": " : "", harmless ? message : "");
    PQfreemem(message);
    return ELG_USAGE;
}

static size_t option_count(const PQconninfoOption *options)
{
    size_t count = 0;
    while (options[count].keyword != NULL)
        count++;
    return count;
}

static enum elg_status settings_fill(const struct elg_alloc *alloc,
                                     struct elg_postgres_settings *settings,
                                     struct elg_error *error)
{
    settings->capacity = option_count(settings->options) + SETTINGS_OWN;
    settings->keywords =
        elg_base_calloc(alloc, settings->capacity * sizeof *settings->keywords);
    settings->values =
        elg_base_calloc(alloc, settings->capacity * sizeof *settings->values);
    if (settings->keywords == NULL || settings->values == NULL)
        return elg_base_no_memory(error);
    for (const PQconninfoOption *option = settings->options; option->keyword != NULL;
         option++) {
        const char *value = option->val;
        if (strcmp(option->keyword, "client_encoding") == 0)
            continue;
        if (value == NULL)
            value = environment_of(option->keyword);
        if (value == NULL)
            value = default_of(option->keyword);
        if (value != NULL && !add(alloc, settings, option->keyword, value))
            return elg_base_no_memory(error);
    }
    return add(alloc, settings, "client_encoding", "UTF8") ? ELG_OK
                                                           : elg_base_no_memory(error);
}

enum elg_status elg_postgres_settings_read(const struct elg_alloc *alloc, const char *url,
                                           struct elg_postgres_settings *out,
                                           struct elg_error *error)
{
    memset(out, 0, sizeof *out);
    enum elg_status status = parse(url, out, error);
    if (status == ELG_OK)
        status = settings_fill(alloc, out, error);
    if (status == ELG_OK)
        label_make(out);
    else
        elg_postgres_settings_fini(alloc, out);
    return status;
}

void elg_postgres_settings_fini(const struct elg_alloc *alloc,
                                struct elg_postgres_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++)
        elg_base_strfree(alloc, settings->values[i]);
    elg_base_free(alloc, settings->keywords,
                  settings->capacity * sizeof *settings->keywords);
    elg_base_free(alloc, settings->values, settings->capacity * sizeof *settings->values);
    PQconninfoFree(settings->options);
    memset(settings, 0, sizeof *settings);
}
