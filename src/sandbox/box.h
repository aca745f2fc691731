/* box: the inside of struct elg_sandbox, for the files of this folder only.
 *
 * Uses arena, fiber, fuel, value. The head lies at the start of the heap and is restored
 * with it; everything in struct elg_sandbox lives on the host's side and survives.
 *
 * Code on the fiber may be left for ever at any allocation, charge or instruction, so it
 * owns nothing on the host's side: buffers belong to the box and are emptied by their
 * next user.
 */
#ifndef ELG_SANDBOX_BOX_H
#define ELG_SANDBOX_BOX_H

#include <lua.h>

#include "base/clock.h"
#include "sandbox/arena.h"
#include "sandbox/fiber.h"
#include "sandbox/fuel.h"
#include "sandbox/local.h"
#include "sandbox/value.h"

#define ELG_CALLBACK_DEPTH_MAX 190     /* C functions that call Lua, within each other */
#define ELG_TRACEBACK_FRAMES_MAX 32    /* lines of a traceback */
#define ELG_FRAMES_SEEN_MAX 250        /* frames looked at for the author's line */
#define ELG_LOAD_FUEL_MAX 10000000     /* instructions of a graph's main chunks */
#define ELG_LOAD_BYTES_MAX (32u << 20) /* memory of a loaded graph */
#define ELG_LOAD_HEAP_BYTES_MAX (3 * (size_t)ELG_LOAD_BYTES_MAX)
/* What a job's heap may grow by, free blocks between those that live included. */
#define ELG_HEAP_FACTOR 4 /* times the memory that may live, */
#define ELG_HEAP_MORE_BYTES ((size_t)4 << 20)
#define ELG_PARK_LINE_BYTES 64 /* unit of a parked job's difference */

/* Why the fiber has left. */
enum elg_box_event {
    ELG_EVENT_NONE,
    ELG_EVENT_FINISHED, /* a job's result, or a loaded graph, is in the box */
    ELG_EVENT_RAISED,   /* an error is in the box */
    ELG_EVENT_CALLED,   /* a request is in the box */
    ELG_EVENT_SLICE_OVER,
    ELG_EVENT_FUEL_OUT,
    ELG_EVENT_MEMORY_OUT,
    ELG_EVENT_HOST_MEMORY_OUT, /* a buffer of the box could not grow */
    ELG_EVENT_MODULE,          /* require wants box->module; the box has the name */
    ELG_EVENT_COMPILE,         /* load wants bytecode of box->source */
    ELG_EVENT_BROKEN           /* an error where none can be */
};

/* Slots of the registry, by number. */
enum elg_slot {
    ELG_SLOT_NODES = 1, /* name -> function */
    ELG_SLOT_WHENS,     /* edge index from 1 -> function or false */
    ELG_SLOT_INITIAL,   /* function, table or nil */
    ELG_SLOT_CTX,
    ELG_SLOT_MODULES, /* path -> what the module returned */
    ELG_SLOT_PRELUDE, /* what the prelude returned */
    ELG_SLOT_JOB,     /* functions that are entered from C, made once */
    ELG_SLOT_TRACEBACK,
    ELG_SLOT_SECRET,   /* metatable of secret handles */
    ELG_SLOT_ERROR,    /* metatable of the errors of calls */
    ELG_SLOT_NEXT,     /* keys of the table that next walks */
    ELG_SLOT_NUMBERS,  /* place in the heap -> number shown for what lies there */
    ELG_SLOT_ORIGINALS /* library functions that ours call */
};

enum elg_phase {
    ELG_PHASE_LOADING, /* no clock, no chance, no ctx */
    ELG_PHASE_RUNNING
};

struct elg_chance {
    uint64_t counter[2]; /* of ctx and of math.random: words given so far */
    uint64_t block[2][4];
    double salt; /* of math.randomseed */
};

struct elg_depth {
    uint32_t count;
    const void *frames[ELG_CALLBACK_DEPTH_MAX];
};

struct elg_head {
    struct elg_heap heap;
    struct elg_sandbox *box;
    lua_State *L;
    lua_State *running; /* L, or the coroutine that has been resumed last */
    struct elg_fuel fuel;
    struct elg_chance chance;
    struct elg_depth depth;
    enum elg_phase phase;
    bool traced;            /* the box has where and traceback of this job's error */
    uint32_t shown;         /* objects that tostring has numbered */
    const void *next_table; /* whose keys ELG_SLOT_NEXT holds */
    uint32_t next_index;
};

/* What the host's side knows of the job under way. */
struct elg_under_way {
    struct elg_program *program;
    struct elg_job job;
    bool encoded; /* state, output and metadata hold this job's results already */
};

struct elg_sandbox {
    const struct elg_sandbox_ops *ops;
    const struct elg_alloc *alloc;
    struct elg_compiler *compiler;
    bool fresh_states;
    uint32_t slice;
    struct elg_clock clock; /* for the length of slices alone */
    size_t memory_bytes_max;
    struct elg_arena arena;
    struct elg_head *head;
    struct elg_fiber fiber;
    enum elg_box_event event;
    bool active; /* a job is under way in the arena */
    struct elg_under_way now;

    struct elg_codec codec;
    struct elg_sha256 *sha;
    struct elg_buf state, output, metadata, request;
    struct elg_buf key, type, where, code, message, traceback;
    bool has_key, retry;
    int32_t edge;
    const struct elg_reply *reply;

    struct elg_buf module; /* require: the name; load: the chunk's name */
    struct elg_buf source; /* load: the text; then its bytecode */
    bool found;            /* answer to MODULE and COMPILE; else message holds why */
    int module_index;
    struct elg_program *loading;
    char place[ELG_ERROR_WHERE_MAX]; /* what elg_sandbox_where gave */
};

/* The head of the arena that the state lives in. */
struct elg_head *elg_sandbox_head(lua_State *L);
/* NULL: a Lua state of someone else's, on the same engine. */
struct elg_head *elg_sandbox_head_of_ours(lua_State *L);
/* The head of the sandbox whose fiber runs on this thread; NULL: none does. */
struct elg_head *elg_sandbox_current(void);
/* Switches to the host with `event`; returns when the host goes on. */
void elg_sandbox_leave(struct elg_sandbox *box, enum elg_box_event event);
void elg_sandbox_leave_for_good(struct elg_sandbox *box, enum elg_box_event event)
    __attribute__((noreturn));
/* Leaves for good if a buffer of the box has failed. */
void elg_sandbox_need(struct elg_sandbox *box, const struct elg_buf *buf);
/* How much of the heap a job may use that may keep live_bytes_max, behind its image. */
size_t elg_sandbox_room(size_t live_bytes_max);
/* A new Lua state in an empty heap; on the fiber only. */
lua_State *elg_sandbox_state_new(struct elg_sandbox *box);
/* Runs `entry` on the fiber until it leaves. */
void elg_sandbox_start(struct elg_sandbox *box, void (*entry)(void *box));
void elg_sandbox_continue(struct elg_sandbox *box);

/* Counts C functions that call Lua: raises past ELG_CALLBACK_DEPTH_MAX. `frame` is the
 * caller's __builtin_frame_address(0): entries below it are leftovers of calls that an
 * error has ended. */
void elg_sandbox_depth_enter(lua_State *L, const void *frame);
void elg_sandbox_depth_leave(lua_State *L);

/* Sets buf to "file:line" of the nearest author's function on L's stack, or to "". */
void elg_sandbox_write_where(lua_State *L, struct elg_buf *buf);
/* Message handler of the outermost protected call: where and traceback to the box. */
int elg_sandbox_on_error(lua_State *L);
/* Fills code, message, where and retry of the box from the error value at `index`. */
void elg_sandbox_describe_error(lua_State *L, int index);

/* Sets a buffer of the box to a text. */
void elg_sandbox_set(struct elg_sandbox *box, struct elg_buf *buf, const char *text,
                     size_t size);

#endif
