/* json_bench: what one step pays for JSON, in nanoseconds a text of about 1 KB.
 *
 *   make bench-json
 * Prints the median of 21 rounds for: reading tokens, writing the pieces of the same
 * text, canonicalising it (canonical already, and with every object out of order),
 * building a tree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "json/json.h"

#define ROUNDS 21
#define REPEATS 2000
#define TOKENS_MAX 1024

struct piece {
    enum elg_json_token token;
    struct elg_bytes string;
    double number;
};

struct bench {
    struct elg_bytes text;
    struct elg_buf out;
    struct piece pieces[TOKENS_MAX];
    size_t piece_count;
};

static size_t sink;

static void read_tokens(struct bench *b)
{
    struct elg_json_reader reader;
    enum elg_json_token token = ELG_JSON_NULL;
    elg_json_reader_init(&reader, elg_base_alloc_default(), b->text);
    while (token != ELG_JSON_END) {
        if (elg_json_reader_next(&reader, &token, NULL) != ELG_OK)
            exit(1);
        sink += (size_t)token;
    }
    elg_json_reader_fini(&reader);
}

static void keep_pieces(struct bench *b)
{
    struct elg_json_reader reader;
    enum elg_json_token token = ELG_JSON_NULL;
    elg_json_reader_init(&reader, elg_base_alloc_default(), b->text);
    while (elg_json_reader_next(&reader, &token, NULL) == ELG_OK &&
           token != ELG_JSON_END && b->piece_count < TOKENS_MAX) {
        struct piece *piece = &b->pieces[b->piece_count++];
        *piece = (struct piece){token, reader.string, reader.number};
    }
    elg_json_reader_fini(&reader);
}

static void write_pieces(struct bench *b)
{
    elg_base_buf_reset(&b->out);
    for (size_t i = 0; i < b->piece_count; i++) {
        const struct piece *piece = &b->pieces[i];
        if (piece->token == ELG_JSON_NUMBER)
            elg_json_write_number(&b->out, piece->number);
        else if (piece->token == ELG_JSON_STRING || piece->token == ELG_JSON_KEY)
            elg_json_write_string(&b->out, piece->string, NULL);
        else
            elg_base_buf_append_byte(&b->out, ',');
    }
    sink += b->out.size;
}

static void canonicalize(struct bench *b)
{
    elg_base_buf_reset(&b->out);
    if (elg_json_canonicalize(elg_base_alloc_default(), b->text, &b->out, NULL) != ELG_OK)
        exit(1);
    sink += b->out.size;
}

static void build_tree(struct bench *b)
{
    struct elg_json_doc *doc;
    if (elg_json_parse(elg_base_alloc_default(), b->text, &doc, NULL) != ELG_OK)
        exit(1);
    sink += elg_json_size(elg_json_root(doc));
    elg_json_doc_destroy(doc);
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, void (*work)(struct bench *), struct bench *b)
{
    double ns[ROUNDS];
    struct elg_clock clock = elg_base_clock_system();
    for (size_t i = 0; i < ROUNDS; i++) {
        int64_t before = elg_base_monotonic_us(clock);
        for (size_t k = 0; k < REPEATS; k++)
            work(b);
        ns[i] = (double)(elg_base_monotonic_us(clock) - before) * 1000 / REPEATS;
    }
    qsort(ns, ROUNDS, sizeof ns[0], by_number);
    printf("%-28s %8.0f ns  %6.0f MB/s\n", name, ns[ROUNDS / 2],
           (double)b->text.size * 1000 / ns[ROUNDS / 2]);
}

/* A state as graphs have it: some names, some numbers, a list of records. */
static void append_state(struct elg_buf *out, bool ordered)
{
    const char *record =
        ordered ? "{\"id\":%1$d,\"name\":\"item number "
                  "%2$d\",\"price\":%3$d.25,\"tags\":[\"new\","
                  "\"caf\xC3\xA9\"]}"
                : "{\"tags\":[\"new\",\"caf\xC3\xA9\"],\"name\":\"item number %2$d\","
                  "\"id\":%1$d,\"price\":%3$d.25}";
    elg_base_buf_append_str(out, ordered ? "{\"count\":12,\"items\":[" : "{\"items\":[");
    for (int i = 0; i < 12; i++) {
        if (i > 0)
            elg_base_buf_append_byte(out, ',');
        elg_base_buf_printf(out, record, i, i * 37, i * 3);
    }
    elg_base_buf_append_str(out, ordered ? "],\"ok\":true,\"url\":\"http://localhost/a\"}"
                                         : "],\"url\":\"http://localhost/a\",\"ok\":true,"
                                           "\"count\":12}");
}

int main(void)
{
    static struct bench b;
    struct elg_buf ordered, unordered;
    elg_base_buf_init(&ordered, elg_base_alloc_default());
    elg_base_buf_init(&unordered, elg_base_alloc_default());
    elg_base_buf_init(&b.out, elg_base_alloc_default());
    append_state(&ordered, true);
    append_state(&unordered, false);
    b.text = elg_base_buf_bytes(&ordered);
    keep_pieces(&b);
    printf("%zu bytes, %zu tokens\n", b.text.size, b.piece_count);
    measure("read tokens", read_tokens, &b);
    measure("write pieces", write_pieces, &b);
    measure("canonicalise, in order", canonicalize, &b);
    measure("build a tree", build_tree, &b);
    b.text = elg_base_buf_bytes(&unordered);
    measure("canonicalise, out of order", canonicalize, &b);
    elg_base_buf_fini(&b.out);
    elg_base_buf_fini(&ordered);
    elg_base_buf_fini(&unordered);
    return sink == 0;
}
