# How numbered migrations become an array of C strings, the very bytes of the files: $(call sql_text,FILES) writes them
# to standard output. "?" is escaped because C11 knows trigraphs.

sql_text = awk 'FNR == 1 { if (NR > 1) print "    ,"; print "    /* " FILENAME " */" } \
	{ gsub(/[\\"?]/, "\\\\&"); print "    \"" $$0 "\\n\"" }' $(1)
