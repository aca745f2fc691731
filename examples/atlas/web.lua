-- web: gets files of the data server. What may become better by trying again is raised as
-- it is, so that the node's retry policy takes it up; what may not, with retry = false.
local elg = require "elg"

local M = {}

local TIMEOUT_MS = 5000

local function url_of(state, path)
  return state.base .. "/" .. path
end

local function expect_status(response, wanted, path)
  if response.status == wanted then return response end
  error { code = "HTTP_STATUS", retry = response.status >= 500,
    message = ("%s: the server answered %d, not %d"):format(path, response.status, wanted) }
end

-- request(state, path, headers): what ctx.http and ctx.all take.
function M.request(state, path, headers, method)
  return { url = url_of(state, path), method = method, headers = headers,
    timeout_ms = TIMEOUT_MS }
end

-- text(state, ctx, path): a whole file. Large ones arrive as artifacts.
function M.text(state, ctx, path)
  local response, err = ctx.http(M.request(state, path))
  if not response then error(err) end
  expect_status(response, 200, path)
  if not response.artifact then return response.body end
  local stored, problem = ctx.artifact.read(response)
  if not stored then error(problem) end
  return stored.content
end

-- list(state, ctx, name): the records of iso_NAME.json, and the file's text.
function M.list(state, ctx, name)
  local text = M.text(state, ctx, "iso_" .. name .. ".json")
  local records = elg.json.decode(text)[name]
  if not records then
    error { code = "BAD_DATA", retry = false, message = "iso_" .. name .. ".json has no " .. name }
  end
  return records, text
end

-- rules(state, ctx, name): schema-NAME.json, decoded.
function M.rules(state, ctx, name)
  return elg.json.decode(M.text(state, ctx, "schema-" .. name .. ".json"))
end

-- part(state, ctx, path, first, last): the bytes first..last (from 0) of a file.
function M.part(state, ctx, path, first, last)
  local response, err = ctx.http(M.request(state, path,
    { Range = ("bytes=%d-%d"):format(first, last) }))
  if not response then error(err) end
  return expect_status(response, 206, path).body
end

-- many(ctx, requests, wanted): several at once; their responses in order.
function M.many(ctx, requests, wanted)
  local calls, responses = {}, {}
  for i, request in ipairs(requests) do calls[i] = { "http", request } end
  for i, result in ipairs(ctx.all(calls)) do
    if not result.ok then error(result.err) end
    responses[i] = expect_status(result.value, wanted, requests[i].url)
  end
  return responses
end

return M
