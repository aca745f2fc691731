/* answer: what ledger answers to each path (see ledger.c). Uses libmicrohttpd, OpenSSL.
 */
#include "ledger.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define TEXT_BYTES_MAX 65536

void ledger_hex_sha256(const void *data, size_t size, char out[65])
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    SHA256(data, size, hash);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* JSON string of `text`, cut to fit; not UTF-8 stays what it is. */
void ledger_quote(const char *text, char *out, size_t room)
{
    size_t at = 0;
    out[at++] = '"';
    for (const unsigned char *c = (const unsigned char *)text; *c && at + 8 < room; c++) {
        if (*c == '"' || *c == '\\')
            at += (size_t)snprintf(out + at, room - at, "\\%c", *c);
        else if (*c < 0x20)
            at += (size_t)snprintf(out + at, room - at, "\\u%04x", *c);
        else
            out[at++] = (char)*c;
    }
    out[at++] = '"';
    out[at] = '\0';
}

const char *ledger_header(struct MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value != NULL ? value : "";
}

const char *ledger_argument(struct MHD_Connection *connection, const char *name,
                            const char *fallback)
{
    const char *value =
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
    return value != NULL ? value : fallback;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const char *type, const void *data, size_t size)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        size, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_ledger(struct MHD_Connection *connection, unsigned status,
                                     const struct exchange *exchange)
{
    char sha[65], both[65], quoted[1024], mix[1200], text[2048];
    const char *key = ledger_header(connection, "Idempotency-Key");
    ledger_hex_sha256(exchange->body, exchange->size, sha);
    snprintf(mix, sizeof mix, "%s %.1000s", sha, key);
    ledger_hex_sha256(mix, strlen(mix), both);
    both[8] = '\0';
    ledger_quote(key, quoted, sizeof quoted);
    int size = snprintf(text, sizeof text, "{\"echo\":\"%s\",\"key\":%s,\"n\":%lu}", sha,
                        quoted, strtoul(both, NULL, 16));
    return answer(connection, status, "application/json", text, (size_t)size);
}

static enum MHD_Result answer_redirect(struct MHD_Connection *connection, const char *to)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    unsigned status = (unsigned)atoi(ledger_argument(connection, "code", "302"));
    MHD_add_response_header(response, "Location", to);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

struct text {
    char data[TEXT_BYTES_MAX];
    size_t size;
};

static enum MHD_Result add_header(void *self, enum MHD_ValueKind kind, const char *name,
                                  const char *value)
{
    struct text *text = self;
    (void)kind;
    size_t room = sizeof text->data - text->size;
    if (room < 16384)
        return MHD_NO;
    if (text->data[text->size - 1] != '{')
        text->data[text->size++] = ',';
    ledger_quote(name, text->data + text->size, 4096);
    text->size += strlen(text->data + text->size);
    text->data[text->size++] = ':';
    ledger_quote(value != NULL ? value : "", text->data + text->size, 8192);
    text->size += strlen(text->data + text->size);
    return MHD_YES;
}

static enum MHD_Result answer_echo(struct MHD_Connection *connection, const char *method,
                                   const char *path, const struct exchange *exchange)
{
    static struct text text; /* one thread answers */
    char quoted_path[4096], body[16384];
    ledger_quote(path, quoted_path, sizeof quoted_path);
    ledger_quote(exchange->body != NULL ? exchange->body : "", body, sizeof body);
    text.size = (size_t)snprintf(text.data, sizeof text.data,
                                 "{\"method\":\"%s\",\"path\":%s,\"body\":%s,"
                                 "\"headers\":{",
                                 method, quoted_path, body);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, &text);
    text.size += (size_t)snprintf(text.data + text.size, 3, "}}");
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text.size, text.data, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "x-echo",
                            ledger_header(connection, "Authorization"));
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_big(struct MHD_Connection *connection)
{
    size_t size = strtoul(ledger_argument(connection, "bytes", "0"), NULL, 10);
    char *data = size <= BODY_BYTES_MAX ? malloc(size + 1) : NULL;
    if (data == NULL)
        return MHD_NO;
    memset(data, 'x', size);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, data, MHD_RESPMEM_MUST_FREE);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_binary(struct MHD_Connection *connection)
{
    unsigned char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (unsigned char)i;
    return answer(connection, 200, "application/octet-stream", bytes, sizeof bytes);
}

static ssize_t read_endless(void *self, uint64_t at, char *out, size_t room)
{
    (void)self;
    (void)at;
    memset(out, 'e', room);
    return (ssize_t)room;
}

static ssize_t read_short(void *self, uint64_t at, char *out, size_t room)
{
    (void)self;
    if (at >= 10)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    size_t size = room < 10 - at ? room : (size_t)(10 - at);
    memset(out, 's', size);
    return (ssize_t)size;
}

static enum MHD_Result answer_reader(struct MHD_Connection *connection, uint64_t size,
                                     MHD_ContentReaderCallback reader)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(size, 4096, reader, NULL, NULL);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_reset(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct linger now = {1, 0};
    if (info != NULL)
        setsockopt(info->connect_fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return MHD_NO;
}

enum MHD_Result ledger_route(struct MHD_Connection *connection, const char *method,
                             const char *path, struct exchange *exchange)
{
    if (strcmp(path, "/status") == 0)
        return answer_ledger(connection,
                             (unsigned)atoi(ledger_argument(connection, "code", "200")),
                             exchange);
    if (strcmp(path, "/redirect") == 0)
        return answer_redirect(connection, ledger_argument(connection, "to", "/"));
    if (strcmp(path, "/loop") == 0)
        return answer_redirect(connection, "/loop");
    if (strcmp(path, "/echo") == 0)
        return answer_echo(connection, method, path, exchange);
    if (strcmp(path, "/big") == 0)
        return answer_big(connection);
    if (strcmp(path, "/binary") == 0)
        return answer_binary(connection);
    if (strcmp(path, "/endless") == 0)
        return answer_reader(connection, MHD_SIZE_UNKNOWN, read_endless);
    if (strcmp(path, "/short") == 0)
        return answer_reader(connection, 1000, read_short);
    if (strcmp(path, "/close") == 0)
        return MHD_NO;
    if (strcmp(path, "/reset") == 0)
        return answer_reset(connection);
    return answer_ledger(connection, 200, exchange);
}
