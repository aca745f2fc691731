/* confine: the layers one by one. Provides confine.h; uses prctl, setrlimit, Landlock and
 * seccomp by their system calls (Debian 12's C library has no functions for some). */
#include "jailed/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- descriptors, rights, limits */

static const char *close_descriptors(void)
{
    close(1);
    close(2);
    closefrom(3);
    return NULL;
}

static const char *drop_rights(const struct elg_confine_options *options)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    if (options->dies_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return "prctl(PR_SET_PDEATHSIG)";
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return "prctl(PR_SET_DUMPABLE)";
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return "prctl(PR_SET_NO_NEW_PRIVS)";
    if (syscall(SYS_capset, &header, none) != 0)
        return "capset";
    return NULL;
}

static const char *limit(const struct elg_confine_options *options)
{
    static const int NONE[] = {RLIMIT_CORE,     RLIMIT_FSIZE,      RLIMIT_NOFILE,
                               RLIMIT_NPROC,    RLIMIT_LOCKS,      RLIMIT_MEMLOCK,
                               RLIMIT_MSGQUEUE, RLIMIT_SIGPENDING, RLIMIT_RTPRIO};
    const struct rlimit none = {0, 0};
    const struct rlimit space = {options->address_bytes_max, options->address_bytes_max};
    for (size_t i = 0; i < sizeof NONE / sizeof NONE[0]; i++)
        if (setrlimit((__rlimit_resource_t)NONE[i], &none) != 0)
            return "setrlimit";
#ifndef __SANITIZE_ADDRESS__
    if (setrlimit(RLIMIT_AS, &space) != 0)
        return "setrlimit(RLIMIT_AS)";
#else
    (void)space;
#endif
    return NULL;
}

/* ---- Landlock: a set of rules that handles everything and allows nothing */

/* As linux/landlock.h has it since ABI 6; the header of Debian 12 knows less. */
struct landlock_handled {
    uint64_t access_fs;
    uint64_t access_net; /* ABI 4 */
    uint64_t scoped;     /* ABI 6 */
};

#define LANDLOCK_VERSION 1u

/* Rights that an ABI knows, as bits from 0 on. */
static uint64_t landlock_fs(long abi)
{
    static const unsigned BITS[] = {0, 13, 14, 15, 15, 16};
    unsigned bits = BITS[abi < 5 ? abi : 5];
    return ((uint64_t)1 << bits) - 1;
}

static const char *lock_land(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
    if (abi < 1)
        return "landlock_create_ruleset";
    struct landlock_handled handled = {landlock_fs(abi), abi >= 4 ? 3 : 0,
                                       abi >= 6 ? 3 : 0};
    size_t size = abi >= 6 ? sizeof handled : abi >= 4 ? 16 : 8;
    long fd = syscall(SYS_landlock_create_ruleset, &handled, size, 0);
    if (fd < 0)
        return "landlock_create_ruleset";
    bool ok = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    int failed = errno;
    close((int)fd);
    errno = failed;
    return ok ? NULL : "landlock_restrict_self";
}

/* ---- seccomp */

#if defined(__x86_64__)
#define OUR_ARCH AUDIT_ARCH_X86_64 /* numbers of the 32-bit-pointer ABI are others */
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "no table of system calls for this machine"
#endif

enum argument_rule {
    ANY,
    ON_PIPE, /* the first argument is descriptor 0 */
    WAITING, /* futex: its two plain operations */
    NEW_DATA /* mmap of private memory that holds no code */
};

/* All that a helper may ask of the kernel, and why. */
static const struct {
    int number;
    enum argument_rule rule;
} ALLOWED[] = {
    {SYS_read, ON_PIPE},      /* requests */
    {SYS_write, ON_PIPE},     /* answers */
    {SYS_mmap, NEW_DATA},     /* large blocks of malloc */
    {SYS_munmap, ANY},        /* and giving them back */
    {SYS_mremap, ANY},        /* realloc of them; protections stay as they are */
    {SYS_madvise, ANY},       /* touched pages of the arena given back */
    {SYS_brk, ANY},           /* small blocks of malloc */
    {SYS_futex, WAITING},     /* the C library's "once", when an error is first raised */
    {SYS_clock_gettime, ANY}, /* of slices, where the clock cannot be read without */
    {SYS_setitimer, ANY},     /* the compile helper's own alarm */
    {SYS_rt_sigreturn, ANY},  /* of a signal that a debugger or a stop interrupted */
    {SYS_restart_syscall, ANY},
    {SYS_exit, ANY},
    {SYS_exit_group, ANY},
};
#define ALLOWED_COUNT (sizeof ALLOWED / sizeof ALLOWED[0])

/* Four instructions of head, at most eight for each call, one for the rest. */
#define PROGRAM_MAX (4 + 8 * ALLOWED_COUNT + 1)

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short count;
};

static void add(struct program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    p->code[p->count++] = (struct sock_filter){code, yes, no, k};
}

static void load(struct program *p, size_t offset)
{
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low word of argument i; all that is looked at here is an int to the kernel. */
static void load_argument(struct program *p, size_t i)
{
    load(p, offsetof(struct seccomp_data, args) + i * sizeof(uint64_t));
}

static void answer(struct program *p, uint32_t action)
{
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

/* Behind the comparison with its number: allow, or kill if the arguments are others. */
static void add_rule(struct program *p, enum argument_rule rule)
{
    if (rule == ON_PIPE) {
        load_argument(p, 0);
        add(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
        answer(p, SECCOMP_RET_KILL_PROCESS);
    }
    if (rule == WAITING) {
        load_argument(p, 1);
        add(p, BPF_JMP | BPF_JSET | BPF_K, ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_WAKE),
            0, 1);
        answer(p, SECCOMP_RET_KILL_PROCESS);
    }
    if (rule == NEW_DATA) {
        load_argument(p, 2);
        add(p, BPF_JMP | BPF_JSET | BPF_K, (uint32_t) ~(PROT_READ | PROT_WRITE), 3, 0);
        load_argument(p, 3);
        add(p, BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 1, 0);
        add(p, BPF_JMP | BPF_JSET | BPF_K, MAP_ANONYMOUS, 1, 0);
        answer(p, SECCOMP_RET_KILL_PROCESS);
    }
    answer(p, SECCOMP_RET_ALLOW);
}

static unsigned rule_size(enum argument_rule rule)
{
    return rule == ANY ? 1 : rule == NEW_DATA ? 7 : 4;
}

static void build(struct program *p)
{
    p->count = 0;
    load(p, offsetof(struct seccomp_data, arch));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    answer(p, SECCOMP_RET_KILL_PROCESS);
    load(p, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < ALLOWED_COUNT; i++) {
        add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ALLOWED[i].number, 0,
            (uint8_t)rule_size(ALLOWED[i].rule));
        add_rule(p, ALLOWED[i].rule);
    }
    answer(p, SECCOMP_RET_KILL_PROCESS);
}

static const char *filter_calls(void)
{
#ifndef __SANITIZE_ADDRESS__
    struct program p;
    build(&p);
    struct sock_fprog filter = {p.count, p.code};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0)
        return "seccomp";
#else
    (void)build;
#endif
    return NULL;
}

/* ---- all of them */

/* The first use of malloc asks the kernel for chance. */
static void touch_memory(void)
{
    void *volatile p = malloc(1);
    free(p);
}

static void note(const char *failed, unsigned layer, unsigned *got, char *reason)
{
    if (failed == NULL)
        *got |= layer;
    else if ((layer & ELG_LAYERS_NEEDED) != 0 && reason[0] == '\0')
        snprintf(reason, ELG_CONFINE_REASON_BYTES_MAX, "%s: %s", failed, strerror(errno));
}

unsigned elg_jailed_confine(const struct elg_confine_options *options,
                            char reason[ELG_CONFINE_REASON_BYTES_MAX])
{
    unsigned got = 0;
    touch_memory();
    reason[0] = '\0';
    bool alone = options->network_namespace && unshare(CLONE_NEWNET) == 0;
    if (alone)
        got |= ELG_LAYER_NETWORK;
    note(drop_rights(options), ELG_LAYER_RIGHTS, &got, reason);
    note(lock_land(), ELG_LAYER_LANDLOCK, &got, reason);
    note(close_descriptors(), ELG_LAYER_DESCRIPTORS, &got, reason);
    note(limit(options), ELG_LAYER_LIMITS, &got, reason);
    note(filter_calls(), ELG_LAYER_SECCOMP, &got, reason);
    return got;
}
