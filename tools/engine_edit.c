/* engine_edit: edits an object of LuaJIT where symbols cannot be redirected by binutils.
 *
 * engine_edit OBJECT untls SYMBOL
 *   Debian's static LuaJIT keeps the exception object of a raise in a thread-local
 * variable of the local-exec model (static_uex, 48 bytes). Its code holds the variable's
 * distance from the thread pointer as a constant, which only an executable can fill in.
 * This fills in the distance of a part of the thread's control block that the C library
 * of x86-64 reserves and has never used since 2.23 (rtld_savespace_sse: 512 bytes at
 * 0x80, kept because its size is part of the ABI), and drops the relocations. The
 * variable stays one per thread and begins as zeros. engine_edit OBJECT undefine SYMBOL
 *   Makes a defined symbol an undefined one, so that the object's own calls of it go
 *   elsewhere, too.
 * engine_edit OBJECT detour SYMBOL BYTES TARGET
 *   The function, which must begin with those bytes (hexadecimal), begins with a jump to
 *   the undefined symbol TARGET.
 * engine_edit OBJECT replace SYMBOL FROM TO
 *   Replaces the bytes FROM (hexadecimal), which must be in the function exactly once, by
 *   as many bytes TO.
 *
 * Fails, changing nothing, if the object is not of x86-64 or is not as expected. */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TCB_OFFSET 0x100
#define TCB_BYTES 0x100
#define BYTES_MAX 64

struct object {
    int fd;
    unsigned char *data;
    size_t size;
    Elf64_Ehdr *header;
    Elf64_Shdr *sections;
};

static bool object_map(struct object *object, size_t size)
{
    object->size = size;
    object->data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, object->fd, 0);
    if (object->data == MAP_FAILED)
        return false;
    object->header = (Elf64_Ehdr *)object->data;
    object->sections = (Elf64_Shdr *)(object->data + object->header->e_shoff);
    return true;
}

static bool object_open(const char *path, struct object *object)
{
    struct stat info;
    int fd = open(path, O_RDWR);
    if (fd < 0 || fstat(fd, &info) != 0)
        return false;
    object->fd = fd;
    return object_map(object, (size_t)info.st_size) &&
           memcmp(object->header->e_ident, ELFMAG, SELFMAG) == 0 &&
           object->header->e_machine == EM_X86_64;
}

static const char *name_of(const struct object *object, const Elf64_Shdr *table,
                           const Elf64_Sym *symbol)
{
    const Elf64_Shdr *names = &object->sections[table->sh_link];
    return (const char *)object->data + names->sh_offset + symbol->st_name;
}

/* The symbol of that name, its number in *index; NULL: there is none. */
static Elf64_Sym *find_symbol(const struct object *object, const char *name,
                              size_t *index)
{
    for (size_t i = 0; i < object->header->e_shnum; i++) {
        const Elf64_Shdr *table = &object->sections[i];
        if (table->sh_type != SHT_SYMTAB)
            continue;
        Elf64_Sym *symbols = (Elf64_Sym *)(object->data + table->sh_offset);
        for (size_t s = 0; s < table->sh_size / sizeof *symbols; s++)
            if (strcmp(name_of(object, table, &symbols[s]), name) == 0) {
                *index = s;
                return &symbols[s];
            }
    }
    return NULL;
}

/* ---- untls */

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
    const Elf64_Shdr *table = &object->sections[section->sh_link];
    const Elf64_Sym *symbols = (const Elf64_Sym *)(object->data + table->sh_offset);
    Elf64_Rela *entries = (Elf64_Rela *)(object->data + section->sh_offset);
    for (size_t i = 0; i < section->sh_size / sizeof *entries; i++) {
        const Elf64_Sym *symbol = &symbols[ELF64_R_SYM(entries[i].r_info)];
        if (strcmp(name_of(object, table, symbol), name) == 0 &&
            !resolve(object, section, &entries[i]))
            return false;
    }
    return true;
}

static bool untls(struct object *object, const char *name)
{
    for (size_t i = 0; i < object->header->e_shnum; i++) {
        const Elf64_Shdr *section = &object->sections[i];
        if (section->sh_type == SHT_RELA && !resolve_section(object, section, name))
            return false;
    }
    return true;
}

/* ---- undefine, detour, replace */

static bool undefine(struct object *object, const char *name)
{
    size_t index;
    Elf64_Sym *symbol = find_symbol(object, name, &index);
    if (symbol == NULL || ELF64_ST_BIND(symbol->st_info) != STB_GLOBAL)
        return false;
    symbol->st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
    symbol->st_other = STV_DEFAULT;
    symbol->st_shndx = SHN_UNDEF;
    symbol->st_value = symbol->st_size = 0;
    return true;
}

/* How many bytes the digits stand for; 0: they are none. */
static size_t read_hex(const char *digits, unsigned char *out)
{
    size_t size = strlen(digits) / 2;
    if (size > BYTES_MAX || size * 2 != strlen(digits))
        return 0;
    for (size_t i = 0; i < size; i++) {
        unsigned byte;
        if (sscanf(digits + 2 * i, "%2x", &byte) != 1)
            return 0;
        out[i] = (unsigned char)byte;
    }
    return size;
}

static unsigned char *code_of(const struct object *object, const Elf64_Sym *symbol)
{
    return object->data + object->sections[symbol->st_shndx].sh_offset + symbol->st_value;
}

/* The section of the relocations of section `target`. */
static Elf64_Shdr *relocations_of(const struct object *object, size_t target)
{
    for (size_t i = 0; i < object->header->e_shnum; i++)
        if (object->sections[i].sh_type == SHT_RELA &&
            object->sections[i].sh_info == target)
            return &object->sections[i];
    return NULL;
}

/* Moves the relocations of section `target` to the end of the file, with one more. */
static bool add_relocation(struct object *object, size_t target, const Elf64_Rela *added)
{
    Elf64_Shdr *section = relocations_of(object, target);
    size_t at = (object->size + 15) & ~(size_t)15;
    if (section == NULL || at > SIZE_MAX / 2)
        return false;
    size_t size = at + section->sh_size + sizeof *added;
    if (ftruncate(object->fd, (off_t)size) != 0 || !object_map(object, size))
        return false;
    section = relocations_of(object, target);
    memcpy(object->data + at, object->data + section->sh_offset, section->sh_size);
    memcpy(object->data + at + section->sh_size, added, sizeof *added);
    section->sh_offset = at;
    section->sh_size += sizeof *added;
    return true;
}

static bool detour(struct object *object, const char *name, const char *begin_hex,
                   const char *target)
{
    unsigned char begin[BYTES_MAX];
    size_t size = read_hex(begin_hex, begin), index, target_index;
    const Elf64_Sym *symbol = find_symbol(object, name, &index);
    if (size < 5 || symbol == NULL ||
        find_symbol(object, target, &target_index) == NULL ||
        memcmp(code_of(object, symbol), begin, size) != 0)
        return false;
    memset(code_of(object, symbol), 0x90, size); /* nop */
    code_of(object, symbol)[0] = 0xe9;           /* jmp */
    memset(code_of(object, symbol) + 1, 0, 4);
    const Elf64_Rela added = {symbol->st_value + 1,
                              ELF64_R_INFO(target_index, R_X86_64_PLT32), -4};
    return add_relocation(object, symbol->st_shndx, &added);
}

static bool replace(struct object *object, const char *name, const char *from_hex,
                    const char *to_hex)
{
    unsigned char from[BYTES_MAX], to[BYTES_MAX];
    size_t size = read_hex(from_hex, from), index;
    const Elf64_Sym *symbol = find_symbol(object, name, &index);
    if (size == 0 || read_hex(to_hex, to) != size || symbol == NULL)
        return false;
    unsigned char *code = code_of(object, symbol);
    unsigned char *found = memmem(code, symbol->st_size, from, size);
    if (found == NULL)
        return false;
    size_t rest = symbol->st_size - (size_t)(found + 1 - code);
    if (memmem(found + 1, rest, from, size) != NULL)
        return false;
    memcpy(found, to, size);
    return true;
}

int main(int argc, char **argv)
{
    struct object object = {0};
    bool done = false;
    if (argc < 4 || !object_open(argv[1], &object)) {
        fprintf(stderr, "engine_edit: not an object of x86-64\n");
        return 1;
    }
    if (strcmp(argv[2], "untls") == 0)
        done = untls(&object, argv[3]);
    else if (strcmp(argv[2], "undefine") == 0)
        done = undefine(&object, argv[3]);
    else if (strcmp(argv[2], "detour") == 0 && argc == 6)
        done = detour(&object, argv[3], argv[4], argv[5]);
    else if (strcmp(argv[2], "replace") == 0 && argc == 6)
        done = replace(&object, argv[3], argv[4], argv[5]);
    if (!done)
        fprintf(stderr, "engine_edit: %s: this LuaJIT is not as expected: %s %s\n",
                argv[1], argv[2], argv[3]);
    return done ? 0 : 1;
}
