/* ledger.h: what ledger.c, answer.c and raw.c share. */
#ifndef ELG_SPEC_LEDGER_H
#define ELG_SPEC_LEDGER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BODY_BYTES_MAX (64u << 20)

struct exchange {
    char *body;
    size_t size, capacity;
    int64_t resume_ms; /* /slow: when to answer; 0: now */
    bool logged;
};

/* Starts the raw server on a thread; its port on 127.0.0.1, or -1. */
int ledger_raw_start(void);

/* Answers a request whose body has arrived. */
enum MHD_Result ledger_route(struct MHD_Connection *connection, const char *method,
                             const char *path, struct exchange *exchange);

void ledger_hex_sha256(const void *data, size_t size, char out[65]);
/* JSON string of `text`, cut to fit; what is not UTF-8 stays what it is. */
void ledger_quote(const char *text, char *out, size_t room);
/* "" if there is none. */
const char *ledger_header(struct MHD_Connection *connection, const char *name);
const char *ledger_argument(struct MHD_Connection *connection, const char *name,
                            const char *fallback);

#endif
