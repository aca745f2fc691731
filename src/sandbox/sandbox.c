/* sandbox: the functions of sandbox.h, each by the table of the back end that made its
 * argument. Uses ops.h; knows no back end. */
#include <assert.h>

#include "sandbox/ops.h"

/* Each of the opaque structs begins with a pointer to its table. */
static const struct elg_sandbox_ops *ops_of(const void *handle)
{
    return *(const struct elg_sandbox_ops *const *)handle;
}

void elg_sandbox_destroy(struct elg_sandbox *box)
{
    if (box != NULL)
        ops_of(box)->destroy(box);
}

enum elg_status elg_sandbox_program_create(struct elg_sandbox *box, const char *entry,
                                           const struct elg_program_loader *loader,
                                           struct elg_program **out,
                                           struct elg_error *error)
{
    return ops_of(box)->program_create(box, entry, loader, out, error);
}

void elg_sandbox_program_destroy(struct elg_program *program)
{
    if (program != NULL)
        ops_of(program)->program_destroy(program);
}

struct elg_bytes elg_sandbox_program_describe(const struct elg_program *program)
{
    return ops_of(program)->program_describe(program);
}

bool elg_sandbox_program_source(const struct elg_program *program, size_t i,
                                const char **path, struct elg_bytes *source)
{
    return ops_of(program)->program_source(program, i, path, source);
}

enum elg_status elg_sandbox_begin(struct elg_sandbox *box, struct elg_program *program,
                                  const struct elg_job *job, struct elg_error *error)
{
    assert(ops_of(box) == ops_of(program));
    return ops_of(box)->begin(box, program, job, error);
}

enum elg_status elg_sandbox_resume(struct elg_sandbox *box, const struct elg_reply *reply,
                                   struct elg_outcome *out, struct elg_error *error)
{
    return ops_of(box)->resume(box, reply, out, error);
}

const char *elg_sandbox_where(struct elg_sandbox *box)
{
    return ops_of(box)->where(box);
}

void elg_sandbox_discard(struct elg_sandbox *box)
{
    ops_of(box)->discard(box);
}

enum elg_status elg_sandbox_park(struct elg_sandbox *box, struct elg_parked **out,
                                 struct elg_error *error)
{
    return ops_of(box)->park(box, out, error);
}

enum elg_status elg_sandbox_unpark(struct elg_sandbox *box, struct elg_parked *parked,
                                   struct elg_error *error)
{
    assert(ops_of(box) == ops_of(parked));
    return ops_of(box)->unpark(box, parked, error);
}

size_t elg_sandbox_parked_bytes(const struct elg_parked *parked)
{
    return ops_of(parked)->parked_bytes(parked);
}

void elg_sandbox_parked_destroy(struct elg_parked *parked)
{
    if (parked != NULL)
        ops_of(parked)->parked_destroy(parked);
}
