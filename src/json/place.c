/* place: line, column and path of an error. Provides place.h.
 *
 * Uses the reader's frames. Runs only on errors, so it counts lines from the start.
 */
#include "json/place.h"

#include <stdio.h>
#include <string.h>

/* A text that is cut with "..." where it would be longer than its room. */
struct line {
    char text[ELG_ERROR_WHERE_MAX];
    size_t size;
    bool cut;
};

#define CUT_MARK "..."

static void add(struct line *line, const char *text, size_t size)
{
    if (line->cut)
        return;
    if (size >= sizeof line->text - sizeof CUT_MARK - line->size) {
        line->cut = true;
        text = CUT_MARK;
        size = sizeof CUT_MARK - 1;
    }
    memcpy(line->text + line->size, text, size);
    line->size += size;
    line->text[line->size] = '\0';
}

static void add_str(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

static bool is_word(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t lower = p[i] | 0x20;
        bool letter = (lower >= 'a' && lower <= 'z') || p[i] == '_';
        if (!letter && (i == 0 || p[i] < '0' || p[i] > '9'))
            return false;
    }
    return size > 0;
}

static void add_member(struct line *line, const struct elg_json_frame *frame)
{
    bool word = is_word(frame->key, frame->key_size);
    add_str(line, word ? "." : "[\"");
    add(line, (const char *)frame->key, frame->key_size);
    if (!word)
        add_str(line, "\"]");
}

static void add_path(struct line *line, const struct elg_json_reader *reader)
{
    add_str(line, "$");
    for (uint32_t i = 1; i <= reader->depth; i++) {
        const struct elg_json_frame *frame = &reader->frames[i];
        char index[16];
        if (!frame->object) {
            snprintf(index, sizeof index, "[%u]", (unsigned)frame->index);
            add_str(line, index);
        } else if (frame->key != NULL) {
            add_member(line, frame);
        }
    }
}

static void add_line_column(struct line *line, const uint8_t *from, const uint8_t *at)
{
    size_t lines = 1, columns = 1;
    for (; from < at; from++) {
        if (*from == '\n') {
            lines++;
            columns = 1;
        } else if ((*from & 0xC0) != 0x80) {
            columns++;
        }
    }
    char text[64];
    snprintf(text, sizeof text, "line %zu column %zu, ", lines, columns);
    add_str(line, text);
}

enum elg_status elg__json_fail(const struct elg_json_reader *reader,
                               enum elg_status status, const uint8_t *at,
                               struct elg_error *error, const char *format, ...)
{
    if (error == NULL)
        return status;
    struct line where = {.size = 0};
    add_line_column(&where, reader->start, at);
    add_path(&where, reader);
    char text[ELG_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return elg_base_fail(error, status, where.text, "%s", text);
}

const char *elg__json_found(const struct elg_json_reader *reader, const uint8_t *at,
                            char out[ELG__JSON_FOUND_SIZE])
{
    if (at >= reader->end)
        snprintf(out, ELG__JSON_FOUND_SIZE, "the end of the text");
    else if (*at >= 0x20 && *at < 0x7F)
        snprintf(out, ELG__JSON_FOUND_SIZE, "'%c'", *at);
    else
        snprintf(out, ELG__JSON_FOUND_SIZE, "byte 0x%02X", *at);
    return out;
}
