/* untls: makes an object with a thread-local variable of the local-exec model fit for
 * shared libraries.
 *
 * Debian's static LuaJIT keeps the exception object of a raise in one such variable
 * (static_uex, 48 bytes). Its code holds the variable's distance from the thread pointer
 * as a constant, which only an executable can fill in. This program fills in the distance
 * of a part of the thread's control block that the C library of x86-64 reserves and has
 * never used since 2.23 (rtld_savespace_sse: 512 bytes at 0x80, kept because its size is
 * part of the ABI), and drops the relocations. The variable stays one per thread and
 * begins as zeros.
 *
 * usage: untls OBJECT SYMBOL. Fails if the object is not of x86-64, or if anything but
 * R_X86_64_TPOFF32 refers to the symbol. */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TCB_OFFSET 0x100
#define TCB_BYTES 0x100

struct object {
    unsigned char *data;
    size_t size;
    Elf64_Ehdr *header;
    Elf64_Shdr *sections;
};

static bool object_open(const char *path, struct object *object)
{
    struct stat info;
    int fd = open(path, O_RDWR);
    if (fd < 0 || fstat(fd, &info) != 0)
        return false;
    object->size = (size_t)info.st_size;
    object->data = mmap(NULL, object->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (object->data == MAP_FAILED)
        return false;
    object->header = (Elf64_Ehdr *)object->data;
    object->sections = (Elf64_Shdr *)(object->data + object->header->e_shoff);
    return memcmp(object->header->e_ident, ELFMAG, SELFMAG) == 0 &&
           object->header->e_machine == EM_X86_64;
}

/* True if entry `entry` of the relocations `section` is of the symbol `name`. */
static bool is_of_symbol(const struct object *object, const Elf64_Shdr *section,
                         const Elf64_Rela *entry, const char *name)
{
    const Elf64_Shdr *table = &object->sections[section->sh_link];
    const Elf64_Sym *symbols = (const Elf64_Sym *)(object->data + table->sh_offset);
    const char *names =
        (const char *)object->data + object->sections[table->sh_link].sh_offset;
    return strcmp(names + symbols[ELF64_R_SYM(entry->r_info)].st_name, name) == 0;
}

/* Writes the distance in place of the relocation. */
static bool resolve(struct object *object, const Elf64_Shdr *section, Elf64_Rela *entry)
{
    const Elf64_Shdr *target = &object->sections[section->sh_info];
    if (ELF64_R_TYPE(entry->r_info) != R_X86_64_TPOFF32 || entry->r_addend < 0 ||
        entry->r_addend >= TCB_BYTES)
        return false;
    Elf64_Sword distance = (Elf64_Sword)(TCB_OFFSET + entry->r_addend);
    memcpy(object->data + target->sh_offset + entry->r_offset, &distance,
           sizeof distance);
    entry->r_info = ELF64_R_INFO(0, R_X86_64_NONE);
    entry->r_addend = 0;
    return true;
}

static bool resolve_section(struct object *object, const Elf64_Shdr *section,
                            const char *name)
{
    Elf64_Rela *entries = (Elf64_Rela *)(object->data + section->sh_offset);
    for (size_t i = 0; i < section->sh_size / sizeof *entries; i++) {
        if (!is_of_symbol(object, section, &entries[i], name))
            continue;
        if (!resolve(object, section, &entries[i]))
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct object object = {0};
    if (argc != 3 || !object_open(argv[1], &object)) {
        fprintf(stderr, "untls: not an object of x86-64\n");
        return 1;
    }
    for (size_t i = 0; i < object.header->e_shnum; i++) {
        const Elf64_Shdr *section = &object.sections[i];
        if (section->sh_type != SHT_RELA)
            continue;
        if (!resolve_section(&object, section, argv[2])) {
            fprintf(stderr, "untls: a reference to %s is of another kind\n", argv[2]);
            return 1;
        }
    }
    return 0;
}
