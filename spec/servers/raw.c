/* raw: answers that are hardly HTTP, byte for byte. One connection after another; each is
 * closed after its answer, except /drop. Part of ledger.
 *
 *   /rubbish    bytes that are no HTTP       /http09   a text without a head
 *   /bigheader  400 KB of headers            /longline one header line of 200 KB
 *   /nocolon    a header line without colon  /badchunk a chunk size that is no number
 *   /continue   100, 103 and then 200        /folded   a header over two lines
 *   /twice      two set-cookie, two x-list   /latin1   a header value that is not UTF-8
 *   /trailer    a chunked body with trailer  /head     half a head, then the end
 *   /lengths    two lengths that differ      /samelength two that agree
 *   /both       a length and chunks          /bigchunk a chunk size of 17 digits
 *   /halfchunk  an end before the last chunk
 *   /toolong    more bytes than Content-Length says
 *   /drop       a whole answer that promises keep-alive, then the connection is closed
 *   /stall      a head, and then nothing for a second
 */
#include "ledger.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_BYTES_MAX 65536

static const struct {
    const char *path, *answer;
} CANNED[] = {
    {"/rubbish ", "\x01\x02\x03 this is not a response\r\n\r\n\x80\x81"},
    {"/http09 ", "just a text\n"},
    {"/nocolon ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nbad name: x\r\n\r\nok"},
    {"/badchunk ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n"},
    {"/continue ", "HTTP/1.1 100 Continue\r\nx-early: 1\r\n\r\n"
                   "HTTP/1.1 103 Early Hints\r\nx-hint: 1\r\n\r\n"
                   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-final: 1\r\n\r\nok"},
    {"/folded ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx-long: a\r\n  b\r\n\r\nok"},
    {"/twice ", "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-List: p\r\nSet-Cookie: b=2\r\n"
                "x-list:  q \r\nContent-Length: 0\r\n\r\n"},
    {"/latin1 ", "HTTP/1.1 200 OK\r\nx-name: caf\xe9\r\nContent-Length: 0\r\n\r\n"},
    {"/trailer ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
                  "x-trailer: 1\r\n\r\n"},
    {"/head ", "HTTP/1.1 200 OK\r\nContent-Le"},
    {"/toolong ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"},
    {"/lengths ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"},
    {"/both ",
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nok\r\n0\r\n\r\n"},
    {"/bigchunk ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "FFFFFFFFFFFFFFFFF\r\nok\r\n0\r\n\r\n"},
    {"/halfchunk ", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"},
    {"/samelength ",
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"},
    {"/drop ",
     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok"},
    {"/stall ", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"},
};

static void send_text(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, text, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text += sent;
        size -= (size_t)sent;
    }
}

static void send_big(int fd, size_t lines, size_t line_bytes)
{
    static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
    char *line = malloc(line_bytes + 2);
    if (line == NULL)
        return;
    memset(line, 'h', line_bytes);
    memcpy(line, "x-big: ", 7);
    memcpy(line + line_bytes, "\r\n", 2);
    send_text(fd, HEAD, sizeof HEAD - 1);
    for (size_t i = 0; i < lines; i++)
        send_text(fd, line, line_bytes + 2);
    send_text(fd, "\r\n", 2);
    free(line);
}

/* True once the head, and no more is asked, has been read. */
static bool read_head(int fd, char *out)
{
    size_t size = 0;
    while (size < REQUEST_BYTES_MAX - 1) {
        ssize_t got = recv(fd, out + size, REQUEST_BYTES_MAX - 1 - size, 0);
        if (got <= 0)
            return false;
        size += (size_t)got;
        out[size] = '\0';
        if (strstr(out, "\r\n\r\n") != NULL)
            return true;
    }
    return false;
}

static void serve_one(int fd)
{
    static char request[REQUEST_BYTES_MAX];
    if (!read_head(fd, request))
        return;
    const char *path = strchr(request, ' ');
    if (path == NULL)
        return;
    path++;
    if (strncmp(path, "/bigheader ", 11) == 0)
        send_big(fd, 400, 1024);
    if (strncmp(path, "/longline ", 10) == 0)
        send_big(fd, 1, 200000);
    for (size_t i = 0; i < sizeof CANNED / sizeof CANNED[0]; i++) {
        if (strncmp(path, CANNED[i].path, strlen(CANNED[i].path)) == 0)
            send_text(fd, CANNED[i].answer, strlen(CANNED[i].answer));
    }
    if (strncmp(path, "/stall ", 7) == 0)
        sleep(1);
}

/* The peer's end is awaited, so that what was sent is not lost to a reset. */
static void finish(int fd)
{
    char rest[4096];
    struct timeval soon = {0, 200000};
    shutdown(fd, SHUT_WR);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
    while (recv(fd, rest, sizeof rest, 0) > 0)
        ;
    close(fd);
}

static void *serve(void *self)
{
    int listener = (int)(intptr_t)self;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        serve_one(fd);
        finish(fd);
    }
    return NULL;
}

int ledger_raw_start(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t thread;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)listener) != 0)
        return -1;
    return ntohs(address.sin_port);
}
