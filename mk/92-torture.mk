# `make torture`: the long form of the specs of spec/fault: 1,000 kills and whatever takes
# longer than a test may. And a library with a planted fault, which a spec must catch.

# Effects that start before their commit (I5): the wait is taken out of the host.
$(B)/planted/calls.c: src/host/calls.c
	@mkdir -p $(@D)
	sed 's/^    else if (!hr->in_flight)$$/    if (!hr->lost)/' $< >$@
	@! cmp -s $< $@ || { echo "$<: nothing to take out: see mk/92-torture.mk"; rm $@; exit 1; }

$(B)/planted/calls.o: $(B)/planted/calls.c
	$(CC) $(CFLAGS) -MMD -c $< -o $@

$(B)/planted/elg/core.so: $(B)/planted/calls.o $(MODBIND_OBJ) $(B)/libelg_all.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -shared -Wl,-Bsymbolic $^ -o $@ $(LIBS)

ifneq (,$(filter host,$(FOLDERS)))
spec: $(B)/planted/elg/core.so
endif

.PHONY: torture
torture: deps
	$(REFUSE_BLANKS)
	@$(MAKE) --no-print-directory -s -j$(JOBS) all spec-modules
	@ELG_TORTURE=1 ELG_KILLS=1000 ELG_FAMILY_KILLS=400 ELG_GC_KILLS=60 ELG_POWER_IMAGES=20000 ELG_GRAPHS=400 ELG_ENDINGS=150 ELG_FILE_SECONDS=3600 \
	  luajit tools/run_specs.lua $(B) spec/fault
	@ELG_WAITING_RUNS=10000 luajit tools/run_specs.lua $(B) spec/integration/waiting_spec.lua
