# The Postgres store: the headers of libpq (which is loaded when needed), and the numbered migrations as C strings:
# gen/postgres_migrations.h.

PQ_INC := $(shell pkg-config --cflags libpq 2>/dev/null || echo -I/usr/include/postgresql)

$(B)/obj/checkpoint/postgres% $(B)/obj/checkpoint/libpq%: CFLAGS += $(PQ_INC)
$(B)/spec/postgres%: CFLAGS += $(PQ_INC)
$(B)/spec/postgres%: LIBS += -lpq

POSTGRES_MIGRATIONS := $(sort $(wildcard sql/postgres/[0-9]*.sql))

$(B)/gen/postgres_migrations.h: $(POSTGRES_MIGRATIONS) mk/39-sql-text.mk mk/41-postgres.mk
	@mkdir -p $(@D)
	$(call sql_text,$(POSTGRES_MIGRATIONS)) >$@.tmp
	mv $@.tmp $@

$(B)/obj/checkpoint/postgres_schema.c.o: $(B)/gen/postgres_migrations.h
$(B)/spec/migrations_c.so: $(B)/gen/sqlite_migrations.h $(B)/gen/postgres_migrations.h

BENCH_POSTGRES := $(B)/spec/process_c.so $(B)/spec/postgres_c.so $(B)/spec/elg/core.so

# The store's figures on Postgres, beside pgbench's on the same server.
.PHONY: bench-postgres
bench-postgres: all $(BENCH_POSTGRES)
	@$(BENCH_ENV) luajit bench/floor_postgres.lua
