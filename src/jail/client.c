/* client: opening and closing a jail, and which processes it has. Provides jail.h. */
#include "jail/client.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"

#define START_TRIES_MAX 5 /* of a process that is killed from outside at once */

static void destroy(struct elg_sandbox *box)
{
    struct elg_jail *jail = (struct elg_jail *)(void *)box;
    for (struct elg_jail_program *p = jail->programs; p != NULL; p = p->next) {
        elg_jail_drop_child(p);
        p->jail = NULL;
    }
    elg_jail_child_destroy(jail->spare);
    elg_base_free(jail->alloc, jail, sizeof *jail);
}

static const struct elg_sandbox_ops OPS = {
    .version = 1,
    .destroy = destroy,
    .program_create = elg_jail_program_create,
    .program_destroy = elg_jail_program_destroy,
    .program_describe = elg_jail_program_describe,
    .program_source = elg_jail_program_source,
    .begin = elg_jail_begin,
    .resume = elg_jail_resume,
    .where = elg_jail_where,
    .discard = elg_jail_discard,
    .park = elg_jail_park,
    .unpark = elg_jail_unpark,
    .parked_bytes = elg_jail_parked_bytes,
    .parked_destroy = elg_jail_parked_destroy,
};

static void make_arguments(struct elg_jail *jail,
                           const struct elg_sandbox_options *options)
{
    snprintf(jail->slice_text, sizeof jail->slice_text, "%u", jail->slice);
    snprintf(jail->fresh_text, sizeof jail->fresh_text, "%d", options->fresh_states);
    snprintf(jail->base_text, sizeof jail->base_text, "%llu",
             (unsigned long long)options->base);
    snprintf(jail->memory_text, sizeof jail->memory_text, "%zu", jail->memory_bytes_max);
    const char *argv[] = {"elg-jail",      jail->slice_text,  jail->fresh_text,
                          jail->base_text, jail->memory_text, NULL};
    memcpy(jail->argv, argv, sizeof argv);
}

static enum elg_status start_child(struct elg_jail *jail, struct elg_jail_child **out,
                                   struct elg_error *error)
{
    struct elg_jail_child_options options = {
        .alloc = jail->alloc,
        .clock = jail->clock,
        .path = jail->path,
        .argv = jail->argv,
        .fingerprint = elg_sandbox_fingerprint(),
    };
    enum elg_status status = ELG_ABORTED;
    for (int i = 0; i < START_TRIES_MAX && status == ELG_ABORTED; i++)
        status = elg_jail_child_create(&options, out, error);
    return status;
}

enum elg_status elg_jail_open(const struct elg_sandbox_options *options, const char *path,
                              struct elg_sandbox **out, struct elg_error *error)
{
    const struct elg_alloc *alloc =
        options->alloc != NULL ? options->alloc : elg_base_alloc_default();
    struct elg_jail *jail = elg_base_calloc(alloc, sizeof *jail);
    if (jail == NULL)
        return elg_base_no_memory(error);
    jail->ops = &OPS;
    jail->alloc = alloc;
    jail->path = path;
    jail->compiler = options->compiler;
    jail->clock = elg_base_clock_system();
    jail->slice = options->slice_instructions != 0 ? options->slice_instructions
                                                   : ELG_SLICE_INSTRUCTIONS;
    jail->memory_bytes_max = options->memory_bytes_max != 0 ? options->memory_bytes_max
                                                            : ELG_MEMORY_BYTES_DEFAULT;
    make_arguments(jail, options);
    elg_sandbox_compiler_jail(jail->compiler);
    enum elg_status status = start_child(jail, &jail->spare, error);
    if (status == ELG_ABORTED)
        status = elg_base_fail(error, ELG_IO, path, "it is killed whenever it begins");
    if (status != ELG_OK) {
        elg_base_free(alloc, jail, sizeof *jail);
        return status;
    }
    *out = (struct elg_sandbox *)(void *)jail;
    return ELG_OK;
}

/* ---- processes */

void elg_jail_drop_child(struct elg_jail_program *program)
{
    elg_jail_child_destroy(program->child);
    program->child = NULL;
}

/* Ends the process that was used least lately, if there are as many as may be. What was
 * parked in it is executed again from its records. */
static void make_room(struct elg_jail *jail)
{
    struct elg_jail_program *oldest = NULL;
    size_t count = 0;
    for (struct elg_jail_program *p = jail->programs; p != NULL; p = p->next) {
        if (p->child == NULL)
            continue;
        count++;
        bool busy = jail->active && jail->now.program == p;
        if (!busy && (oldest == NULL || p->used_at < oldest->used_at))
            oldest = p;
    }
    if (count >= ELG_JAIL_PROCESSES_MAX && oldest != NULL)
        elg_jail_drop_child(oldest);
}

enum elg_status elg_jail_take_child(struct elg_jail *jail, struct elg_jail_child **out,
                                    struct elg_error *error)
{
    *out = jail->spare;
    jail->spare = NULL;
    if (*out != NULL)
        return ELG_OK;
    make_room(jail);
    return start_child(jail, out, error);
}
