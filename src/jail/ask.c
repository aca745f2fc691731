/* ask: what a jailed process may have this one do: read a file of its graph, compile a
 * text. Provides that part of client.h. */
#include <string.h>

#include "base/limits.h"
#include "jail/client.h"

/* ---- files */

static struct elg_jail_source *find_source(struct elg_jail_program *program,
                                           const char *path)
{
    for (size_t i = 0; i < program->source_count; i++)
        if (strcmp(program->sources[i].path, path) == 0)
            return &program->sources[i];
    return NULL;
}

/* A graph's files: the entry, and what require can name. */
static bool may_read(const struct elg_jail_program *program, const char *path)
{
    size_t size = strlen(path);
    return strcmp(path, program->entry) == 0 ||
           (elg_sandbox_path_valid(path) && size > 4 &&
            strcmp(path + size - 4, ".lua") == 0);
}

static enum elg_status read_new(struct elg_jail_program *program, const char *path,
                                const struct elg_program_loader *loader,
                                struct elg_jail_source **out, struct elg_error *error)
{
    struct elg_jail_source *source = &program->sources[program->source_count];
    if (program->source_count == ELG_GRAPH_SOURCES_MAX)
        return elg_base_fail(error, ELG_LIMIT, path, "a graph has at most %d files",
                             ELG_GRAPH_SOURCES_MAX);
    if (!may_read(program, path))
        return elg_base_fail(error, ELG_NOT_FOUND, path, "not a file of a graph");
    elg_base_buf_init(&source->text, program->alloc);
    elg_base_buf_init(&source->bytecode, program->alloc);
    enum elg_status status = loader->read(loader->self, path, &source->text, error);
    if (status == ELG_OK && source->text.failed)
        status = elg_base_no_memory(error);
    if (status == ELG_OK &&
        (source->path = elg_base_strndup(program->alloc, path, strlen(path))) == NULL)
        status = elg_base_no_memory(error);
    if (status != ELG_OK) {
        elg_base_buf_fini(&source->text);
        return status;
    }
    program->source_count++;
    *out = source;
    return ELG_OK;
}

static enum elg_status read_source(struct elg_jail_program *program, const char *path,
                                   const struct elg_program_loader *loader,
                                   struct elg_bytes *out, struct elg_error *error)
{
    struct elg_jail_source *source = find_source(program, path);
    enum elg_status status = ELG_OK;
    if (source == NULL && loader == NULL)
        return elg_base_fail(error, ELG_NOT_FOUND, path, "not a file of this graph");
    if (source == NULL)
        status = read_new(program, path, loader, &source, error);
    if (status == ELG_OK)
        *out = elg_base_buf_bytes(&source->text);
    return status;
}

/* ---- compiling */

/* A graph's own files are compiled once, for every process that loads them. */
static enum elg_status compile(struct elg_jail_program *program, const char *chunk,
                               struct elg_bytes text, struct elg_buf *scratch,
                               struct elg_bytes *out, struct elg_error *error)
{
    struct elg_jail_source *source = find_source(program, chunk);
    struct elg_buf *bytecode = scratch;
    if (source != NULL && elg_base_bytes_equal(elg_base_buf_bytes(&source->text), text))
        bytecode = &source->bytecode;
    enum elg_status status = ELG_OK;
    if (bytecode->size == 0) {
        elg_base_buf_reset(bytecode);
        status =
            elg_sandbox_compile(program->jail->compiler, chunk, text, bytecode, error);
    }
    if (status == ELG_OK)
        *out = elg_base_buf_bytes(bytecode);
    return status;
}

/* ---- answers */

static bool answer(struct elg_jail_program *program, enum elg_jail_message kind,
                   enum elg_status status, struct elg_bytes bytes,
                   const struct elg_error *error, int64_t until_us)
{
    struct elg_buf *out = &program->child->out;
    size_t place = elg_jail_wire_begin(out, kind);
    elg_jail_wire_u32(out, (uint32_t)status);
    if (status == ELG_OK) {
        elg_jail_wire_bytes(out, bytes);
    } else {
        elg_jail_wire_text(out, error->where);
        elg_jail_wire_text(out, error->text);
    }
    elg_jail_wire_end(out, place);
    return elg_jail_child_send(program->child, until_us);
}

static bool serve_read(struct elg_jail_program *program,
                       const struct elg_program_loader *loader,
                       struct elg_jail_fields *fields, int64_t until_us)
{
    struct elg_bytes text = {NULL, 0};
    struct elg_error error;
    const char *path = elg_jail_fields_text(fields);
    if (!elg_jail_fields_over(fields)) {
        elg_jail_child_blame(program->child, "it asked for a file in no known way");
        return false;
    }
    enum elg_status status = read_source(program, path, loader, &text, &error);
    return answer(program, ELG_JAIL_SOURCE, status, text, &error, until_us);
}

static bool serve_compile(struct elg_jail_program *program,
                          struct elg_jail_fields *fields, int64_t until_us)
{
    struct elg_bytes bytecode = {NULL, 0};
    struct elg_error error;
    struct elg_buf scratch;
    const char *chunk = elg_jail_fields_text(fields);
    struct elg_bytes text = elg_jail_fields_bytes(fields);
    if (!elg_jail_fields_over(fields) || text.data == NULL) {
        elg_jail_child_blame(program->child, "it asked for a compile in no known way");
        return false;
    }
    elg_base_buf_init(&scratch, program->alloc);
    enum elg_status status = compile(program, chunk, text, &scratch, &bytecode, &error);
    bool sent = answer(program, ELG_JAIL_BYTECODE, status, bytecode, &error, until_us);
    elg_base_buf_fini(&scratch);
    return sent;
}

bool elg_jail_ask(struct elg_jail_program *program,
                  const struct elg_program_loader *loader, bool loading, int64_t until_us,
                  enum elg_jail_message *kind, struct elg_jail_fields *fields)
{
    struct elg_jail_child *child = program->child;
    bool lives = elg_jail_child_send(child, until_us);
    while (lives) {
        lives = elg_jail_child_receive(child, until_us, kind, fields);
        if (!lives)
            break;
        if (*kind == ELG_JAIL_READ && loading)
            lives = serve_read(program, loader, fields, until_us);
        else if (*kind == ELG_JAIL_COMPILE)
            lives = serve_compile(program, fields, until_us);
        else
            break;
        if (lives && elg_base_monotonic_us(child->clock) >= until_us) {
            elg_jail_child_blame(child, "it asked and asked, and gave no answer");
            lives = false;
        }
    }
    return lives;
}
