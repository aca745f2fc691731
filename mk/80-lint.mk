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

# The engine under the specs is Debian's, so the sanitizer comes in by LD_PRELOAD. Node
# code runs on stacks of its own: a stack that is left is not an error.
ASAN_B   := build/asan
ASAN_SO  := $(shell gcc -print-file-name=libasan.so)
ASAN_SET := detect_leaks=0:detect_stack_use_after_return=0:abort_on_error=1
asan: deps
	@ASAN_OPTIONS=$(ASAN_SET) $(MAKE) --no-print-directory -s -j$(JOBS) B=$(ASAN_B) OPT=-O1 \
	  SAN="-fsanitize=address,undefined -fno-sanitize-recover=all" all spec-modules
	@LD_PRELOAD="$(ASAN_SO)" ASAN_OPTIONS=$(ASAN_SET) luajit tools/run_specs.lua $(ASAN_B) $(S)

deps:
	@sh tools/install-deps.sh
