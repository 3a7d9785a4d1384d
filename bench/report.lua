-- SPDX-License-Identifier: Apache-2.0
-- For wrk: one line of JSON instead of its report; latencies in microseconds.
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"rps": %.1f, "requests": %d, "p50": %d, "p99": %d, "p999": %d, "failed": %d}\n',
    summary.requests / (summary.duration / 1e6), summary.requests, latency:percentile(50), latency:percentile(99),
    latency:percentile(99.9), e.connect + e.read + e.write + e.status + e.timeout))
end
