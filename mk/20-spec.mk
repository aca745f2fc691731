# Spec modules: spec/support/NAME.c is a Lua module for busted (Debian's luajit) that reaches
# the library's inside. It is linked with the whole library, whose own LuaJIT has other names.

SPECMOD := $(patsubst spec/support/%.c,$(B)/spec/%.so,$(wildcard spec/support/*.c))

$(B)/spec/%.so: spec/support/%.c $(B)/libelg_all.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LJ_INC) -MMD -shared -Wl,-Bsymbolic $< $(B)/libelg_all.a -o $@ $(LIBS)

# `make` and `make run` work in any folder; specs write paths into shell commands as they are.
REFUSE_BLANKS = $(if $(word 2,$(CURDIR)),$(error the specs do not run in "$(CURDIR)": a blank is in \
  its path. Move the folder elsewhere; make and make run work here))

# make spec S=spec/unit/json : those specs alone.
S ?= spec
.PHONY: spec
spec: $(SPECMOD)
	LUA_CPATH="$(B)/spec/?.so;;" LUA_PATH="lua/?.lua;spec/support/?.lua;;" ELG_BUILD=$(B) \
	  luajit /usr/bin/busted --helper=spec/support/helper.lua --pattern=_spec $(S)
