/* child: a socket pair, a spawned process, messages with a deadline. Provides child.h. */
#include "jail/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "jailed/confine.h"

#define LOOK_MS 100          /* between two looks at the clock while nothing comes */
#define READ_BYTES_MIN 65536 /* most messages come with one call */
#define KEPT_BYTES_MAX (4u << 20)

/* ---- ending */

static void note_end(struct elg_jail_child *child, int status, const char *why)
{
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const char *name = number != 0 ? sigabbrev_np(number) : NULL;
    child->end = ELG_JAIL_CRASHED;
    if (why != NULL) {
        snprintf(child->why, sizeof child->why, "%s", why);
    } else if (number == SIGKILL) {
        child->end = ELG_JAIL_KILLED;
        snprintf(child->why, sizeof child->why, "killed by SIGKILL");
    } else if (number == SIGSYS) {
        snprintf(child->why, sizeof child->why,
                 "killed for a system call that the jail forbids (SIGSYS)");
    } else if (number != 0) {
        snprintf(child->why, sizeof child->why, "killed by SIG%s",
                 name != NULL ? name : "?");
    } else {
        snprintf(child->why, sizeof child->why, "it ended by itself");
    }
}

/* why NULL: it has gone by itself. */
static void end(struct elg_jail_child *child, const char *why)
{
    if (child->fd < 0)
        return;
    close(child->fd);
    child->fd = -1;
    note_end(child, elg_base_spawn_end(child->pid), why);
}

void elg_jail_child_blame(struct elg_jail_child *child, const char *why)
{
    end(child, why);
}

void elg_jail_child_starve(struct elg_jail_child *child)
{
    if (child->fd < 0)
        return;
    end(child, "no memory for its messages");
    child->end = ELG_JAIL_STARVED;
}

void elg_jail_child_destroy(struct elg_jail_child *child)
{
    if (child == NULL)
        return;
    end(child, "not needed any more");
    elg_base_buf_fini(&child->in);
    elg_base_buf_fini(&child->out);
    elg_base_free(child->alloc, child, sizeof *child);
}

/* ---- talking */

/* Sleeps at most LOOK_MS in the system call; false: the deadline has passed. */
static bool in_time(struct elg_jail_child *child, int64_t until_us)
{
    if (elg_base_monotonic_us(child->clock) < until_us)
        return true;
    end(child, "it gave no answer in time");
    return false;
}

static bool is_pause(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* An empty buffer again, without the memory of a large message. */
static void empty(struct elg_buf *buf)
{
    const struct elg_alloc *alloc = buf->alloc;
    if (buf->capacity > KEPT_BYTES_MAX) {
        elg_base_buf_fini(buf);
        elg_base_buf_init(buf, alloc);
    }
    elg_base_buf_reset(buf);
}

bool elg_jail_child_send(struct elg_jail_child *child, int64_t until_us)
{
    struct elg_bytes left = elg_base_buf_bytes(&child->out);
    if (child->out.failed) /* half a message is none */
        elg_jail_child_starve(child);
    while (left.size > 0 && child->fd >= 0) {
        ssize_t n = send(child->fd, left.data, left.size, MSG_NOSIGNAL);
        if (n > 0) {
            left.data += n;
            left.size -= (size_t)n;
        } else if (n < 0 && is_pause()) {
            (void)in_time(child, until_us);
        } else {
            end(child, NULL);
        }
    }
    empty(&child->out);
    return child->fd >= 0;
}

/* Appends what comes to `in`, at least a byte. */
static bool receive_some(struct elg_jail_child *child, size_t wanted, int64_t until_us)
{
    struct elg_buf *in = &child->in;
    if (wanted < READ_BYTES_MIN)
        wanted = READ_BYTES_MIN;
    if (!elg_base_buf_reserve(in, wanted)) {
        elg_jail_child_starve(child);
        return false;
    }
    for (;;) {
        ssize_t n = recv(child->fd, in->data + in->size, wanted, 0);
        if (n > 0) {
            in->size += (size_t)n;
            return true;
        }
        if (n == 0 || !is_pause()) {
            end(child, NULL);
            return false;
        }
        if (!in_time(child, until_us))
            return false;
    }
}

static bool need(struct elg_jail_child *child, size_t bytes, int64_t until_us)
{
    while (child->in.size < bytes)
        if (!receive_some(child, bytes - child->in.size, until_us))
            return false;
    return true;
}

bool elg_jail_child_receive(struct elg_jail_child *child, int64_t until_us,
                            enum elg_jail_message *kind, struct elg_jail_fields *fields)
{
    struct elg_jail_head head;
    if (child->fd < 0)
        return false;
    empty(&child->in);
    if (!need(child, sizeof head, until_us))
        return false;
    memcpy(&head, child->in.data, sizeof head);
    if (head.bytes > ELG_JAIL_MESSAGE_BYTES_MAX) {
        end(child, "it sent a message longer than any can be");
        return false;
    }
    size_t size = sizeof head + head.bytes;
    if (!need(child, size, until_us))
        return false;
    if (child->in.size > size) {
        end(child, "it spoke without being asked");
        return false;
    }
    struct elg_bytes message = {child->in.data + sizeof head, head.bytes};
    elg_jail_fields_init(fields, message);
    *kind = (enum elg_jail_message)head.kind;
    return true;
}

/* ---- starting */

/* A descriptor on which calls wait at most LOOK_MS. */
static enum elg_status start(struct elg_jail_child *child,
                             const struct elg_jail_child_options *options,
                             struct elg_error *error)
{
    const struct timeval look = {0, LOOK_MS * 1000};
    int fd;
    int rc = elg_base_spawn(options->path, options->argv, &fd, &child->pid);
    if (rc == 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof look) != 0 ||
                    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &look, sizeof look) != 0)) {
        rc = errno;
        close(fd);
        elg_base_spawn_end(child->pid);
    }
    if (rc != 0)
        return elg_base_fail(error, ELG_IO, options->path,
                             "the jailed process cannot be started: %s", strerror(rc));
    child->fd = fd;
    return ELG_OK;
}

/* A layer is missing, or its sandbox cannot be made as it was told. */
static enum elg_status refused(struct elg_jail_fields *fields, struct elg_error *error)
{
    enum elg_status status = (enum elg_status)elg_jail_fields_u32(fields);
    const char *text = elg_jail_fields_text(fields);
    if (status != ELG_UNSUPPORTED)
        return elg_base_fail(error, status, "jail", "%.160s", text);
    return elg_base_fail(error, status, "jail",
                         "this system lacks a layer of the jail: %.160s", text);
}

/* Its first words: that it is confined, or why it is not. */
static enum elg_status greet(struct elg_jail_child *child,
                             const struct elg_jail_child_options *options,
                             struct elg_error *error)
{
    enum elg_jail_message kind;
    struct elg_jail_fields fields;
    int64_t until_us =
        elg_base_monotonic_us(child->clock) + (int64_t)ELG_JAIL_START_MS_MAX * 1000;
    bool heard = elg_jail_child_receive(child, until_us, &kind, &fields);
    if (child->end == ELG_JAIL_STARVED)
        return elg_base_no_memory(error);
    if (!heard)
        return elg_base_fail(error, child->end == ELG_JAIL_KILLED ? ELG_ABORTED : ELG_IO,
                             options->path, "the jailed process did not begin: %s",
                             child->why);
    if (kind == ELG_JAIL_REFUSED)
        return refused(&fields, error);
    const char *text = elg_jail_fields_text(&fields);
    child->layers = elg_jail_fields_u32(&fields);
    if (kind != ELG_JAIL_READY || !elg_jail_fields_over(&fields) ||
        strcmp(text, options->fingerprint) != 0)
        return elg_base_fail(error, ELG_IO, options->path, "of another build");
    if ((child->layers & ELG_LAYERS_NEEDED) != ELG_LAYERS_NEEDED)
        return elg_base_fail(error, ELG_UNSUPPORTED, "jail",
                             "this system lacks a layer of the jail");
    return ELG_OK;
}

enum elg_status elg_jail_child_create(const struct elg_jail_child_options *options,
                                      struct elg_jail_child **out,
                                      struct elg_error *error)
{
    struct elg_jail_child *child = elg_base_calloc(options->alloc, sizeof *child);
    if (child == NULL)
        return elg_base_no_memory(error);
    child->alloc = options->alloc;
    child->clock = options->clock;
    child->fd = -1;
    elg_base_buf_init(&child->in, options->alloc);
    elg_base_buf_init(&child->out, options->alloc);
    enum elg_status status = start(child, options, error);
    if (status == ELG_OK)
        status = greet(child, options, error);
    if (status != ELG_OK) {
        elg_jail_child_destroy(child);
        return status;
    }
    *out = child;
    return ELG_OK;
}
