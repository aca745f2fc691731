/* protocol: what goes between a host and its compile helper, over a socket pair in the
 * byte order of the machine.
 *
 * Uses nothing. A request is this struct, the chunk's name and the source; an answer is
 * this struct and the bytecode, or the error text.
 */
#ifndef ELG_COMPILE_PROTOCOL_H
#define ELG_COMPILE_PROTOCOL_H

#include <stdint.h>

#define ELG_COMPILE_CHUNK_BYTES_MAX 256u
#define ELG_COMPILE_ANSWER_BYTES_MAX (64u << 20)
/* The helper's argument: it must get every layer of the jail, or it ends. */
#define ELG_COMPILE_JAILED "--jailed"
#define ELG_COMPILE_MEMORY_BYTES_MAX (512u << 20) /* address space of the helper */

struct elg_compile_request {
    uint32_t chunk_bytes;
    uint32_t source_bytes;
};

struct elg_compile_answer {
    uint32_t ok;
    uint32_t bytes;
};

#endif
