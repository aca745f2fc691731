# `make bench`: every figure, with the floor programs beside them in one run: bench/run.lua.

.PHONY: bench
bench: all $(B)/bench/floor_sqlite $(B)/bench/sandbox $(B)/spec/process_c.so \
       $(B)/spec/elg/core.so
	LUA_CPATH="$(B)/spec/?.so;;" LUA_PATH="lua/?.lua;spec/support/?.lua;;" ELG_BUILD=$(B) \
	  luajit bench/run.lua
