local g = {} for i = 1, 3 do g["n" .. i] = function() error({ code = i }) end end
setmetatable(g, { __index = function(_, k) return k end })
return require("elg").graph { id = ("x"):rep(3), version = tostring(g):sub(1, 2), entry = "n1", nodes = g, edges = {} }
