# The library's objects, and LuaJIT's.
#
# LuaJIT is linked from a copy of Debian's static library in which every public symbol is
# renamed (lua_* -> elglj_lua_*), so that a host with a Lua of its own can link libelg, and in
# which the symbols that would make two processes differ (getrandom's syscall for the hash
# seed, the C library's mathematics) point to ours: sandbox/engine.c. Debian built it for
# executables; two more steps make it fit for libelg.so: the standard streams are reached
# through tools/luajit_streams.c, its one thread-local variable is placed by
# tools/engine_edit.c.
# The interpreter's own call when its instruction count is spent goes to sandbox/fuel.c: the
# engine's way to a hook would grow the Lua stack, which node code could tell. Its calls for
# work that grows with strings go to sandbox/counted.c, which charges for it; so do raised
# errors and fmod. Reading numbers from text, which the engine does in many places, begins
# with a jump there, and so does string.byte of several bytes. Instructions that hand on as
# many values as there are go through sandbox/many.S, which sandbox/fuel.c puts into the
# engine's table; that the table and these instructions are where it looks is checked here.
#
# Keys that are objects are hashed by their address: lo ^ hi and so on, over its two halves
# and the type's tag. The engine's one place (hashkey) is changed so that hi is the tag
# alone: a shift by 47 bits, not by 32. Arenas lie at multiples of 4 GiB, so that lo is the
# place within the arena, and the same in every one (I1).

LJ_A := $(shell gcc -print-file-name=libluajit-5.1.a)
LJ_COUNTED := dispatch_ins meta_cat meta_comp meta_tget meta_tset str_new buf_putstr_reverse \
              buf_putstr_lower buf_putstr_upper
LJ_REDIRECT := syscall pow sin cos tan asin acos atan atan2 sinh cosh tanh exp log log10 log2 fmod
# push r15; mov esi, esi; push r14: switch.S has them again
LJ_SCAN_BEGIN := 415789f64156
# push r15; mov esi, 1
LJ_BYTE_BEGIN := 4157be01000000
# dec [r14 - 0xe38], the count; jmp [r14 + rbp * 8 + 0x4d0], the table of instructions
LJ_COUNT := 41ff8ec8f1ffff
LJ_TABLE := 41ffa4eed0040000
# mov rax, rdx; shr 32, rdx; mov edx, esi; xor edx, eax; ror 13, edx; rol 14, esi
LJ_HASH_FROM := 4889c248c1ea2089d631d0c1ca0dc1c60e
LJ_HASH_TO   := 4889c248c1ea2f89d631d0c1ca0dc1c60e

$(B)/gen/luajit.syms: $(LJ_A) mk/10-lib.mk
	@mkdir -p $(@D)
	nm $(LJ_A) 2>/dev/null | awk '$$2=="T" && $$3 ~ /^lua/ {print $$3, "elglj_"$$3}' | sort -u >$@
	@for s in $(LJ_REDIRECT) _Unwind_RaiseException stdin stdout stderr; do echo "$$s elglj_$$s"; done >>$@

$(B)/gen/luajit_names.h: $(B)/gen/luajit.syms
	awk '/^lua/ {print "#define", $$1, $$2}' $< >$@

$(B)/obj/luajit_streams.o: tools/luajit_streams.c
	@mkdir -p $(@D)
	$(CC) -O2 -fPIC -c $< -o $@

$(B)/gen/engine_edit: tools/engine_edit.c
	@mkdir -p $(@D)
	$(CC) -O1 -D_GNU_SOURCE $(WARN) $< -o $@

$(B)/obj/luajit.o: $(LJ_A) $(B)/gen/luajit.syms $(B)/gen/engine_edit $(B)/obj/luajit_streams.o mk/10-lib.mk
	@mkdir -p $(@D)
	@rm -rf $@.parts && mkdir -p $@.parts && cd $@.parts && ar x $(LJ_A)
	@for o in $@.parts/*.o; do case $$o in \
	  */lj_vm.o) objcopy $(foreach f,$(LJ_COUNTED),--redefine-sym lj_$f=elglj_$f) $$o && \
	    $(B)/gen/engine_edit $$o replace lj_vm_inshook $(LJ_COUNT) $(LJ_COUNT) && \
	    $(B)/gen/engine_edit $$o replace lj_vm_inshook $(LJ_TABLE) $(LJ_TABLE);; \
	  *) objcopy $(foreach f,$(LJ_COUNTED),--redefine-sym lj_$f=elglj_engine_$f) $$o && \
	    at=$$(nm $$o | awk '$$3 == "lj_strscan_scan" {print "0x" $$1}') && \
	    byte=$$(nm $$o | awk '$$3 == "lj_ffh_string_byte" {print "0x" $$1}') && \
	    objcopy --add-symbol elglj_strscan_scan=.text:0,global,function \
	      --add-symbol elglj_strscan_rest=.text:$$(($$at + 6)),global,function \
	      --add-symbol elglj_string_byte=.text:0,global,function \
	      --add-symbol elglj_string_byte_rest=.text:$$(($$byte + 7)),global,function $$o && \
	    $(B)/gen/engine_edit $$o undefine elglj_string_byte && \
	    $(B)/gen/engine_edit $$o detour lj_ffh_string_byte $(LJ_BYTE_BEGIN) elglj_string_byte && \
	    $(B)/gen/engine_edit $$o undefine elglj_strscan_scan && \
	    $(B)/gen/engine_edit $$o detour lj_strscan_scan $(LJ_SCAN_BEGIN) elglj_strscan_scan && \
	    $(B)/gen/engine_edit $$o replace hashkey.isra.0 $(LJ_HASH_FROM) $(LJ_HASH_TO);; \
	  esac || exit 1; done
	ld -r $@.parts/*.o -o $@.tmp
	objcopy --redefine-syms=$(B)/gen/luajit.syms $@.tmp
	ld -r $@.tmp $(B)/obj/luajit_streams.o -o $@
	$(B)/gen/engine_edit $@ untls static_uex
	nm $@ | awk '$$2 ~ /[TDBR]/ && $$3 !~ /^elglj_/ {print $$3}' >$(B)/gen/luajit.local
	objcopy --localize-symbols=$(B)/gen/luajit.local $@
	@rm -rf $@.tmp $@.parts

# Only these see Lua's headers, with the renamed engine's names.
$(B)/obj/sandbox/%.o $(B)/obj/bind/%.o: LUA_FLAGS = $(LJ_INC) -include $(B)/gen/luajit_names.h

$(B)/obj/%.c.o: src/%.c | $(B)/gen/luajit_names.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LUA_FLAGS) -MMD -c $< -o $@

$(B)/obj/%.S.o: src/%.S
	@mkdir -p $(@D)
	$(CC) -g -fPIC -c $< -o $@

$(B)/obj/%.cc.o: src/%.cc
	@mkdir -p $(@D)
	g++ -std=c++17 $(OPT) -g -fPIC -fvisibility=hidden $(SAN) -Isrc -MMD -c $< -o $@

$(B)/libelg_all.a: $(OBJ) $(if $(filter sandbox,$(FOLDERS)),$(B)/obj/luajit.o)
	@rm -f $@
	ar rcs $@ $^
