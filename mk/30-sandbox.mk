# The sandbox's engine: musl's mathematics under names of its own (one implementation for
# every C library, PIC objects of musl-dev), the engine's hash, the prelude, and the
# compile helper.

MUSL_A := $(firstword $(wildcard /usr/lib/*-linux-musl/libc.a))
LJ_MATH := $(filter-out syscall,$(LJ_REDIRECT))

$(B)/obj/mathematics.o: $(MUSL_A) mk/30-sandbox.mk mk/10-lib.mk
	@mkdir -p $(@D)
	ld -r $(foreach f,$(LJ_MATH),-u $f) $(MUSL_A) -o $@.tmp
	@for f in $(LJ_MATH); do echo "$$f elglj_$$f"; done | \
	  sed 's/ elglj_fmod$$/ elglj_musl_fmod/' >$(B)/obj/mathematics.syms
	objcopy --redefine-syms=$(B)/obj/mathematics.syms $@.tmp $@
	objcopy $(foreach f,$(LJ_MATH) musl_fmod,--keep-global-symbol=elglj_$f) $@
	@rm -f $@.tmp

$(B)/gen/engine_hash.h: $(LJ_A) $(MUSL_A)
	@mkdir -p $(@D)
	@echo "#define ELG_ENGINE_HASH \"$$(cat $^ | sha256sum | cut -c1-12)\"" >$@

# As bytecode: parsing it where graphs are loaded would leave holes in every image.
$(B)/gen/prelude.h: lua/elg/sandbox/prelude.lua $(B)/elg-compile
	@mkdir -p $(@D)
	$(B)/elg-compile $< >$@.tmp
	@(echo 'static const unsigned char PRELUDE[] = {'; od -An -v -tu1 $@.tmp | \
	  sed 's/ *\([0-9][0-9]*\)/\1,/g'; echo '};') >$@
	@rm -f $@.tmp

$(B)/obj/sandbox/engine.c.o: $(B)/gen/engine_hash.h
$(B)/obj/sandbox/library.c.o: $(B)/gen/prelude.h

$(B)/obj/compile/%.o: LUA_FLAGS = $(LJ_INC) -include $(B)/gen/luajit_names.h
ifneq ($(filter sandbox,$(FOLDERS)),)
$(B)/libelg_all.a: $(B)/obj/mathematics.o
endif

# Node code's frames are ended without being returned from, and copied away whole, which
# AddressSanitizer's bookkeeping of stack variables does not know. What it calls on its own
# stack is in these folders; bind's functions are left by Lua errors.
ifneq ($(findstring address,$(SAN)),)
$(B)/obj/sandbox/%.o $(B)/obj/json/%.o $(B)/obj/base/%.o $(B)/obj/bind/%.o: \
  LUA_FLAGS += --param asan-stack=0
endif

$(B)/elg-compile: $(B)/obj/compile/main.c.o $(B)/obj/jailed/confine.c.o \
                  $(B)/obj/sandbox/engine.c.o $(B)/obj/sandbox/switch.S.o $(B)/obj/luajit.o \
                  $(B)/obj/mathematics.o
	$(CC) $(SAN) $^ -o $@ -static-libgcc -lm -ldl

.PHONY: compile-helper
compile-helper: $(B)/elg-compile
all: compile-helper

# What a step costs: bench/sandbox.c.
$(B)/bench/sandbox: bench/sandbox.c $(B)/libelg_all.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LJ_INC) -include $(B)/gen/luajit_names.h $< $(B)/libelg_all.a -o $@ $(LIBS)

.PHONY: bench-sandbox
bench-sandbox: $(B)/bench/sandbox $(B)/elg-compile
	$(B)/bench/sandbox $(B)/elg-compile
