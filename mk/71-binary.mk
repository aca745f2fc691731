# The program elg: the bindings, the embedded Lua of lua/elg, the library. And the same
# bindings as modules for an ordinary LuaJIT (specs): $(B)/spec/elg/core.so and sys.so.

BIND_SRC    := $(filter-out src/bind/main.c,$(wildcard src/bind/*.c))
BIND_OBJ    := $(patsubst src/%,$(B)/obj/%.o,$(BIND_SRC))
CLI_LUA     := $(sort $(shell find lua/elg lua/meta -type f \( -name '*.lua' -o \
                 -path '*/templates/*' \) -not -path 'lua/elg/sandbox/*'))
# lua/elg/cli/init.lua is elg.cli, lua/elg/cli/run.lua is elg.cli.run.
lua_module   = $(subst /,.,$(patsubst %/init,%,$(patsubst lua/%.lua,%,$(1))))

# A table of { name, start, end } rows. What `elg init` writes goes in as it is, the
# program's own Lua as bytecode: parsing it would be a tenth of a start.
CLI_TEXTS   := $(filter lua/elg/templates/% lua/meta/%,$(CLI_LUA))
CLI_CODE    := $(patsubst %,$(B)/gen/%c,$(filter-out $(CLI_TEXTS),$(CLI_LUA)))
$(B)/gen/%.luac: %.lua $(B)/elg-compile
	@mkdir -p $(@D)
	@$(B)/elg-compile $< "=$(call lua_module,$<)" >$@.tmp && mv $@.tmp $@

$(B)/gen/embedded.S: $(CLI_TEXTS) $(CLI_CODE) mk/71-binary.mk
	@mkdir -p $(@D)
	@{ echo '.section .note.GNU-stack,"",@progbits'; \
	  echo '.section .rodata'; n=0; \
	  for f in $(CLI_TEXTS) $(CLI_CODE); do n=$$((n+1)); \
	    m=$$(echo $$f | sed 's,^$(B)/gen/,,; s,\.luac$$,.lua,; s,^lua/,,; s,/init\.lua$$,,; s,\.lua$$,,; s,/,.,g'); \
	    echo "name_$$n: .asciz \"$$m\""; \
	    echo "text_$$n: .incbin \"$$f\""; echo "end_$$n: .byte 0"; done; \
	  echo '.section .data.rel.ro,"aw"'; echo '.balign 8'; \
	  echo '.globl elg__bind_embedded'; echo '.hidden elg__bind_embedded'; \
	  echo 'elg__bind_embedded:'; n=0; \
	  for f in $(CLI_TEXTS) $(CLI_CODE); do n=$$((n+1)); \
	    echo ".quad name_$$n, text_$$n, end_$$n"; done; \
	  echo '.quad 0, 0, 0'; } >$@.tmp
	@mv $@.tmp $@

$(B)/obj/embedded.o: $(B)/gen/embedded.S
	$(CC) -c $< -o $@

$(B)/elg: $(B)/obj/bind/main.c.o $(BIND_OBJ) $(B)/obj/embedded.o $(B)/libelg_all.a
	$(CC) $(SAN) -Wl,--gc-sections $^ -o $@ -lsqlite3 $(INSIDE) -lpthread -lm -ldl

# The bindings once more, against an engine whose names are not changed.
$(B)/obj/modbind/%.c.o: src/bind/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LJ_INC) -MMD -c $< -o $@

MODBIND_OBJ := $(patsubst src/bind/%,$(B)/obj/modbind/%.o,$(BIND_SRC))
BIND_MODULES := $(B)/spec/elg/core.so $(B)/spec/elg/sys.so
$(BIND_MODULES): $(MODBIND_OBJ) $(B)/libelg_all.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -shared -Wl,-Bsymbolic $^ -o $@ $(LIBS)

ifneq (,$(filter host,$(FOLDERS)))
all: $(B)/elg
spec: $(B)/elg $(BIND_MODULES)
endif
