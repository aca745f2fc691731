# `make lint`: format, luacheck, the arrows between folders, symbols, documentation,
# sizes. `make asan`: every spec, or S=, under AddressSanitizer and UBSan. `make deps`:
# what the build and the specs need.

C_FILES   := $(shell git ls-files -- '*.c' '*.h' '*.cc' 2>/dev/null)
LUA_FILES := $(shell git ls-files -- '*.lua' 2>/dev/null)

.PHONY: lint format arrows symbols doccheck sizes luacheck format-check asan deps
lint: format-check luacheck arrows symbols doccheck sizes

format-check:
	@clang-format --dry-run -Werror $(C_FILES)
format:
	clang-format -i $(C_FILES)
luacheck:
	@luacheck -q $(LUA_FILES)
arrows:
	@luajit tools/arrows.lua $(C_FILES)
symbols: $(OBJ)
	@luajit tools/symbols.lua $(OBJ)
doccheck:
	@luajit tools/doccheck.lua $(C_FILES) $(LUA_FILES)
sizes:
	@luajit tools/sizes.lua $(C_FILES) $(LUA_FILES)

# The engine under the specs is Debian's, so the sanitizer comes in by LD_PRELOAD: into
# LuaJIT, and into nothing that specs start. Node code runs on stacks of its own: a stack
# that is left is not an error.
ASAN_B   := build/asan
ASAN_SET := ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1

$(ASAN_B)/bin/preload.so: tools/asan_preload.c
	@mkdir -p $(@D)
	$(CC) -O1 -fPIC -shared $< -o $@

$(ASAN_B)/bin/luajit: $(ASAN_B)/bin/preload.so
	@{ echo '#!/bin/sh'; \
	  echo 'export LD_PRELOAD="$(shell gcc -print-file-name=libasan.so) $(abspath $<)"'; \
	  echo 'exec $(shell command -v luajit) "$$@"'; } >$@
	@chmod +x $@

ASAN_MAKE := OPT=-O1 SAN="-fsanitize=address,undefined -fno-sanitize-recover=all"
asan: deps $(ASAN_B)/bin/luajit
	$(REFUSE_BLANKS)
	@$(ASAN_SET) $(MAKE) --no-print-directory -s -j$(JOBS) B=$(ASAN_B) $(ASAN_MAKE) \
	  all spec-modules
	@$(ASAN_SET) ELG_SLOW=5 ELG_MAKE='$(ASAN_MAKE)' PATH="$(abspath $(ASAN_B)/bin):$$PATH" \
	  luajit tools/run_specs.lua $(ASAN_B) $(S)

deps:
	@sh tools/install-deps.sh
