# The numbered migrations become an array of C strings: gen/sqlite_migrations.h.

SQLITE_MIGRATIONS := $(sort $(wildcard sql/sqlite/[0-9]*.sql))

$(B)/gen/sqlite_migrations.h: $(SQLITE_MIGRATIONS) mk/40-sql.mk
	@mkdir -p $(@D)
	awk 'FNR == 1 { if (NR > 1) print "    ,"; print "    /* " FILENAME " */" } \
	     { sub(/ *--.*/, ""); if ($$0 == "") next; gsub(/\\/, "\\\\"); gsub(/"/, "\\\""); \
	       print "    \"" $$0 "\\n\"" }' $(SQLITE_MIGRATIONS) >$@.tmp
	mv $@.tmp $@

$(B)/obj/checkpoint/sqlite_schema.c.o: $(B)/gen/sqlite_migrations.h
