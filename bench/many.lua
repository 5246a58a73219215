-- Has wrk ask for many objects: PREFIX/0 to PREFIX/(COUNT-1), in random order (`random`), or each once, in an order that
-- strides over them (`once`) until REQUESTS were answered. Prints what it saw as one line of JSON.
-- Arguments behind wrk's `--`: PREFIX COUNT random|once SEED REQUESTS

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } bench_time;
  int clock_gettime(int clock, bench_time *time);
  int getpid(void);
  int kill(int process, int signal);
]]
local MONOTONIC, INTERRUPT = 1, 2
local threads = {}

local function now_us()
  local time = ffi.new("bench_time")
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.seconds) * 1000000 + tonumber(time.nanoseconds) / 1000
end

local function greatest_common_divisor(a, b)
  return b == 0 and a or greatest_common_divisor(b, a % b)
end

-- As far from each other as the golden section has them, and each of them met once.
local function stride(count)
  local step = math.max(1, math.floor(count * 0.618))
  while greatest_common_divisor(count, step) ~= 1 do step = step + 1 end
  return step
end

function setup(thread)
  table.insert(threads, thread)
end

function init(arguments)
  local prefix, count, seed = arguments[1], tonumber(arguments[2]), tonumber(arguments[4])
  local function ask(number)
    return wrk.format("GET", prefix .. "/" .. number)
  end
  math.randomseed(seed)
  for _ = 1, 10 do math.random() end
  if arguments[3] == "random" then
    request = function() return ask(math.random(0, count - 1)) end
    return
  end
  local wanted, answered, at, step = tonumber(arguments[5]), 0, seed % count, stride(count)
  request = function()
    began_us = began_us or now_us()
    at = (at + step) % count
    return ask(at)
  end
  response = function()
    answered = answered + 1
    if answered == wanted then
      took_us = now_us() - began_us
      ffi.C.kill(ffi.C.getpid(), INTERRUPT) -- wrk would sleep on until its time is over
      wrk.thread:stop()
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  local took = threads[1]:get("took_us") or summary.duration
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "errors": %d, "bad_status": %d, "p50_us": %d, "p99_us": %d}',
    summary.requests, took / 1e6, summary.bytes, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, latency:percentile(50), latency:percentile(99)))
end
