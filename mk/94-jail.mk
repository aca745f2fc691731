# An elg-jail that somebody has taken over: what spec/servers/jail_planted.c does, by the name
# of the node (spec/fault/jail). And a program that starts another without some system calls.

JAIL_PLANTED := $(B)/planted/jail_main.o $(B)/planted/jail_channel.o $(B)/planted/jail_planted.o

$(B)/planted/jail_main.c: src/jailed/main.c mk/94-jail.mk
	@mkdir -p $(@D)
	sed -e 's/^    struct elg_outcome outcome;$$/&\n    planted_attack(\&server->jobs.now.job, \&server->channel);/' \
	  -e 's/^    write_outcome(out, &outcome);$$/    planted_outcome(\&outcome);\n&/' $< >$@
	@test $$(grep -c planted_ $@) = 2 || { echo "$<: see mk/94-jail.mk"; rm $@; exit 1; }

$(B)/planted/jail_channel.c: src/jailed/channel.c mk/94-jail.mk
	@mkdir -p $(@D)
	sed -e 's/^    write_all(elg_base_buf_bytes(out));$$/    planted_bytes(out);\n&/' $< >$@
	@test $$(grep -c planted_ $@) = 1 || { echo "$<: see mk/94-jail.mk"; rm $@; exit 1; }

$(B)/planted/jail_planted.o: spec/servers/jail_planted.c
	$(CC) $(CFLAGS) -I. -MMD -c $< -o $@

$(B)/planted/jail_%.o: $(B)/planted/jail_%.c
	$(CC) $(CFLAGS) -I. -include spec/servers/jail_planted.h -MMD -c $< -o $@

$(B)/planted/elg-jail: $(JAIL_PLANTED) \
  $(filter-out $(B)/obj/jailed/main.c.o $(B)/obj/jailed/channel.c.o,$(JAILED_OBJ))
	$(CC) $(SAN) -Wl,--gc-sections $^ -o $@ $(JAILED_LINK)

$(B)/spec/without: spec/servers/without.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(OPT) -g -D_GNU_SOURCE $(WARN) $< -o $@

ifneq (,$(filter host,$(FOLDERS)))
spec spec-modules: $(B)/planted/elg-jail $(B)/spec/without
endif
