/* local: the table of the back end in this process. Provides local.h. */
#include "sandbox/local.h"

const struct elg_sandbox_ops elg_sandbox_local = {
    .version = 1,
    .destroy = elg_local_destroy,
    .program_create = elg_local_program_create,
    .program_destroy = elg_local_program_destroy,
    .program_describe = elg_local_program_describe,
    .program_source = elg_local_program_source,
    .begin = elg_local_begin,
    .resume = elg_local_resume,
    .where = elg_local_where,
    .discard = elg_local_discard,
    .park = elg_local_park,
    .unpark = elg_local_unpark,
    .parked_bytes = elg_local_parked_bytes,
    .parked_destroy = elg_local_parked_destroy,
};
