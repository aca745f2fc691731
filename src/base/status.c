/* status: fills error records. Provides base/status.h and the public elg_status_name. */
#include "base/status.h"

#include <stdio.h>
#include <string.h>

static const char *const STATUS_NAMES[] = {
    "ELG_OK",     "ELG_USAGE",       "ELG_INVALID",  "ELG_NO_MEMORY", "ELG_IO",
    "ELG_FULL",   "ELG_CORRUPT",     "ELG_BUSY",     "ELG_NOT_FOUND", "ELG_EXISTS",
    "ELG_FENCED", "ELG_DIVERGED",    "ELG_DENIED",   "ELG_TIMEOUT",   "ELG_ABORTED",
    "ELG_LIMIT",  "ELG_UNSUPPORTED", "ELG_INTERNAL",
};

const char *elg_status_name(enum elg_status status)
{
    size_t i = (size_t)status;
    if (i >= sizeof STATUS_NAMES / sizeof STATUS_NAMES[0])
        return "ELG_INTERNAL";
    return STATUS_NAMES[i];
}

const char *elg_version(void)
{
    return ELG_VERSION;
}

/* A cut text must not end inside a UTF-8 sequence. */
static void trim_utf8(char *text)
{
    size_t n = strlen(text), back = 0;
    while (n > 0 && back < 4 && ((unsigned char)text[n - 1] & 0xC0) == 0x80) {
        n--;
        back++;
    }
    if (n == 0)
        return;
    unsigned char lead = (unsigned char)text[n - 1];
    size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (want != back)
        text[n - 1] = '\0';
}

enum elg_status elg_base_fail(struct elg_error *error, enum elg_status status,
                              const char *where, const char *format, ...)
{
    if (error == NULL)
        return status;
    /* `where` may be error->where itself when an error is passed on. */
    char place[ELG_ERROR_WHERE_MAX];
    snprintf(place, sizeof place, "%s", where ? where : "");
    char text[ELG_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    trim_utf8(place);
    trim_utf8(text);
    error->status = status;
    memcpy(error->where, place, sizeof place);
    memcpy(error->text, text, sizeof text);
    return status;
}

enum elg_status elg_base_no_memory(struct elg_error *error)
{
    return elg_base_fail(error, ELG_NO_MEMORY, NULL, "out of memory");
}

void elg_base_error_clear(struct elg_error *error)
{
    if (error == NULL)
        return;
    error->status = ELG_OK;
    error->where[0] = '\0';
    error->text[0] = '\0';
}
