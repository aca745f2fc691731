/* postgres_proxy_c: a TCP proxy in front of a Postgres server, for specs, that can lose
 * what is under way.
 *
 * start(socket path) -> port; set(mode) arms one fault; counts() -> { connections, faults
 * }. Modes: "pass"         nothing is lost "drop_commit"  the next reply that says COMMIT
 * is not delivered; both sides are closed "cut_request"  the next large request is not
 * delivered; both sides are closed "late_request" the client is closed before the next
 * large request is delivered, which the server gets when release() is called "old_server"
 * the server's version is changed to 12 as it is told. edit(from, to): what new
 * connections send has `to` where `from` was, of the same length; edit(): no more.
 * A request is large from
 * LARGE_BYTES: a flush is, a heartbeat is not. Knows nothing of elg. A thread per
 * connection; they end with the process.
 */
#include <arpa/inet.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER_BYTES (1 << 16)
#define LARGE_BYTES 400
#define LATE_POLL_MS 10

int luaopen_postgres_proxy_c(lua_State *L);

enum mode { PASS, DROP_COMMIT, CUT_REQUEST, LATE_REQUEST, OLD_SERVER };
static const char *const MODES[] = {"pass",         "drop_commit", "cut_request",
                                    "late_request", "old_server",  NULL};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static enum mode mode;
static bool released;
static int connections, faults, late_waiting;
static struct sockaddr_un target;

#define EDITS_MAX 8
#define EDIT_BYTES_MAX 128
static struct {
    char from[EDIT_BYTES_MAX], to[EDIT_BYTES_MAX];
    size_t size;
    bool made;
} edits[EDITS_MAX];
static int edit_count;
static int listener = -1;

/* True once for each time that `want` was armed. */
static bool take(enum mode want)
{
    pthread_mutex_lock(&mutex);
    bool armed = mode == want;
    if (armed) {
        mode = PASS;
        faults++;
    }
    pthread_mutex_unlock(&mutex);
    return armed;
}

static bool write_all(int fd, const char *data, ssize_t size)
{
    while (size > 0) {
        ssize_t written = send(fd, data, (size_t)size, MSG_NOSIGNAL);
        if (written <= 0)
            return false;
        data += written;
        size -= written;
    }
    return true;
}

/* The server gets the request when the client is long gone. */
static void deliver_late(int *client, int server, const char *data, ssize_t size)
{
    bool go = false;
    char rest[BUFFER_BYTES];
    close(*client);
    *client = -1;
    pthread_mutex_lock(&mutex);
    late_waiting++;
    pthread_mutex_unlock(&mutex);
    while (!go) {
        poll(NULL, 0, LATE_POLL_MS);
        pthread_mutex_lock(&mutex);
        go = released;
        pthread_mutex_unlock(&mutex);
    }
    write_all(server, data, size);
    shutdown(server, SHUT_WR);
    while (recv(server, rest, sizeof rest, 0) > 0)
        continue;
    pthread_mutex_lock(&mutex);
    late_waiting--;
    pthread_mutex_unlock(&mutex);
}

static bool from_client(int *client, int server, char *data, ssize_t size)
{
    if (size >= LARGE_BYTES && take(CUT_REQUEST))
        return false;
    if (size >= LARGE_BYTES && take(LATE_REQUEST)) {
        deliver_late(client, server, data, size);
        return false;
    }
    return write_all(server, data, size);
}

/* How many bytes at the end may be the beginning of what is to be edited. A request ends
 * with none of these. */
static ssize_t edit_all(char *data, ssize_t size)
{
    ssize_t held = 0;
    pthread_mutex_lock(&mutex);
    for (int i = 0; i < edit_count; i++) {
        char *at = data;
        ssize_t most = (ssize_t)edits[i].size - 1;
        while ((at = memmem(at, (size_t)(data + size - at), edits[i].from,
                            edits[i].size)) != NULL) {
            memcpy(at, edits[i].to, edits[i].size);
            edits[i].made = true;
        }
        for (ssize_t k = most < size ? most : size; k > held; k--)
            if (memcmp(data + size - k, edits[i].from, (size_t)k) == 0)
                held = k;
    }
    pthread_mutex_unlock(&mutex);
    return held;
}

static bool from_server(int client, char *data, ssize_t size)
{
    static const char COMMIT[] = "C\0\0\0\x0b"
                                 "COMMIT";
    static const char VERSION[] = "server_version\0";
    if (memmem(data, (size_t)size, COMMIT, sizeof COMMIT) != NULL && take(DROP_COMMIT))
        return false;
    char *version = memmem(data, (size_t)size, VERSION, sizeof VERSION - 1);
    if (version != NULL && mode == OLD_SERVER)
        memcpy(version + sizeof VERSION - 1, "12", 2);
    return write_all(client, data, size);
}

static void *carry(void *self)
{
    int client = *(int *)self, server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *data = malloc(2 * BUFFER_BYTES); /* of the client in the first half */
    ssize_t held = 0;
    bool going =
        connect(server, (struct sockaddr *)&target, sizeof target) == 0 && data != NULL;
    free(self);
    while (going) {
        struct pollfd fds[2] = {{.fd = client, .events = POLLIN},
                                {.fd = server, .events = POLLIN}};
        if (poll(fds, 2, -1) <= 0)
            break;
        int side = fds[0].revents != 0 ? 0 : 1;
        char *into = side == 0 ? data + held : data + BUFFER_BYTES;
        ssize_t room = side == 0 ? BUFFER_BYTES - held : BUFFER_BYTES;
        ssize_t size = recv(fds[side].fd, into, (size_t)room, 0);
        going = size > 0;
        if (going && side == 1) {
            going = from_server(client, into, size);
        } else if (going) {
            size += held;
            held = edit_all(data, size);
            going = from_client(&client, server, data, size - held);
            memmove(data, data + size - held, (size_t)held);
        }
    }
    if (client >= 0)
        close(client);
    close(server);
    free(data);
    return NULL;
}

static void *serve(void *self)
{
    (void)self;
    for (;;) {
        int *client = malloc(sizeof *client);
        pthread_t thread;
        if (client == NULL)
            return NULL;
        *client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (*client < 0 || pthread_create(&thread, NULL, carry, client) != 0) {
            free(client);
            continue;
        }
        pthread_detach(thread);
        pthread_mutex_lock(&mutex);
        connections++;
        pthread_mutex_unlock(&mutex);
    }
}

static int l_start(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t thread;
    luaL_argcheck(L, strlen(path) < sizeof target.sun_path, 1, "too long");
    luaL_argcheck(L, listener < 0, 1, "started already");
    target.sun_family = AF_UNIX;
    strcpy(target.sun_path, path);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&thread, NULL, serve, NULL) != 0)
        return luaL_error(L, "the proxy did not start");
    pthread_detach(thread);
    lua_pushinteger(L, ntohs(address.sin_port));
    return 1;
}

static int l_set(lua_State *L)
{
    enum mode wanted = (enum mode)luaL_checkoption(L, 1, NULL, MODES);
    pthread_mutex_lock(&mutex);
    mode = wanted;
    released = false;
    pthread_mutex_unlock(&mutex);
    return 0;
}

static int l_edit(lua_State *L)
{
    size_t from_size = 0, to_size = 0;
    const char *from = luaL_optlstring(L, 1, NULL, &from_size);
    const char *to = luaL_optlstring(L, 2, NULL, &to_size);
    luaL_argcheck(L, from_size == to_size && from_size < EDIT_BYTES_MAX, 2, "its length");
    pthread_mutex_lock(&mutex);
    if (from == NULL)
        edit_count = 0;
    bool room = edit_count < EDITS_MAX;
    if (from != NULL && room) {
        memcpy(edits[edit_count].from, from, from_size);
        memcpy(edits[edit_count].to, to, to_size);
        edits[edit_count].made = false;
        edits[edit_count++].size = from_size;
    }
    pthread_mutex_unlock(&mutex);
    luaL_argcheck(L, room || from == NULL, 1, "too many");
    return 0;
}

static int l_release(lua_State *L)
{
    (void)L;
    pthread_mutex_lock(&mutex);
    released = true;
    pthread_mutex_unlock(&mutex);
    return 0;
}

/* { connections =, faults = so far, late = requests that are not delivered yet, edits =
 * how many of what is to be edited came } */
static int l_counts(lua_State *L)
{
    pthread_mutex_lock(&mutex);
    int now[4] = {connections, faults, late_waiting, 0};
    for (int i = 0; i < edit_count; i++)
        now[3] += edits[i].made ? 1 : 0;
    pthread_mutex_unlock(&mutex);
    lua_newtable(L);
    lua_pushinteger(L, now[0]);
    lua_setfield(L, -2, "connections");
    lua_pushinteger(L, now[1]);
    lua_setfield(L, -2, "faults");
    lua_pushinteger(L, now[2]);
    lua_setfield(L, -2, "late");
    lua_pushinteger(L, now[3]);
    lua_setfield(L, -2, "edits");
    return 1;
}

static const luaL_Reg FUNCTIONS[] = {{"start", l_start},   {"set", l_set},
                                     {"edit", l_edit},     {"release", l_release},
                                     {"counts", l_counts}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_postgres_proxy_c(lua_State *L)
{
    lua_newtable(L);
    luaL_register(L, NULL, FUNCTIONS);
    return 1;
}
