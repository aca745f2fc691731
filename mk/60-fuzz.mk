# Fuzzing with libFuzzer (apt-get install clang libclang-rt-14-dev): spec/fuzz/NAME_fuzz.c.
#
#   make fuzz F=json FUZZ_SECONDS=60
# A crash leaves its input in $(B)/fuzz; run the binary with it as argument to see it again.

F            ?= json
FUZZ_SECONDS ?= 30
FUZZ_SRC     := $(wildcard src/base/*.c src/json/*.c)
FUZZ_FLAGS   := -O1 -g -D_GNU_SOURCE -Isrc -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all

$(B)/fuzz/%: spec/fuzz/%_fuzz.c $(FUZZ_SRC) src/json/dtoa.cc
	@mkdir -p $(@D)
	clang++ -std=c++17 $(FUZZ_FLAGS) -c src/json/dtoa.cc -o $@.dtoa.o
	clang -std=gnu11 $(FUZZ_FLAGS) $< $(FUZZ_SRC) $@.dtoa.o -o $@ -ldouble-conversion -lcrypto \
	  -lstdc++ -lm

.PHONY: fuzz
fuzz: $(B)/fuzz/$(F)
	@mkdir -p $(B)/fuzz/$(F)-corpus
	cd $(B)/fuzz && ./$(F) -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -print_final_stats=1 \
	  $(F)-corpus
