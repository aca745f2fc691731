# `make bench`: every figure, with the floor programs beside them in one run: bench/run.lua,
# and bench/floor_postgres.lua for the store on Postgres.

BENCH_ENV = LUA_CPATH="$(B)/spec/?.so;;" LUA_PATH="lua/?.lua;bench/?.lua;spec/support/?.lua;;" ELG_BUILD=$(B)

.PHONY: bench
bench: all $(B)/bench/floor_sqlite $(B)/bench/sandbox $(B)/spec/process_c.so \
       $(B)/spec/sandbox_c.so $(B)/spec/elg/core.so $(BENCH_POSTGRES)
	@$(BENCH_ENV) luajit -joff bench/run.lua; missed=$$?; \
	  $(BENCH_ENV) luajit bench/floor_postgres.lua || missed=$$?; \
	  $(BENCH_ENV) luajit bench/latency.lua && exit $$missed
