/* compiler: the host's end of the compile helper: one process, started when it is needed
 * and again after it died. Provides the compiler part of sandbox.h; uses base/spawn.
 * Requests and answers: protocol.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/spawn.h"
#include "compile/protocol.h"
#include "sandbox/sandbox.h"

struct elg_compiler {
    const struct elg_alloc *alloc;
    const char *path;
    struct elg_clock clock;
    bool jailed;
    pid_t pid; /* 0: none */
    int fd;
};

enum elg_status elg_sandbox_compiler_create(const struct elg_alloc *alloc,
                                            const char *path, struct elg_compiler **out,
                                            struct elg_error *error)
{
    if (alloc == NULL)
        alloc = elg_base_alloc_default();
    struct elg_compiler *compiler = elg_base_calloc(alloc, sizeof *compiler);
    if (compiler == NULL)
        return elg_base_no_memory(error);
    compiler->alloc = alloc;
    compiler->path = path;
    compiler->clock = elg_base_clock_system();
    compiler->fd = -1;
    *out = compiler;
    return ELG_OK;
}

void elg_sandbox_compiler_jail(struct elg_compiler *compiler)
{
    compiler->jailed = true;
}

static void helper_stop(struct elg_compiler *compiler)
{
    if (compiler->pid == 0)
        return;
    close(compiler->fd);
    elg_base_spawn_end(compiler->pid);
    compiler->pid = 0;
    compiler->fd = -1;
}

void elg_sandbox_compiler_destroy(struct elg_compiler *compiler)
{
    if (compiler == NULL)
        return;
    helper_stop(compiler);
    elg_base_free(compiler->alloc, compiler, sizeof *compiler);
}

/* ---- starting */

static enum elg_status helper_start(struct elg_compiler *compiler,
                                    struct elg_error *error)
{
    const char *const argv[] = {"elg-compile",
                                compiler->jailed ? ELG_COMPILE_JAILED : NULL, NULL};
    int rc = elg_base_spawn(compiler->path, argv, &compiler->fd, &compiler->pid);
    if (rc != 0)
        return elg_base_fail(error, ELG_IO, compiler->path,
                             "the compile helper cannot be started: %s", strerror(rc));
    return ELG_OK;
}

/* ---- talking; false: the helper is gone or late */

static bool wait_for(struct elg_compiler *compiler, short what, int64_t until_us)
{
    for (;;) {
        int64_t left_us = until_us - elg_base_monotonic_us(compiler->clock);
        struct pollfd poll_fd = {compiler->fd, what, 0};
        if (left_us <= 0)
            return false;
        int rc = poll(&poll_fd, 1, (int)(left_us / 1000) + 1);
        if (rc > 0)
            return true;
        if (rc < 0 && errno != EINTR)
            return false;
    }
}

static bool put_bytes(struct elg_compiler *compiler, const void *data, size_t size,
                      int64_t until_us)
{
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = send(compiler->fd, p, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(compiler, POLLOUT, until_us))
                return false;
        } else {
            return false;
        }
    }
    return true;
}

static bool get_bytes(struct elg_compiler *compiler, void *data, size_t size,
                      int64_t until_us)
{
    uint8_t *p = data;
    while (size > 0) {
        if (!wait_for(compiler, POLLIN, until_us))
            return false;
        ssize_t n = recv(compiler->fd, p, size, MSG_DONTWAIT);
        if (n > 0) {
            p += n;
            size -= (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return false;
        }
    }
    return true;
}

static enum elg_status helper_lost(const char *chunk, bool late, struct elg_error *error)
{
    if (late)
        return elg_base_fail(error, ELG_LIMIT, chunk, "compiling takes more than %d ms",
                             ELG_COMPILE_MS_MAX);
    return elg_base_fail(error, ELG_LIMIT, chunk,
                         "the compiler died of this source (a fault of LuaJIT's parser, "
                         "or too much memory); rewrite what is unusual in it");
}

static enum elg_status take_answer(const struct elg_compile_answer *answer,
                                   struct elg_buf *bytecode, size_t before,
                                   const char *chunk, struct elg_error *error)
{
    if (answer->ok)
        return ELG_OK;
    /* "chunk:line: text", of which the first part is where. */
    char text[ELG_ERROR_TEXT_MAX];
    size_t size = bytecode->size - before;
    if (size >= sizeof text)
        size = sizeof text - 1;
    memcpy(text, bytecode->data + before, size);
    text[size] = '\0';
    bytecode->size = before;
    size_t chunk_size = strlen(chunk);
    if (strncmp(text, chunk, chunk_size) == 0 && text[chunk_size] == ':') {
        char *end = strstr(text + chunk_size + 1, ": ");
        if (end != NULL) {
            *end = '\0';
            return elg_base_fail(error, ELG_INVALID, text, "%s", end + 2);
        }
    }
    return elg_base_fail(error, ELG_INVALID, chunk, "%s", text);
}

/* One request and its answer; *lost: the helper is gone or late. */
static enum elg_status ask(struct elg_compiler *compiler, const char *chunk,
                           struct elg_bytes source, int64_t until_us,
                           struct elg_buf *bytecode, bool *lost, struct elg_error *error)
{
    struct elg_compile_request request = {(uint32_t)strlen(chunk), (uint32_t)source.size};
    struct elg_compile_answer answer;
    size_t before = bytecode->size;
    *lost = true;
    if (!put_bytes(compiler, &request, sizeof request, until_us) ||
        !put_bytes(compiler, chunk, request.chunk_bytes, until_us) ||
        !put_bytes(compiler, source.data, source.size, until_us) ||
        !get_bytes(compiler, &answer, sizeof answer, until_us) ||
        answer.bytes > ELG_COMPILE_ANSWER_BYTES_MAX)
        return ELG_OK;
    if (!elg_base_buf_reserve(bytecode, answer.bytes)) {
        helper_stop(compiler); /* its answer is still in the pipe */
        *lost = false;
        return elg_base_no_memory(error);
    }
    if (!get_bytes(compiler, bytecode->data + before, answer.bytes, until_us))
        return ELG_OK;
    bytecode->size += answer.bytes;
    *lost = false;
    return take_answer(&answer, bytecode, before, chunk, error);
}

enum elg_status elg_sandbox_compile(struct elg_compiler *compiler, const char *chunk,
                                    struct elg_bytes source, struct elg_buf *bytecode,
                                    struct elg_error *error)
{
    bool late = false;
    size_t before = bytecode->size;
    if (source.size > ELG_SOURCE_BYTES_MAX)
        return elg_base_fail(error, ELG_INVALID, chunk,
                             "a source has at most %u bytes, this has %zu",
                             ELG_SOURCE_BYTES_MAX, source.size);
    if (strlen(chunk) > ELG_COMPILE_CHUNK_BYTES_MAX)
        return elg_base_fail(error, ELG_INVALID, "chunk", "the name is too long");
    for (int i = 0; i < ELG_COMPILE_TRIES && !late; i++) {
        bool lost = false;
        enum elg_status status =
            compiler->pid == 0 ? helper_start(compiler, error) : ELG_OK;
        int64_t until_us =
            elg_base_monotonic_us(compiler->clock) + (int64_t)ELG_COMPILE_MS_MAX * 1000;
        if (status == ELG_OK)
            status = ask(compiler, chunk, source, until_us, bytecode, &lost, error);
        if (!lost)
            return status;
        late = elg_base_monotonic_us(compiler->clock) >= until_us;
        bytecode->size = before;
        helper_stop(compiler);
    }
    return helper_lost(chunk, late, error);
}
