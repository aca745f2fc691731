.PHONY: all clean
all: $(B)/libelg_all.a
clean:
	rm -rf $(B)
