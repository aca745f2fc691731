# elg-jail: the sandbox in a process of its own, without the host's end of the compile helper:
# jailed/ask.c stands there.

JAILED_SRC := $(wildcard src/jailed/*.c) src/jail/wire.c \
              $(filter-out src/base/spawn.c,$(wildcard src/base/*.c)) $(wildcard src/json/*.c) \
              $(filter-out src/sandbox/compiler.c,$(wildcard src/sandbox/*.c src/sandbox/*.S))
JAILED_OBJ := $(patsubst src/%,$(B)/obj/%.o,$(JAILED_SRC) $(wildcard src/json/*.cc)) \
              $(B)/obj/luajit.o $(B)/obj/mathematics.o

JAILED_LINK := $(INSIDE) -lpthread -lm -ldl

$(B)/elg-jail: $(JAILED_OBJ)
	$(CC) $(SAN) -Wl,-z,now -Wl,--gc-sections $^ -o $@ $(JAILED_LINK)

ifneq (,$(filter host,$(FOLDERS)))
all: $(B)/elg-jail
endif
