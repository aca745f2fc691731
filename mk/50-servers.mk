# Servers that specs start: spec/servers. They use nothing of ours.

$(B)/spec/ledger: spec/servers/ledger.c spec/servers/answer.c spec/servers/raw.c \
                spec/servers/ledger.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(OPT) -g -D_GNU_SOURCE $(WARN) $(filter %.c,$^) -o $@ \
	  -lmicrohttpd -lcrypto -lpthread

SPECSERVERS := $(B)/spec/ledger
spec: $(SPECSERVERS)

# What specs put between elg and the C library: spec/preload.
$(B)/spec/interpose.so: spec/preload/interpose.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(OPT) -g -D_GNU_SOURCE $(filter-out -Wmissing-prototypes,$(WARN)) -fPIC -shared $< -o $@ -ldl

SPECSERVERS += $(B)/spec/interpose.so
