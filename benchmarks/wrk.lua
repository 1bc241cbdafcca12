-- Sends the requests of a corpus, each once, and counts what was answered; one line of JSON in the end.
-- wrk -t1 -c64 -d2s --latency -s wrk.lua http://127.0.0.1:8000 -- requests.corpus

local requests, size, sent = {}, 0, 0
statuses, outcomes = {}, {}
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  while true do
    local head = file:read(4)
    if not head then break end
    local a, b, c, d = head:byte(1, 4)
    size = size + 1
    requests[size] = file:read(a + b * 256 + c * 65536 + d * 16777216)
  end
  file:close()
end

function request()
  if sent == size then
    wrk.thread:stop()
    return requests[size]
  end
  sent = sent + 1
  return requests[sent]
end

function response(status, headers, body)
  statuses[status] = (statuses[status] or 0) + 1
  local outcome = body:match('"outcome":"(%a+)"')
  if outcome then outcomes[outcome] = (outcomes[outcome] or 0) + 1 end
end

local function json(counts)
  local parts = {}
  for key, count in pairs(counts) do table.insert(parts, string.format('"%s": %d', key, count)) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function done(summary, latency, _)
  local thread = threads[1]
  local errors = summary.errors
  io.write(string.format(
    '\n{"seconds": %.6f, "statuses": %s, "outcomes": %s, "failures": %d, "p50_ms": %.3f, "p99_ms": %.3f}\n',
    summary.duration / 1e6, json(thread:get("statuses")), json(thread:get("outcomes")),
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
