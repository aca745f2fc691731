/* ledger: an HTTP server for specs that writes down every request before it answers.
 *
 *   ledger [--port N] [--log FILE] [--tls-key FILE --tls-cert FILE] [--die-with-parent]
 *
 * Listens on 127.0.0.1 (port 0, the default: any free one) and prints one line, "PORT RAW
 * PID"; RAW is the port of raw.c, which answers with things that are hardly HTTP. Ends on
 * SIGTERM or SIGINT. Uses libmicrohttpd and OpenSSL's SHA-256; knows nothing of elg.
 *
 * For each request one JSON line is appended to the log, by one write, once its body has
 * arrived and before anything is answered:
 *   {"time":MS,"method","path","key":IDEMPOTENCY-KEY,"sha256":OF THE BODY,"bytes":N,
 *    "remote":"IP:PORT"}
 * Bodies over 64 MiB are refused.
 *
 * The answer to any path but those below depends on key and body alone, so that a repeat
 * under the same key gets the same bytes:
 *   {"echo":SHA256 OF THE BODY,"key":KEY,"n":A NUMBER OF BOTH}
 *
 *   /slow?ms=N            that answer, N milliseconds later
 *   /status?code=N        that answer with status N
 *   /redirect?to=U&code=N an empty answer with Location U and status N (302)
 *   /loop                 the same, to itself
 *   /echo                 {"method","path","body","headers":{name: value}}; the request's
 *                         authorization comes back in the header x-echo as well
 *   /big?bytes=N          N times "x"
 *   /binary               the 256 bytes 0 to 255
 *   /endless              a body that does not end
 *   /short                says 1,000 bytes, sends 10, closes
 *   /close                closes without an answer;  /reset  the same by TCP reset
 */
#include "ledger.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#define DELAYED_MAX 4096
#define TEXT_BYTES_MAX 65536

static int log_fd = -1;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- /slow: suspended connections and the thread that resumes them */

static struct {
    pthread_mutex_t lock;
    struct MHD_Connection *connection[DELAYED_MAX];
    int64_t due_ms[DELAYED_MAX];
    size_t count;
} delayed = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool delay(struct MHD_Connection *connection, int64_t due_ms)
{
    pthread_mutex_lock(&delayed.lock);
    bool room = delayed.count < DELAYED_MAX;
    if (room) {
        MHD_suspend_connection(connection);
        delayed.connection[delayed.count] = connection;
        delayed.due_ms[delayed.count++] = due_ms;
    }
    pthread_mutex_unlock(&delayed.lock);
    return room;
}

static void resume_due(int64_t at_ms)
{
    pthread_mutex_lock(&delayed.lock);
    for (size_t i = 0; i < delayed.count;) {
        if (delayed.due_ms[i] > at_ms) {
            i++;
            continue;
        }
        MHD_resume_connection(delayed.connection[i]);
        delayed.count--;
        delayed.connection[i] = delayed.connection[delayed.count];
        delayed.due_ms[i] = delayed.due_ms[delayed.count];
    }
    pthread_mutex_unlock(&delayed.lock);
}

static void *resumer(void *unused)
{
    (void)unused;
    for (;;) {
        resume_due(now_ms());
        usleep(2000);
    }
    return NULL;
}

/* ---- the log */

static void remote_text(struct MHD_Connection *connection, char out[64])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct sockaddr_in address;
    char ip[INET_ADDRSTRLEN] = "?";
    memset(&address, 0, sizeof address);
    if (info != NULL && info->client_addr->sa_family == AF_INET) {
        memcpy(&address, info->client_addr, sizeof address);
        inet_ntop(AF_INET, &address.sin_addr, ip, sizeof ip);
    }
    snprintf(out, 64, "%s:%u", ip, (unsigned)ntohs(address.sin_port));
}

static void write_log(struct MHD_Connection *connection, const char *method,
                      const char *path, const struct exchange *exchange)
{
    char line[8192], quoted_path[4096], quoted_key[1024], sha[65], remote[64];
    if (log_fd < 0)
        return;
    ledger_hex_sha256(exchange->body, exchange->size, sha);
    ledger_quote(path, quoted_path, sizeof quoted_path);
    ledger_quote(ledger_header(connection, "Idempotency-Key"), quoted_key,
                 sizeof quoted_key);
    remote_text(connection, remote);
    int size = snprintf(line, sizeof line,
                        "{\"time\":%lld,\"method\":\"%s\",\"path\":%s,\"key\":%s,"
                        "\"sha256\":\"%s\",\"bytes\":%zu,\"remote\":\"%s\"}\n",
                        (long long)now_ms(), method, quoted_path, quoted_key, sha,
                        exchange->size, remote);
    if (write(log_fd, line, (size_t)size) != size) {
        perror("ledger: log");
        _exit(1); /* an answer without its line would make the log worthless */
    }
}

/* ---- requests */

static bool append(struct exchange *exchange, const char *data, size_t size)
{
    if (exchange->size + size > BODY_BYTES_MAX)
        return false;
    if (exchange->size + size + 1 > exchange->capacity) {
        size_t capacity = (exchange->size + size) * 2 + 1;
        char *grown = realloc(exchange->body, capacity);
        if (grown == NULL)
            return false;
        exchange->body = grown;
        exchange->capacity = capacity;
    }
    memcpy(exchange->body + exchange->size, data, size);
    exchange->size += size;
    exchange->body[exchange->size] = '\0';
    return true;
}

/* Called when the head has arrived, for each piece of body, at its end, and again when
 * resumed. */
static enum MHD_Result on_request(void *self, struct MHD_Connection *connection,
                                  const char *path, const char *method,
                                  const char *version, const char *data, size_t *size,
                                  void **state)
{
    (void)self;
    (void)version;
    struct exchange *exchange = *state;
    if (exchange == NULL) {
        *state = calloc(1, sizeof *exchange);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        bool kept = append(exchange, data, *size);
        *size = 0;
        return kept ? MHD_YES : MHD_NO;
    }
    if (!exchange->logged) {
        exchange->logged = true;
        write_log(connection, method, path, exchange);
        if (strcmp(path, "/slow") == 0)
            return delay(connection,
                         now_ms() + atoi(ledger_argument(connection, "ms", "100")))
                       ? MHD_YES
                       : MHD_NO;
    }
    return ledger_route(connection, method, path, exchange);
}

static void on_completed(void *self, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)self;
    (void)connection;
    (void)code;
    struct exchange *exchange = *state;
    if (exchange != NULL)
        free(exchange->body);
    free(exchange);
    *state = NULL;
}

/* ---- start */

struct settings {
    uint16_t port;
    const char *log, *tls_key, *tls_cert;
    bool die_with_parent;
};

static bool parse(int argc, char **argv, struct settings *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--die-with-parent") == 0) {
            out->die_with_parent = true;
            continue;
        }
        if (value == NULL)
            return false;
        i++;
        if (strcmp(argv[i - 1], "--port") == 0)
            out->port = (uint16_t)atoi(value);
        else if (strcmp(argv[i - 1], "--log") == 0)
            out->log = value;
        else if (strcmp(argv[i - 1], "--tls-key") == 0)
            out->tls_key = value;
        else if (strcmp(argv[i - 1], "--tls-cert") == 0)
            out->tls_cert = value;
        else
            return false;
    }
    return (out->tls_key == NULL) == (out->tls_cert == NULL);
}

/* The file's text; NULL: none. */
static char *read_text(const char *path)
{
    FILE *file = path != NULL ? fopen(path, "r") : NULL;
    char *text = calloc(1, TEXT_BYTES_MAX);
    if (file == NULL || text == NULL || fread(text, 1, TEXT_BYTES_MAX - 1, file) == 0) {
        free(text);
        text = NULL;
    }
    if (file != NULL)
        fclose(file);
    return text;
}

static struct MHD_Daemon *serve(const struct settings *settings)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(settings->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char *key = read_text(settings->tls_key), *cert = read_text(settings->tls_cert);
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_KEY, 0, key},
                                   {MHD_OPTION_HTTPS_MEM_CERT, 0, cert},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
    if (key != NULL)
        flags |= MHD_USE_TLS;
    return MHD_start_daemon(flags, settings->port, NULL, NULL, on_request, NULL,
                            MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED,
                            on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, 4000u,
                            MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,
                            MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u, MHD_OPTION_ARRAY,
                            key != NULL ? tls : none, MHD_OPTION_END);
}

int main(int argc, char **argv)
{
    struct settings settings;
    if (!parse(argc, argv, &settings)) {
        fprintf(stderr, "usage: ledger [--port N] [--log FILE] [--tls-key FILE "
                        "--tls-cert FILE] [--die-with-parent]\n");
        return 2;
    }
    sigset_t stop;
    int signal_number;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (settings.die_with_parent)
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (settings.log != NULL)
        log_fd = open(settings.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct MHD_Daemon *daemon = serve(&settings);
    int raw_port = ledger_raw_start();
    pthread_t thread;
    if (daemon == NULL || raw_port < 0 || (settings.log != NULL && log_fd < 0) ||
        pthread_create(&thread, NULL, resumer, NULL) != 0) {
        perror("ledger");
        return 1;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    printf("%u %d %d\n", (unsigned)info->port, raw_port, (int)getpid());
    fflush(stdout);
    sigwait(&stop, &signal_number);
    _exit(0); /* what is under way is cut, as a crash would */
}
