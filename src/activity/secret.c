/* secret: the values of one request's secrets, and their removal from what comes back
 * (I14). Uses base, json's writer. Must not know HTTP.
 *
 * What is looked for: the value as it is, as JSON escapes it, and percent-encoded in
 * either case. A server that transforms a secret in another way can still leak it; the
 * documentation says so.
 */
#include "activity/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMS 4 /* plain, JSON, percent-encoded in upper and in lower case */
#define SECRET_BYTES_MIN 4

struct elg_secret {
    struct elg_secret *next;
    char name[ELG_NAME_BYTES_MAX + 1];
    struct elg_buf forms[FORMS];
};

void elg__secrets_init(struct elg_secrets *secrets, const struct elg_alloc *alloc)
{
    secrets->alloc = alloc;
    secrets->first = NULL;
}

static void secret_destroy(const struct elg_alloc *alloc, struct elg_secret *secret)
{
    for (int i = 0; i < FORMS; i++) {
        if (secret->forms[i].data != NULL)
            explicit_bzero(secret->forms[i].data, secret->forms[i].capacity);
        elg_base_buf_fini(&secret->forms[i]);
    }
    elg_base_free(alloc, secret, sizeof *secret);
}

void elg__secrets_fini(struct elg_secrets *secrets)
{
    while (secrets->first != NULL) {
        struct elg_secret *secret = secrets->first;
        secrets->first = secret->next;
        secret_destroy(secrets->alloc, secret);
    }
}

#define VARIABLE_SIZE (sizeof "ELG_SECRET_" + ELG_NAME_BYTES_MAX)

/* The variable of a name: in upper case with '_' for '-' and '.'. */
static void variable_of(const char *name, char variable[VARIABLE_SIZE])
{
    snprintf(variable, VARIABLE_SIZE, "ELG_SECRET_%s", name);
    for (char *c = variable; *c != '\0'; c++) {
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c & ~32);
        else if (*c == '-' || *c == '.')
            *c = '_';
    }
}

/* ELG_SECRET_NAME as written, else as variable_of says. */
static const char *from_environment(const char *name)
{
    char variable[VARIABLE_SIZE];
    snprintf(variable, sizeof variable, "ELG_SECRET_%s", name);
    const char *value = getenv(variable);
    if (value != NULL)
        return value;
    variable_of(name, variable);
    return getenv(variable);
}

static enum elg_status missing(const struct elg_performer *performer, const char *name,
                               struct elg_error *error)
{
    char variable[VARIABLE_SIZE];
    if (performer->secret != NULL)
        return elg_base_fail(error, ELG_NOT_FOUND, name, "the host has no secret \"%s\"",
                             name);
    variable_of(name, variable);
    return elg_base_fail(error, ELG_NOT_FOUND, name, "no secret \"%s\"; set %s", name,
                         variable);
}

static void percent_encode(struct elg_buf *out, struct elg_bytes value, const char *hex)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (alnum || (c != 0 && strchr("-._~", c) != NULL)) {
            elg_base_buf_append_byte(out, c);
        } else {
            elg_base_buf_append_byte(out, '%');
            elg_base_buf_append_byte(out, (uint8_t)hex[c >> 4]);
            elg_base_buf_append_byte(out, (uint8_t)hex[c & 15]);
        }
    }
}

/* The string's escaped inside, without its quotes. Not UTF-8: no such form. */
static void json_escape(struct elg_buf *out, struct elg_bytes value)
{
    if (!elg_json_write_string(out, value, NULL) || out->failed)
        return;
    out->size -= 2;
    memmove(out->data, out->data + 1, out->size);
}

/* Forms that equal an earlier one are emptied. */
static bool make_forms(struct elg_secret *secret, const struct elg_alloc *alloc,
                       const char *text)
{
    struct elg_bytes value = elg_base_bytes(text);
    bool failed = false;
    for (int i = 0; i < FORMS; i++)
        elg_base_buf_init(&secret->forms[i], alloc);
    elg_base_buf_append(&secret->forms[0], value.data, value.size);
    json_escape(&secret->forms[1], value);
    percent_encode(&secret->forms[2], value, "0123456789ABCDEF");
    percent_encode(&secret->forms[3], value, "0123456789abcdef");
    for (int i = 0; i < FORMS; i++) {
        failed = failed || secret->forms[i].failed;
        for (int k = 0; k < i; k++) {
            if (elg_base_bytes_equal(elg_base_buf_bytes(&secret->forms[i]),
                                     elg_base_buf_bytes(&secret->forms[k])))
                secret->forms[i].size = 0;
        }
    }
    return !failed;
}

static struct elg_secret *find(const struct elg_secrets *secrets, struct elg_bytes name)
{
    struct elg_secret *secret = secrets->first;
    while (secret != NULL && !elg_base_bytes_equal(elg_base_bytes(secret->name), name))
        secret = secret->next;
    return secret;
}

enum elg_status elg__secrets_get(struct elg_secrets *secrets,
                                 const struct elg_performer *performer,
                                 struct elg_bytes name, struct elg_bytes *value,
                                 struct elg_error *error)
{
    struct elg_secret *secret = find(secrets, name);
    if (secret == NULL) {
        secret = elg_base_calloc(secrets->alloc, sizeof *secret);
        if (secret == NULL)
            return elg_base_no_memory(error);
        memcpy(secret->name, name.data, name.size);
        const char *text = performer->secret != NULL
                               ? performer->secret(performer->secret_self, secret->name)
                               : from_environment(secret->name);
        if (text != NULL && strlen(text) < SECRET_BYTES_MIN) {
            secret_destroy(secrets->alloc, secret);
            return elg_base_fail(error, ELG_INVALID, "secret",
                                 "the secret's value has under %d bytes: it could not be "
                                 "told from other text and kept out of the records",
                                 SECRET_BYTES_MIN);
        }
        bool made = text != NULL && make_forms(secret, secrets->alloc, text);
        if (!made) {
            enum elg_status status = text != NULL
                                         ? elg_base_no_memory(error)
                                         : missing(performer, secret->name, error);
            secret_destroy(secrets->alloc, secret);
            return status;
        }
        secret->next = secrets->first;
        secrets->first = secret;
    }
    *value = elg_base_buf_bytes(&secret->forms[0]);
    return ELG_OK;
}

/* The longest form that stands at the start of `rest`. */
static const struct elg_secret *match(const struct elg_secrets *secrets,
                                      struct elg_bytes rest, size_t *size)
{
    const struct elg_secret *best = NULL;
    *size = 0;
    for (const struct elg_secret *s = secrets->first; s != NULL; s = s->next) {
        for (int i = 0; i < FORMS; i++) {
            const struct elg_buf *form = &s->forms[i];
            if (form->size > *size && form->size <= rest.size &&
                memcmp(form->data, rest.data, form->size) == 0) {
                best = s;
                *size = form->size;
            }
        }
    }
    return best;
}

/* True if any form stands anywhere; also marks the bytes that forms begin with. */
static bool present(const struct elg_secrets *secrets, struct elg_bytes text,
                    bool first[256])
{
    bool found = false;
    memset(first, 0, 256 * sizeof *first);
    for (const struct elg_secret *s = secrets->first; s != NULL; s = s->next) {
        for (int i = 0; i < FORMS; i++) {
            const struct elg_buf *form = &s->forms[i];
            if (form->size == 0)
                continue;
            first[form->data[0]] = true;
            found = found || memmem(text.data, text.size, form->data, form->size) != NULL;
        }
    }
    return found;
}

void elg__secrets_redact(const struct elg_secrets *secrets, struct elg_buf *text)
{
    bool first[256];
    struct elg_bytes rest = elg_base_buf_bytes(text);
    if (text->size == 0 || !present(secrets, rest, first))
        return;
    struct elg_buf clean;
    elg_base_buf_init(&clean, text->alloc);
    while (rest.size > 0) {
        size_t size = 1;
        const struct elg_secret *secret =
            first[rest.data[0]] ? match(secrets, rest, &size) : NULL;
        if (secret != NULL) {
            elg_base_buf_printf(&clean, "[secret %s]", secret->name);
        } else {
            size = 1;
            elg_base_buf_append_byte(&clean, rest.data[0]);
        }
        rest.data += size;
        rest.size -= size;
    }
    explicit_bzero(text->data, text->capacity);
    elg_base_buf_fini(text);
    *text = clean;
    if (clean.failed)
        text->size = 0;
}
