# A library whose math.random knows where the arena lies: what a second execution must find
# (spec/fault/hostile/audit_spec.lua).

$(B)/address/chance.c: src/sandbox/chance.c
	@mkdir -p $(@D)
	sed 's/^    add_number(box->sha, salt);$$/    add_number(box->sha, salt + (uintptr_t)box->arena.heap);/' \
	  $< >$@
	@! cmp -s $< $@ || { echo "$<: nothing to change: see mk/93-audit.mk"; rm $@; exit 1; }

$(B)/address/chance.o: $(B)/address/chance.c
	$(CC) $(CFLAGS) $(LJ_INC) -include $(B)/gen/luajit_names.h -MMD -c $< -o $@

$(B)/address/elg/core.so: $(B)/address/chance.o $(MODBIND_OBJ) $(B)/libelg_all.a
	@mkdir -p $(@D)
	$(CC) $(SAN) -shared -Wl,-Bsymbolic $^ -o $@ $(LIBS)

ifneq (,$(filter host,$(FOLDERS)))
spec spec-modules: $(B)/address/elg/core.so
endif
