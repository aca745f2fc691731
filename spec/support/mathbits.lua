-- mathbits: the hash of 32,000 results of the sandbox's mathematics (spec/unit/sandbox/
-- library_spec.lua), as they must be on every machine of this kind of processor.
return "8040affb0e686f43739fac0f9a4aa822ddd804f770dde7f336164b09432346e6"
