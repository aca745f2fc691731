-- objects: classes by metatables: methods, inheritance, operators.
local Shape = {}
Shape.__index = Shape
function Shape.new(class, fields) return setmetatable(fields, class) end
function Shape.area() return 0 end
function Shape:describe() return self.name .. ":" .. math.floor(self:area()) end

local Rect = setmetatable({}, { __index = Shape })
Rect.__index = Rect
function Rect:area() return self.w * self.h end

local Vector = {}
Vector.__index = Vector
local function vector(x, y) return setmetatable({ x = x, y = y }, Vector) end
function Vector.__add(a, b) return vector(a.x + b.x, a.y + b.y) end
function Vector.__eq(a, b) return a.x == b.x and a.y == b.y end
function Vector:length2() return self.x * self.x + self.y * self.y end

return function(n)
  local total, position = 0, vector(0, 0)
  for i = 1, n / 4 do
    local shape = Rect.new(i % 2 == 0 and Rect or Shape, { name = "s", w = i % 10, h = 3 })
    total = total + #shape:describe() + shape:area()
    position = position + vector(i % 3 - 1, 1)
    if position == vector(0, i) then total = total + 1 end
    total = total + position:length2() % 7
  end
  return total
end
