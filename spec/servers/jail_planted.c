/* jail_planted: Provides jail_planted.h. An attack that is stopped does not return; one
 * that succeeds does, and the run comes to a good end, which the spec does not take. */
#include "spec/servers/jail_planted.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OTHER_ABI 0x40000000 /* x86-64 with 32-bit pointers */

static const struct elg_job *job_now;
static const char *lie = "";
static unsigned long chance;

static unsigned long next_chance(void)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance;
}

/* ---- attacks: system calls */

static const struct {
    const char *name;
    long number, a, b, c, d;
} CALLS[] = {
    {"open", SYS_open, (long)"/etc/passwd", O_RDONLY, 0, 0},
    {"openat", SYS_openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY, 0},
    {"create", SYS_openat, AT_FDCWD, (long)"escaped", O_CREAT | O_WRONLY, 0600},
    {"proc", SYS_openat, AT_FDCWD, (long)"/proc/self/mem", O_RDWR, 0},
    {"stat", SYS_stat, (long)"/etc/passwd", 0, 0, 0},
    {"unlink", SYS_unlink, (long)"canary", 0, 0, 0},
    {"chdir", SYS_chdir, (long)"/", 0, 0, 0},
    {"socket", SYS_socket, AF_INET, SOCK_STREAM, 0, 0},
    {"socket_unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0},
    {"socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 0},
    {"connect", SYS_connect, 0, 0, 0, 0},
    {"sendmsg", SYS_sendmsg, 0, 0, 0, 0},
    {"recvmsg", SYS_recvmsg, 0, 0, 0, 0},
    {"execve", SYS_execve, (long)"/bin/sh", 0, 0, 0},
    {"fork", SYS_fork, 0, 0, 0, 0},
    {"vfork", SYS_vfork, 0, 0, 0, 0},
    {"clone", SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0},
    {"clone3", SYS_clone3, 0, 0, 0, 0},
    {"kill", SYS_kill, -1, 0, 0, 0},
    {"tgkill", SYS_tgkill, 1, 1, SIGKILL, 0},
    {"ptrace", SYS_ptrace, PTRACE_TRACEME, 0, 0, 0},
    {"readv", SYS_process_vm_readv, 1, 0, 0, 0},
    {"getppid", SYS_getppid, 0, 0, 0, 0},
    {"prctl", SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0},
    {"setuid", SYS_setuid, 0, 0, 0, 0},
    {"unshare", SYS_unshare, CLONE_NEWUSER, 0, 0, 0},
    {"mount", SYS_mount, 0, 0, 0, 0},
    {"setrlimit", SYS_prlimit64, 0, RLIMIT_NOFILE, 0, 0},
    {"dup", SYS_dup, 0, 0, 0, 0},
    {"fcntl", SYS_fcntl, 0, F_DUPFD, 0, 0},
    {"ioctl", SYS_ioctl, 0, 0x5421, 0, 0},
    {"pipe", SYS_pipe, 0, 0, 0, 0},
    {"memfd", SYS_memfd_create, (long)"x", 0, 0, 0},
    {"bpf", SYS_bpf, 0, 0, 0, 0},
    {"io_uring", SYS_io_uring_setup, 1, 0, 0, 0},
    {"userfaultfd", SYS_userfaultfd, 0, 0, 0, 0},
    {"perf", SYS_perf_event_open, 0, 0, 0, 0},
    {"keyctl", SYS_keyctl, 0, 0, 0, 0},
    {"seccomp", SYS_seccomp, 0, 0, 0, 0},
    {"sigaction", SYS_rt_sigaction, SIGSEGV, 0, 0, 8},
    {"getrandom", SYS_getrandom, 0, 0, 0, 0},
    {"write_other", SYS_write, 2, (long)"x", 1, 0},
    {"read_other", SYS_read, 3, 0, 0, 0},
    {"mprotect_exec", SYS_mprotect, 0, 4096, PROT_READ | PROT_EXEC, 0},
    {"futex_pi", SYS_futex, 0, 6, 0, 0},
    {"other_abi", OTHER_ABI | SYS_getpid, 0, 0, 0, 0},
};

static void map(int protection, int flags)
{
    syscall(SYS_mmap, 0, 4096L, (long)protection, (long)flags, -1L, 0L);
}

/* The system calls of 32-bit programs have numbers of their own. */
static void call_as_i386(void)
{
    long number = 20; /* getpid there */
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
}

static void attack_call(const char *name)
{
    for (size_t i = 0; i < sizeof CALLS / sizeof CALLS[0]; i++)
        if (strcmp(name, CALLS[i].name) == 0)
            syscall(CALLS[i].number, CALLS[i].a, CALLS[i].b, CALLS[i].c, CALLS[i].d, 0L);
    if (strcmp(name, "mmap_exec") == 0)
        map(PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS);
    if (strcmp(name, "mmap_shared") == 0)
        map(PROT_READ, MAP_SHARED | MAP_ANONYMOUS);
    if (strcmp(name, "mmap_file") == 0)
        map(PROT_READ, MAP_PRIVATE);
    if (strcmp(name, "i386") == 0)
        call_as_i386();
}

/* ---- attacks: on itself */

static void attack_self(const char *name)
{
    if (strcmp(name, "crash") == 0)
        *(volatile int *)(uintptr_t)chance = 1;
    if (strcmp(name, "trap") == 0)
        __builtin_trap();
    if (strcmp(name, "abort") == 0)
        abort();
    if (strcmp(name, "exit") == 0)
        _exit(0);
    if (strcmp(name, "hang") == 0)
        for (;;)
            __asm__ volatile("" ::: "memory");
    if (strcmp(name, "memory") == 0 && malloc((size_t)4 << 30) == NULL)
        __builtin_trap();
}

/* ---- lies: questions without end */

static void send_text(struct elg_channel *channel, enum elg_jail_message kind,
                      const char *first, const char *second)
{
    size_t place = elg_jail_wire_begin(&channel->out, kind);
    elg_jail_wire_text(&channel->out, first);
    if (second != NULL)
        elg_jail_wire_text(&channel->out, second);
    elg_jail_wire_end(&channel->out, place);
    elg_jailed_send(channel);
}

static void ask_for_ever(const char *name, struct elg_channel *channel)
{
    struct elg_jail_fields fields;
    while (strcmp(name, "compiles") == 0) {
        send_text(channel, ELG_JAIL_COMPILE, "x", "return 1");
        (void)elg_jailed_receive(channel, &fields);
    }
    while (strcmp(name, "reads") == 0) {
        send_text(channel, ELG_JAIL_READ, "other.lua", NULL);
        (void)elg_jailed_receive(channel, &fields);
    }
    while (strcmp(name, "calls") == 0) {
        struct elg_buf *out = &channel->out;
        size_t place = elg_jail_wire_begin(out, ELG_JAIL_OUTCOME);
        elg_jail_wire_u32(out, ELG_OUTCOME_CALL);
        elg_jail_wire_u64(out, 5);
        elg_jail_wire_text(out, "log");
        elg_jail_wire_text(out, "{\"level\":\"debug\",\"text\":\"x\"}");
        elg_jail_wire_text(out, "");
        elg_jail_wire_end(out, place);
        elg_jailed_send(channel);
        (void)elg_jailed_receive(channel, &fields);
    }
}

/* ---- lies: requests that no library of ours makes */

static const char *const TYPES[] = {"log",  "now",  "sleep",  "http",   "artifact.write",
                                    "call", "wait", "settle", "all",    "artifact.read",
                                    "send", "x",    "all",    "settle", "http_request",
                                    "run",  "run"};
static const char *const REQUESTS[] = {
    "null",
    "[]",
    "{}",
    "5",
    "\"s\"",
    "[[]]",
    "[null,5,[\"log\",null],[5,5],[\"all\",[]]]",
    "[[\"settle\",{}],[\"sleep\",{\"ms\":1}],[\"now\",{}],[\"http\",5],[\"http\"]]",
    "{\"level\":5,\"text\":[]}",
    "{\"fields\":1,\"level\":\"extremely long\"}",
    "{\"ms\":-1}",
    "{\"ms\":1.5}",
    "{\"ms\":\"1\"}",
    "{\"ms\":1e+300}",
    "{\"url\":5}",
    "{\"url\":[]}",
    "{\"url\":\"\"}",
    "{\"url\":\"file:///etc/passwd\"}",
    "{\"url\":\"http://127.0.0.1:1/\\n\"}",
    "{\"url\":[{\"$secret\":5}]}",
    "{\"headers\":{\"a\\r\\nb\":\"c\"},\"url\":\"http://127.0.0.1:1/\"}",
    "{\"headers\":{\"x\":{\"$secret\":\"NONE\"}},\"url\":\"http://127.0.0.1:1/\"}",
    "{\"at_most_once\":true,\"url\":\"http://127.0.0.1:1/\"}",
    "{\"body\":5,\"method\":{},\"url\":\"http://127.0.0.1:1/\"}",
    "{\"max_bytes\":-1,\"timeout_ms\":-5,\"url\":\"http://127.0.0.1:1/\"}",
    "{\"content\":5}",
    "{\"content\":\"c\",\"x\":{}}",
    "{\"hash\":\"../../../etc/passwd\"}",
    "{\"hash\":\"0000\"}",
    "{\"name\":5,\"request\":null}",
    "{\"name\":\"none\"}",
    "{\"key_of\":{\"url\":\"http://127.0.0.1:1/\"},\"result\":5}",
    "{\"key_of\":[]}",
    "{\"key_of\":{\"url\":\"http://127.0.0.1:1/\"}}",
    "{\"timeout_ms\":1}",
    "{\"at_once\":0,\"calls\":[[\"run\",{}],[\"run\",5],[\"http\",{}]]}",
    "{\"at_once\":1e+300,\"calls\":5}",
    "{\"at_once\":\"x\",\"calls\":[]}",
    "{\"calls\":[[\"call\",{\"name\":\"x\"}]]}",
    "{\"file\":\"none.lua\",\"input\":5}",
    "{\"file\":5}",
    "{\"graph\":\"../x.lua\",\"input\":null}",
    "{\"graph\":[],\"input\":{}}",
};
#define ODD_COUNT 40

static void send_call(struct elg_channel *channel, uint64_t fuel, const char *type,
                      const char *request)
{
    struct elg_buf *out = &channel->out;
    size_t place = elg_jail_wire_begin(out, ELG_JAIL_OUTCOME);
    elg_jail_wire_u32(out, ELG_OUTCOME_CALL);
    elg_jail_wire_u64(out, fuel);
    elg_jail_wire_text(out, type);
    elg_jail_wire_text(out, request);
    elg_jail_wire_text(out, "nowhere.lua:1");
    elg_jail_wire_end(out, place);
    elg_jailed_send(channel);
}

/* A list longer than ctx.all takes. */
static void send_long_list(struct elg_channel *channel, uint64_t fuel)
{
    static char list[3 * 100000];
    list[0] = '[';
    for (size_t i = 1; i + 3 < sizeof list; i += 2)
        memcpy(list + i, "5,", 2);
    memcpy(list + strlen(list) - 1, "]", 2);
    send_call(channel, fuel, "all", list);
}

static void ask_oddly(struct elg_channel *channel)
{
    struct elg_jail_fields fields;
    for (uint64_t i = 1; i <= ODD_COUNT; i++) {
        const char *type = TYPES[next_chance() % (sizeof TYPES / sizeof TYPES[0])];
        const char *request =
            REQUESTS[next_chance() % (sizeof REQUESTS / sizeof REQUESTS[0])];
        if (next_chance() % 500 == 0)
            send_long_list(channel, i);
        else
            send_call(channel, i, type, request);
        if (elg_jailed_receive(channel, &fields) != ELG_JAIL_RESUME)
            elg_jailed_give_up(); /* parked: what it held is not worth keeping */
    }
    _exit(0);
}

void planted_attack(const struct elg_job *job, struct elg_channel *channel)
{
    const char *name = job->node_id;
    job_now = job;
    lie = "";
    chance = 88172645463325252ul;
    for (size_t i = 0; i < job->input.size; i++)
        chance = (chance ^ job->input.data[i]) * 0x100000001b3ul;
    if (strncmp(name, "attack_", 7) == 0) {
        attack_call(name + 7);
        attack_self(name + 7);
    }
    if (strncmp(name, "lie_", 4) == 0) {
        lie = name + 4;
        ask_for_ever(lie, channel);
        if (strcmp(lie, "odd") == 0)
            ask_oddly(channel);
    }
}

/* ---- lies: outcomes */

static struct elg_bytes text(const char *s)
{
    return elg_base_bytes(s);
}

static bool is(const char *name)
{
    return strcmp(lie, name) == 0;
}

void planted_outcome(struct elg_outcome *out)
{
    static char long_key[300];
    memset(long_key, 'k', sizeof long_key - 1);
    if (is("edge_far"))
        out->edge = 123456;
    if (is("edge_negative"))
        out->edge = -2;
    if (is("edge_other"))
        out->edge = 0;
    if (is("edge_none"))
        out->edge = -1;
    if (is("key_long"))
        out->key = long_key;
    if (is("key_none"))
        out->key = NULL;
    if (is("key_bytes"))
        out->key = "\xff\xfe";
    if (is("state_order"))
        out->state = text("{\"b\":1,\"a\":2}");
    if (is("state_space"))
        out->state = text("{ }");
    if (is("state_number"))
        out->state = text("{\"a\":1e400}");
    if (is("state_none"))
        out->state = text("");
    if (is("output_bytes"))
        out->output = text("\"\xc3\x28\"");
    if (is("metadata"))
        out->metadata = text("[");
    if (is("fuel_more"))
        out->fuel = job_now->fuel_max + 1;
    if (is("kind"))
        out->kind = (enum elg_outcome_kind)99;
    if (is("kind_lost"))
        out->kind = ELG_OUTCOME_LOST;
}

/* ---- lies: bytes */

static void set_u32(struct elg_buf *out, size_t at, uint32_t value)
{
    memcpy(out->data + at, &value, sizeof value);
}

/* A host would wait for the rest until its patience ends; here it sees that none comes.
 */
static void leave_if_short(const struct elg_buf *out)
{
    struct elg_jail_head head = {0, 0};
    memcpy(&head, out->data, out->size < sizeof head ? out->size : sizeof head);
    if (out->size >= sizeof head + head.bytes)
        return;
    (void)!write(0, out->data, out->size);
    _exit(0);
}

static void flip(struct elg_buf *out)
{
    static const uint8_t ODD[] = {0, 1, 0x7f, 0x80, 0xff, '"', '{', '9'};
    for (unsigned long n = next_chance() % 6 + 1; n > 0; n--) {
        size_t at = next_chance() % out->size;
        if (next_chance() % 3 == 0) /* the lengths are at the front */
            at = next_chance() % (out->size < 24 ? out->size : 24);
        out->data[at] = ODD[next_chance() % sizeof ODD];
    }
    if (next_chance() % 4 == 0)
        out->size -= next_chance() % out->size;
    leave_if_short(out);
}

void planted_bytes(struct elg_buf *out)
{
    if (is("length_huge"))
        set_u32(out, 4, 0xfffffff0u);
    if (is("length_short"))
        set_u32(out, 4, 3);
    if (is("field_huge"))
        set_u32(out, 20, 0xfffffff0u);
    if (is("field_long"))
        set_u32(out, 20, 0x00100000u);
    if (is("message_kind"))
        set_u32(out, 0, 4711);
    if (is("message_empty"))
        set_u32(out, 4, 0), out->size = 8;
    if (is("more"))
        elg_base_buf_append(out, "more than was asked for", 24);
    if (is("no_nul"))
        memset(out->data + 8, 'x', out->size - 8);
    if (is("flip"))
        flip(out);
    lie = "";
}
