/* migrations_c: the texts of the migrations as the library embeds them, for specs: {
 * sqlite = { text, ... }, postgres = { ... } }. */
#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

int luaopen_migrations_c(lua_State *L);

static const char *const SQLITE[] = {
#include "sqlite_migrations.h"
};
static const char *const POSTGRES[] = {
#include "postgres_migrations.h"
};

static void texts_push(lua_State *L, const char *const *texts, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, texts[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

__attribute__((visibility("default"))) int luaopen_migrations_c(lua_State *L)
{
    lua_newtable(L);
    texts_push(L, SQLITE, sizeof SQLITE / sizeof SQLITE[0]);
    lua_setfield(L, -2, "sqlite");
    texts_push(L, POSTGRES, sizeof POSTGRES / sizeof POSTGRES[0]);
    lua_setfield(L, -2, "postgres");
    return 1;
}
