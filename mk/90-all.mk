# The targets that people type: all, run, test, help, clean.

.PHONY: all run test help clean spec-modules
all: $(B)/libelg_all.a

# What specs load and start.
spec-modules: $(SPECMOD) $(SPECSERVERS) $(BIND_MODULES) $(B)/planted/elg/core.so

JOBS ?= $(shell nproc 2>/dev/null || echo 2)

# The main job: examples/atlas over real data, killed in the middle, resumed, verified.
run: deps
	@$(MAKE) --no-print-directory -s -j$(JOBS) all $(BIND_MODULES)
	@luajit tools/main_job.lua $(B)

# Every spec. The last line is "N passed, N failed, N skipped".
test: deps
	$(REFUSE_BLANKS)
	@$(MAKE) --no-print-directory -s -j$(JOBS) all spec-modules
	@luajit tools/run_specs.lua $(B) $(S)

help:
	@echo 'make            build/elg, the compile helper, libelg.a, libelg.so'
	@echo 'make run        the main job: real data, killed, resumed, verified'
	@echo 'make test       every spec; S=spec/unit/json: those alone'
	@echo 'make torture    the specs with 1,000 kills, 20,000 crash images, 2,000 runs over dying workers'
	@echo 'make lint       format, luacheck, who includes whom, sizes, documentation'
	@echo 'make asan       every spec under AddressSanitizer and UBSan'
	@echo 'make bench      figures, beside those of floor programs'
	@echo 'make fuzz       libFuzzer: F=json, graph, program, pattern'
	@echo 'make lua        what busted needs of an elg that is not installed; prints where it is'
	@echo 'make install    PREFIX=/usr/local DESTDIR=; make uninstall'
	@echo 'make deps       Debian packages that are missing (as root), or their names'
	@echo 'make clean      removes build/'

clean:
	rm -rf $(B)
