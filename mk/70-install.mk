# What a host program links: libelg.a is one object in which only the public names are
# global, libelg.so the same; elg.pc tells pkg-config. `make install` puts them in place.

PREFIX  ?= /usr/local
DESTDIR ?=
VERSION := $(shell sed -n 's/^\#define ELG_VERSION "\(.*\)"/\1/p' src/elg.h)
SONAME  := libelg.so.0

$(B)/obj/libelg.o: $(B)/libelg_all.a
	ld -r --whole-archive $< -o $@.tmp
	objcopy --wildcard --localize-hidden --localize-symbol='elglj_*' $@.tmp $@
	@rm -f $@.tmp

$(B)/libelg.a: $(B)/obj/libelg.o
	@rm -f $@
	ar rcs $@ $<

$(B)/libelg.so: $(B)/obj/libelg.o
	@echo '{ global: elg_*; local: *; };' >$(B)/gen/libelg.map
	$(CC) $(SAN) -shared -Wl,-Bsymbolic -Wl,-soname,$(SONAME) \
	  -Wl,--version-script=$(B)/gen/libelg.map $< -o $@ $(LIBS)

$(B)/elg.pc: mk/70-install.mk src/elg.h
	@{ echo 'prefix=$(PREFIX)'; echo 'libdir=$${prefix}/lib'; \
	  echo 'includedir=$${prefix}/include'; \
	  echo 'compiler=$${prefix}/libexec/elg/elg-compile'; echo; echo 'Name: elg'; \
	  echo 'Description: durable graphs of Lua nodes'; echo 'Version: $(VERSION)'; \
	  echo 'Cflags: -I$${includedir}'; echo 'Libs: -L$${libdir} -Wl,-rpath,$${libdir} -lelg'; \
	  echo 'Libs.private: $(LIBS)'; } >$@

ifneq (,$(filter host,$(FOLDERS)))
all: $(B)/libelg.a $(B)/libelg.so $(B)/elg.pc
endif

ROOT := $(DESTDIR)$(PREFIX)
# For tests under an ordinary LuaJIT: require "elg.testing".
LUA_LIB    := lib/lua/5.1/elg
LUA_SHARE  := share/lua/5.1/elg
LUA_SHARED := json.lua testing.lua testing_answers.lua testing_options.lua
INSTALLED := bin/elg libexec/elg/elg-compile libexec/elg/elg-jail lib/libelg.a lib/libelg.so lib/$(SONAME) \
             lib/libelg.so.$(VERSION) include/elg.h lib/pkgconfig/elg.pc \
             $(LUA_LIB)/core.so $(LUA_LIB)/sys.so $(addprefix $(LUA_SHARE)/,$(LUA_SHARED))

# Hosts made with elg.pc find libelg.so by their run path; others, where the loader looks in
# this folder, by its cache.
LDCONFIG := PATH="$$PATH:/usr/sbin:/sbin"; \
  if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ] && \
    ldconfig -N -X -v 2>/dev/null | grep -q '^$(PREFIX)/lib:'; then \
    ldconfig && echo 'ldconfig: the loader finds $(PREFIX)/lib/$(SONAME)'; fi

.PHONY: install uninstall lua
# elg.core and elg.sys for an ordinary LuaJIT, where nothing is installed.
lua: all $(B)/spec/elg/core.so $(B)/spec/elg/sys.so
	@echo 'LUA_PATH="$(CURDIR)/lua/?.lua;;" LUA_CPATH="$(abspath $(B))/spec/?.so;;"'

install: all $(B)/spec/elg/core.so $(B)/spec/elg/sys.so
	install -d $(addprefix $(ROOT)/,bin libexec/elg lib/pkgconfig include $(LUA_LIB) $(LUA_SHARE))
	install -m 755 $(B)/spec/elg/core.so $(B)/spec/elg/sys.so $(ROOT)/$(LUA_LIB)
	install -m 644 $(addprefix lua/elg/,$(LUA_SHARED)) $(ROOT)/$(LUA_SHARE)
	install -m 755 $(B)/elg $(ROOT)/bin/elg
	install -m 755 $(B)/elg-compile $(ROOT)/libexec/elg/elg-compile
	install -m 755 $(B)/elg-jail $(ROOT)/libexec/elg/elg-jail
	install -m 644 $(B)/libelg.a $(ROOT)/lib/libelg.a
	install -m 755 $(B)/libelg.so $(ROOT)/lib/libelg.so.$(VERSION)
	ln -sf libelg.so.$(VERSION) $(ROOT)/lib/$(SONAME)
	ln -sf $(SONAME) $(ROOT)/lib/libelg.so
	install -m 644 src/elg.h $(ROOT)/include/elg.h
	sed 's,^prefix=.*,prefix=$(PREFIX),' $(B)/elg.pc >$(ROOT)/lib/pkgconfig/elg.pc
	@$(LDCONFIG)

uninstall:
	rm -f $(addprefix $(ROOT)/,$(INSTALLED))
	-rmdir $(ROOT)/libexec/elg $(ROOT)/$(LUA_LIB) $(ROOT)/$(LUA_SHARE) 2>/dev/null
