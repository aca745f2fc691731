# Fuzzing with libFuzzer (apt-get install clang libclang-rt-14-dev): spec/fuzz/NAME_fuzz.c.
#
#   make fuzz F=json FUZZ_SECONDS=60        json, graph, program, pattern
# Prints executions and coverage. A crash leaves its input in $(B)/fuzz; run the binary with it
# as argument to see it again. spec/fuzz/seeds/NAME is where it begins.

F            ?= json
FUZZ_SECONDS ?= 30
FUZZ_FLAGS   := -O1 -g -D_GNU_SOURCE -Isrc -I$(B)/gen -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all
FUZZ_BASE    := $(wildcard src/base/*.c src/json/*.c)
FUZZ_LIBS    := -ldouble-conversion -lcrypto -lstdc++ -lm -lpthread -ldl

# What each target is made of, besides base and json.
FUZZ_SRC_json    :=
FUZZ_SRC_graph   := $(wildcard src/graph/*.c)
FUZZ_SRC_pattern := src/sandbox/pattern.c src/sandbox/string_lib.c
FUZZ_SRC_program := $(wildcard src/graph/*.c src/sandbox/*.c src/sandbox/*.S)
# pattern: Debian's LuaJIT, which is what it is compared with; program: ours. Its fibers are
# AddressSanitizer's business, their frames not (see 30-sandbox.mk).
FUZZ_USE_pattern := $(LJ_INC) $(LJ_A)
FUZZ_USE_program := $(LJ_INC) -include $(B)/gen/luajit_names.h -D__SANITIZE_ADDRESS__=1 \
                    -mllvm -asan-stack=0 $(B)/obj/luajit.o $(B)/obj/mathematics.o
FUZZ_LEN_json    := 4096
FUZZ_LEN_graph   := 4096
FUZZ_LEN_pattern := 263
FUZZ_LEN_program := 2000

$(B)/fuzz/%: spec/fuzz/%_fuzz.c $(FUZZ_BASE) $(FUZZ_SRC_graph) $(FUZZ_SRC_program) src/json/dtoa.cc \
             $(B)/libelg_all.a $(B)/gen/prelude.h
	@mkdir -p $(@D)
	clang++ -std=c++17 $(FUZZ_FLAGS) -c src/json/dtoa.cc -o $@.dtoa.o
	clang -std=gnu11 $(FUZZ_FLAGS) $< $(FUZZ_BASE) $(FUZZ_SRC_$*) $(FUZZ_USE_$*) $@.dtoa.o -o $@ \
	  $(FUZZ_LIBS)

.PHONY: fuzz
fuzz: $(B)/fuzz/$(F) $(B)/elg-compile
	@mkdir -p $(B)/fuzz/$(F)-corpus
	cd $(B)/fuzz && ELG_COMPILE=$(abspath $(B)/elg-compile) ./$(F) -max_total_time=$(FUZZ_SECONDS) \
	  -max_len=$(FUZZ_LEN_$(F)) -print_final_stats=1 $(F)-corpus \
	  $(wildcard $(abspath spec/fuzz/seeds/$(F)))
