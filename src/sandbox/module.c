/* module: files of a program by path. Provides module.h. */
#include "sandbox/module.h"

#include <lauxlib.h>
#include <string.h>

#define PATH_BYTES_MAX 240
#define REQUIRE_UNITS 1000 /* looking for files */

/* ---- host's side */

static bool is_path_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '.' || c == '/' || c == '+' || c == '@' ||
           c == ' ' || c < 0;
}

bool elg_sandbox_path_valid(const char *path)
{
    size_t size = strlen(path);
    if (size == 0 || size > PATH_BYTES_MAX || path[0] == '/' || path[size - 1] == '/')
        return false;
    for (const char *p = path; *p != '\0'; p++) {
        bool start = p == path || p[-1] == '/';
        if (!is_path_byte(*p) || (start && (*p == '.' || *p == '/')))
            return false;
    }
    return true;
}

static enum elg_status module_read(struct elg_program *program, const char *path,
                                   const struct elg_program_loader *loader,
                                   struct elg_error *error)
{
    struct elg_module *module = &program->modules[program->module_count];
    if (program->module_count == ELG_GRAPH_SOURCES_MAX)
        return elg_base_fail(error, ELG_LIMIT, path, "a graph has at most %d files",
                             ELG_GRAPH_SOURCES_MAX);
    elg_base_buf_init(&module->source, program->alloc);
    elg_base_buf_init(&module->bytecode, program->alloc);
    enum elg_status status = loader->read(loader->self, path, &module->source, error);
    if (status == ELG_OK && module->source.failed)
        status = elg_base_no_memory(error);
    if (status == ELG_OK)
        status = elg_sandbox_compile(program->box->compiler, path,
                                     elg_base_buf_bytes(&module->source),
                                     &module->bytecode, error);
    if (status == ELG_OK) {
        module->path = elg_base_strndup(program->alloc, path, strlen(path));
        if (module->path == NULL)
            status = elg_base_no_memory(error);
    }
    if (status != ELG_OK) {
        elg_base_buf_fini(&module->source);
        elg_base_buf_fini(&module->bytecode);
        return status;
    }
    program->module_count++;
    return ELG_OK;
}

enum elg_status elg_sandbox_module_entry(struct elg_program *program, const char *entry,
                                         const struct elg_program_loader *loader,
                                         struct elg_error *error)
{
    if (!elg_sandbox_path_valid(entry))
        return elg_base_fail(
            error, ELG_USAGE, entry,
            "a graph's file has a name of letters, digits, spaces and _ - . + @, "
            "which no dot begins");
    return module_read(program, entry, loader, error);
}

static int module_find(const struct elg_program *program, const char *path)
{
    for (size_t i = 0; i < program->module_count; i++)
        if (strcmp(program->modules[i].path, path) == 0)
            return (int)i;
    return -1;
}

/* box->module: the name, dots between parts. Tries a/b.lua, then a/b/init.lua. */
static enum elg_status module_locate(struct elg_program *program,
                                     const struct elg_program_loader *loader,
                                     struct elg_error *error)
{
    static const char *const ENDS[] = {".lua", "/init.lua"};
    struct elg_sandbox *box = program->box;
    char path[PATH_BYTES_MAX + 16];
    size_t size = box->module.size;
    box->found = false;
    if (size > PATH_BYTES_MAX)
        return ELG_OK;
    for (size_t e = 0; e < 2 && !box->found; e++) {
        for (size_t i = 0; i < size; i++)
            path[i] = box->module.data[i] == '.' ? '/' : (char)box->module.data[i];
        memcpy(path + size, ENDS[e], strlen(ENDS[e]) + 1);
        box->module_index = module_find(program, path);
        box->found = box->module_index >= 0;
        if (box->found || loader == NULL || !elg_sandbox_path_valid(path))
            continue;
        enum elg_status status = module_read(program, path, loader, error);
        if (status != ELG_OK && status != ELG_NOT_FOUND)
            return status;
        box->found = status == ELG_OK;
        box->module_index = (int)program->module_count - 1;
    }
    return ELG_OK;
}

enum elg_status elg_sandbox_module_compile(struct elg_sandbox *box,
                                           struct elg_error *error)
{
    struct elg_buf bytecode;
    struct elg_error own;
    const char *chunk = box->module.data != NULL ? (const char *)box->module.data : "";
    elg_base_buf_init(&bytecode, box->alloc);
    enum elg_status status = elg_sandbox_compile(
        box->compiler, chunk, elg_base_buf_bytes(&box->source), &bytecode, &own);
    box->found = status == ELG_OK;
    elg_base_buf_reset(&box->source);
    if (status == ELG_OK)
        elg_base_buf_append(&box->source, bytecode.data, bytecode.size);
    else if (status == ELG_INVALID)
        elg_base_buf_printf(&box->source, "%s: %s", own.where, own.text);
    else if (error != NULL)
        *error = own;
    elg_base_buf_fini(&bytecode);
    return status == ELG_INVALID ? ELG_OK : status;
}

enum elg_status elg_sandbox_module_serve(struct elg_program *program,
                                         const struct elg_program_loader *loader,
                                         struct elg_error *error)
{
    if (program->box->event != ELG_EVENT_COMPILE)
        return module_locate(program, loader, error);
    return elg_sandbox_module_compile(program->box, error);
}

int elg_sandbox_module_graph_line(const struct elg_program *program)
{
    static const char CALL[] = ".graph";
    const struct elg_buf *source = &program->modules[0].source;
    if (source->size == 0)
        return 0;
    const uint8_t *end = source->data + source->size;
    int line = 1;
    for (const uint8_t *p = source->data; end - p > (ptrdiff_t)sizeof CALL; p++) {
        line += *p == '\n';
        if (memcmp(p, CALL, sizeof CALL - 1) != 0)
            continue;
        uint8_t next = p[sizeof CALL - 1];
        if (next == ' ' || next == '{' || next == '(' || next == '\n')
            return line;
    }
    return 0;
}

void elg_sandbox_module_fini(struct elg_program *program)
{
    for (size_t i = 0; i < program->module_count; i++) {
        elg_base_strfree(program->alloc, program->modules[i].path);
        elg_base_buf_fini(&program->modules[i].source);
        elg_base_buf_fini(&program->modules[i].bytecode);
    }
}

/* ---- on the fiber */

void elg_sandbox_module_run(lua_State *L, int index)
{
    const struct elg_module *module = &elg_sandbox_head(L)->box->loading->modules[index];
    if (luaL_loadbufferx(L, (const char *)module->bytecode.data, module->bytecode.size,
                         module->path, "b") != 0)
        lua_error(L);
    elg_sandbox_depth_enter(L, __builtin_frame_address(0));
    lua_call(L, 0, 1);
    elg_sandbox_depth_leave(L);
}

/* A graph that a file returns, at the top, knows which file it is: ctx.run names it. */
static void note_path(lua_State *L, const char *path)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_PRELUDE);
    lua_getfield(L, -1, "note_path");
    lua_pushvalue(L, -3);
    lua_pushstring(L, path);
    lua_call(L, 2, 0);
    lua_pop(L, 1);
}

/* Raises that there is no such module, and where it would be. */
static void refuse_missing(lua_State *L, const char *name)
{
    const char *path = luaL_gsub(L, name, ".", "/");
    if (!elg_sandbox_path_valid(path))
        luaL_error(L, "module \"%s\" is none of the graph's files", name);
    luaL_error(L,
               "module \"%s\" is none of the graph's files: its folder has no %s.lua and "
               "no %s/init.lua",
               name, path, path);
}

/* Stack: name modules. Pushes the module, running its file the first time. */
static void require_new(lua_State *L, const char *name)
{
    struct elg_sandbox *box = elg_sandbox_head(L)->box;
    if (elg_sandbox_head(L)->phase != ELG_PHASE_LOADING)
        luaL_error(L,
                   "require \"%s\" within a node: require it at the top of the file, "
                   "modules are loaded with the graph",
                   name);
    elg_sandbox_charge(L, REQUIRE_UNITS);
    elg_sandbox_set(box, &box->module, name, lua_objlen(L, 1));
    elg_sandbox_leave(box, ELG_EVENT_MODULE);
    if (!box->found)
        refuse_missing(L, name);
    lua_pushvalue(L, 1);
    lua_pushboolean(L, 0);
    lua_rawset(L, 2); /* being loaded */
    int index = box->module_index;
    elg_sandbox_module_run(L, index);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    note_path(L, box->loading->modules[index].path);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, -2);
    lua_rawset(L, 2);
}

int elg_sandbox_module_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, ELG_SLOT_MODULES);
    lua_pushvalue(L, 1);
    lua_rawget(L, 2); /* name modules module */
    if (lua_isboolean(L, -1) && !lua_toboolean(L, -1))
        return luaL_error(L, "module \"%s\" requires itself", name);
    if (!lua_isnil(L, -1))
        return 1;
    lua_pop(L, 1);
    require_new(L, name);
    return 1;
}
