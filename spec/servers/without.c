/* without NUMBER[,NUMBER] PROGRAM [ARGUMENT ...]: starts a program as on a system that
 * has not got the system calls of those numbers: they fail with ENOSYS, in it and in
 * whatever it starts. Uses seccomp. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NUMBERS_MAX 16

int main(int argc, char **argv)
{
    struct sock_filter code[2 * NUMBERS_MAX + 2];
    unsigned short count = 0;
    const struct sock_filter number = {BPF_LD | BPF_W | BPF_ABS, 0, 0,
                                       offsetof(struct seccomp_data, nr)};
    const struct sock_filter missing = {BPF_RET | BPF_K, 0, 0,
                                        SECCOMP_RET_ERRNO | ENOSYS};
    const struct sock_filter there = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    if (argc < 3)
        return 2;
    code[count++] = number;
    for (char *p = strtok(argv[1], ","); p != NULL && count < 2 * NUMBERS_MAX;
         p = strtok(NULL, ",")) {
        const struct sock_filter is = {BPF_JMP | BPF_JEQ | BPF_K, 0, 1,
                                       (unsigned)strtoul(p, NULL, 10)};
        code[count++] = is;
        code[count++] = missing;
    }
    code[count++] = there;
    struct sock_fprog program = {count, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        perror("without");
        return 2;
    }
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 2;
}
