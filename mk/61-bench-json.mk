# make bench-json: what a step pays for JSON (bench/json_bench.c).

$(B)/json_bench: bench/json_bench.c $(B)/libelg_all.a
	$(CC) $(CFLAGS) $^ -o $@ $(LIBS)

.PHONY: bench-json
bench-json: $(B)/json_bench
	$(B)/json_bench
