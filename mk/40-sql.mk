# The numbered migrations become an array of C strings: gen/sqlite_migrations.h.

SQLITE_MIGRATIONS := $(sort $(wildcard sql/sqlite/[0-9]*.sql))

$(B)/gen/sqlite_migrations.h: $(SQLITE_MIGRATIONS) mk/39-sql-text.mk mk/40-sql.mk
	@mkdir -p $(@D)
	$(call sql_text,$(SQLITE_MIGRATIONS)) >$@.tmp
	mv $@.tmp $@

$(B)/obj/checkpoint/sqlite_schema.c.o: $(B)/gen/sqlite_migrations.h

# What the store is compared with, and the store alone.
$(B)/bench/floor_sqlite: bench/floor_sqlite.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< -o $@ -lsqlite3

$(B)/bench/store_commit: bench/store_commit.c $(B)/libelg_all.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $< $(B)/libelg_all.a -o $@ $(LIBS)
