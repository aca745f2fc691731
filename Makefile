# elg. `make` builds, `make run` does the main job, `make test` runs every spec; both install
# what is missing on Debian 12 when run as root. `make help` lists the rest.

B       ?= build
CC      := gcc
FOLDERS ?= base json graph sandbox jail executor activity checkpoint host
PKGS    := sqlite3 libcurl libcrypto
LJ_INC  := $(shell pkg-config --cflags luajit 2>/dev/null || echo -I/usr/include/luajit-2.1)

OPT     ?= -O2
SAN     ?=
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes \
           -Wvla -Werror
CFLAGS  := -std=gnu11 $(OPT) -g -fPIC -fvisibility=hidden -fno-omit-frame-pointer \
           -D_GNU_SOURCE $(WARN) $(SAN) -Isrc -I$(B)/gen
LIBS    := -lsqlite3 -lcrypto -ldouble-conversion -lstdc++ -lpthread -lm -ldl
# What programs use a little of is in them: loading these three takes 2 ms of a start.
INSIDE  := -Wl,-Bstatic -ldouble-conversion -lcrypto -lstdc++ -Wl,-Bdynamic -static-libgcc

SRC     := $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.c src/$(f)/*.S))
CXXSRC  := $(foreach f,$(FOLDERS),$(wildcard src/$(f)/*.cc))
OBJ     := $(patsubst src/%,$(B)/obj/%.o,$(SRC) $(CXXSRC))

include $(sort $(wildcard mk/*.mk))
-include $(shell find $(B) -name '*.d' 2>/dev/null)

.DEFAULT_GOAL := all
