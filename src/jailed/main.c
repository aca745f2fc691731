/* elg-jail: executes the node code of one graph for a host, without any way to reach
 * anything but its pipe: the sandbox of src/sandbox, in a process of its own.
 *
 * Uses channel, ask, jobs, confine. Started by jail/child.c with an empty environment;
 * arguments: slice, 1 for fresh states, the arena's address, the most memory of a job.
 * Everything that needs the kernel is done before it is confined.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "jailed/ask.h"
#include "jailed/confine.h"
#include "jailed/jobs.h"

/* Beside the arena: images, parked jobs, messages, results. */
#define MORE_BYTES ((size_t)640 << 20)
#define ARENA_FACTOR 4 /* address space that a sandbox takes, per byte that may live */

struct server {
    struct elg_channel channel;
    struct elg_compiler compiler;
    struct elg_jailed_jobs jobs;
    struct elg_program *program;
    enum elg_status unpark_status; /* of the last one, told by the next RESUME */
    struct elg_error unpark_error;
};

/* ---- answers */

static void send_error(struct elg_channel *channel, enum elg_status status,
                       const struct elg_error *error)
{
    size_t place = elg_jail_wire_begin(&channel->out, ELG_JAIL_FAILED);
    elg_jail_wire_u32(&channel->out, (uint32_t)status);
    elg_jail_wire_text(&channel->out, error->where);
    elg_jail_wire_text(&channel->out, error->text);
    elg_jail_wire_end(&channel->out, place);
    elg_jailed_send(channel);
}

/* Read by outcome_read of jail/check.c. */
static void write_outcome(struct elg_buf *out, const struct elg_outcome *outcome)
{
    elg_jail_wire_u32(out, (uint32_t)outcome->kind);
    elg_jail_wire_u64(out, outcome->fuel);
    switch (outcome->kind) {
    case ELG_OUTCOME_DONE:
        elg_jail_wire_bytes(out, outcome->state);
        elg_jail_wire_bytes(out, outcome->output);
        elg_jail_wire_bytes(out, outcome->metadata);
        elg_jail_wire_text(out, outcome->key);
        elg_jail_wire_u32(out, (uint32_t)outcome->edge);
        elg_jail_wire_text(out, outcome->where);
        break;
    case ELG_OUTCOME_CALL:
        elg_jail_wire_text(out, outcome->type);
        elg_jail_wire_bytes(out, outcome->request);
        elg_jail_wire_text(out, outcome->where);
        break;
    case ELG_OUTCOME_ERROR:
        elg_jail_wire_text(out, outcome->where);
        elg_jail_wire_text(out, outcome->code);
        elg_jail_wire_text(out, outcome->message);
        elg_jail_wire_text(out, outcome->traceback);
        elg_jail_wire_u32(out, outcome->retry);
        break;
    case ELG_OUTCOME_FUEL:
    case ELG_OUTCOME_MEMORY:
        elg_jail_wire_text(out, outcome->where);
        break;
    case ELG_OUTCOME_CRASHED:
        elg_jail_wire_text(out, outcome->message);
        break;
    default:
        break;
    }
}

/* ---- questions */

static void load(struct server *server, struct elg_jail_fields *fields)
{
    struct elg_program_loader loader = {elg_jailed_ask_source, &server->channel};
    struct elg_error error;
    char entry[ELG_ERROR_WHERE_MAX];
    const char *given = elg_jail_fields_text(fields);
    if (!elg_jail_fields_over(fields) || server->program != NULL ||
        strlen(given) >= sizeof entry)
        elg_jailed_give_up();
    strcpy(entry, given); /* the message goes with the first question */
    enum elg_status status = elg_sandbox_program_create(server->jobs.box, entry, &loader,
                                                        &server->program, &error);
    if (status != ELG_OK) {
        send_error(&server->channel, status, &error);
        return;
    }
    struct elg_buf *out = &server->channel.out;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_LOADED);
    elg_jail_wire_bytes(out, elg_sandbox_program_describe(server->program));
    elg_jail_wire_end(out, place);
    elg_jailed_send(&server->channel);
}

static void go_on(struct server *server, const struct elg_reply *reply)
{
    struct elg_outcome outcome;
    struct elg_error error;
    enum elg_status status =
        elg_sandbox_resume(server->jobs.box, reply, &outcome, &error);
    if (status != ELG_OK) {
        elg_jailed_jobs_end(&server->jobs);
        send_error(&server->channel, status, &error);
        return;
    }
    struct elg_buf *out = &server->channel.out;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_OUTCOME);
    write_outcome(out, &outcome);
    elg_jail_wire_end(out, place);
    elg_jailed_send(&server->channel);
    if (outcome.kind != ELG_OUTCOME_CALL && outcome.kind != ELG_OUTCOME_SLICE)
        elg_jailed_jobs_end(&server->jobs);
}

static void run(struct server *server, struct elg_jail_fields *fields)
{
    struct elg_error error;
    if (server->program == NULL)
        elg_jailed_give_up();
    enum elg_status status =
        elg_jailed_jobs_begin(&server->jobs, server->program, fields, &error);
    if (status == ELG_OK)
        go_on(server, NULL);
    else
        send_error(&server->channel, status, &error);
}

static void resume(struct server *server, struct elg_jail_fields *fields)
{
    struct elg_reply reply;
    bool given = elg_jail_fields_u32(fields) != 0;
    reply.ok = elg_jail_fields_u32(fields) != 0;
    reply.value = elg_jail_fields_bytes(fields);
    if (!elg_jail_fields_over(fields))
        elg_jailed_give_up();
    if (server->unpark_status != ELG_OK) {
        send_error(&server->channel, server->unpark_status, &server->unpark_error);
        server->unpark_status = ELG_OK;
        return;
    }
    go_on(server, given ? &reply : NULL);
}

static void where(struct server *server)
{
    struct elg_buf *out = &server->channel.out;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_PLACE);
    elg_jail_wire_text(out, elg_sandbox_where(server->jobs.box));
    elg_jail_wire_end(out, place);
    elg_jailed_send(&server->channel);
}

static void park(struct server *server)
{
    struct elg_error error;
    uint32_t slot;
    uint64_t bytes;
    enum elg_status status = elg_jailed_jobs_park(&server->jobs, &slot, &bytes, &error);
    if (status != ELG_OK) {
        send_error(&server->channel, status, &error);
        return;
    }
    struct elg_buf *out = &server->channel.out;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_PARKED);
    elg_jail_wire_u32(out, slot);
    elg_jail_wire_u64(out, bytes);
    elg_jail_wire_end(out, place);
    elg_jailed_send(&server->channel);
}

static void serve(struct server *server)
{
    struct elg_jail_fields fields;
    switch (elg_jailed_receive(&server->channel, &fields)) {
    case ELG_JAIL_LOAD:
        load(server, &fields);
        break;
    case ELG_JAIL_RUN:
        run(server, &fields);
        break;
    case ELG_JAIL_RESUME:
        resume(server, &fields);
        break;
    case ELG_JAIL_WHERE:
        where(server);
        break;
    case ELG_JAIL_PARK:
        park(server);
        break;
    case ELG_JAIL_UNPARK:
        server->unpark_status = elg_jailed_jobs_unpark(
            &server->jobs, elg_jail_fields_u32(&fields), &server->unpark_error);
        break;
    case ELG_JAIL_DROP:
        elg_jailed_jobs_drop(&server->jobs, elg_jail_fields_u32(&fields));
        break;
    default:
        elg_jailed_give_up();
    }
}

/* ---- the beginning */

static void refuse(struct elg_channel *channel, enum elg_status status,
                   const char *reason)
{
    size_t place = elg_jail_wire_begin(&channel->out, ELG_JAIL_REFUSED);
    elg_jail_wire_u32(&channel->out, (uint32_t)status);
    elg_jail_wire_text(&channel->out, reason);
    elg_jail_wire_end(&channel->out, place);
    elg_jailed_send(channel);
    elg_jailed_give_up();
}

static void ready(struct elg_channel *channel, unsigned layers)
{
    size_t place = elg_jail_wire_begin(&channel->out, ELG_JAIL_READY);
    elg_jail_wire_text(&channel->out, elg_sandbox_fingerprint());
    elg_jail_wire_u32(&channel->out, layers);
    elg_jail_wire_end(&channel->out, place);
    elg_jailed_send(channel);
}

static void open_box(struct server *server, char **argv)
{
    const struct elg_alloc *alloc = elg_base_alloc_default();
    struct elg_error error;
    struct elg_sandbox_options options = {
        .alloc = alloc,
        .compiler = &server->compiler,
        .slice_instructions = (uint32_t)strtoul(argv[1], NULL, 10),
        .fresh_states = argv[2][0] == '1',
        .base = (uintptr_t)strtoull(argv[3], NULL, 10),
        .memory_bytes_max = (size_t)strtoull(argv[4], NULL, 10),
    };
    elg_jailed_channel_init(&server->channel, alloc);
    server->compiler.channel = &server->channel;
    server->jobs.alloc = alloc;
    enum elg_status status = elg_sandbox_create(&options, &server->jobs.box, &error);
    if (status != ELG_OK)
        refuse(&server->channel, status, error.text);
}

/* When the system has no memory left, this is the process to end: what it did is executed
 * again, and if it is what takes the memory, its run fails for it. */
static void be_expendable(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, "1000", 4);
    close(fd);
}

int main(int argc, char **argv)
{
    static struct server server;
    char reason[ELG_CONFINE_REASON_BYTES_MAX];
    if (argc != 5)
        return 2;
    be_expendable();
    open_box(&server, argv);
    struct elg_confine_options options = {
        .address_bytes_max =
            ARENA_FACTOR * (size_t)strtoull(argv[4], NULL, 10) + MORE_BYTES,
        .network_namespace = true,
        .dies_with_parent = true,
    };
    unsigned layers = elg_jailed_confine(&options, reason);
    if (reason[0] != '\0')
        refuse(&server.channel, ELG_UNSUPPORTED, reason);
    ready(&server.channel, layers);
    for (;;)
        serve(&server);
}
