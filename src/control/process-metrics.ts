import { readdirSync, readFileSync } from 'node:fs'
import type { MetricFamily, MetricSample } from '../observe/exposition.ts'

/** Of the whole process, by the names that Prometheus' client libraries have for them. */
export function processMetrics(): readonly MetricFamily[] {
  const { user, system } = process.cpuUsage()
  return [
    {
      name: 'process_cpu_seconds_total',
      help: 'User and system CPU time of all threads.',
      type: 'counter',
      samples: single((user + system) / 1e6),
    },
    {
      name: 'process_resident_memory_bytes',
      help: 'Resident memory.',
      type: 'gauge',
      samples: single(process.memoryUsage.rss()),
    },
    {
      name: 'process_start_time_seconds',
      help: 'Start of the process, in seconds since the epoch.',
      type: 'gauge',
      samples: single(performance.timeOrigin / 1000),
    },
    {
      name: 'process_open_fds',
      help: 'Open file descriptors, sockets among them.',
      type: 'gauge',
      samples: single(openFiles()),
    },
    {
      name: 'process_max_fds',
      help: 'Most file descriptors that may be open.',
      type: 'gauge',
      samples: single(maxFiles()),
    },
  ]
}

function single(value: number | null): readonly MetricSample[] {
  return value === null ? [] : [{ labels: {}, value }]
}

/** null: not Linux. */
function openFiles(): number | null {
  try {
    return readdirSync('/proc/self/fd').length - 1 // the one it is read by
  } catch {
    return null
  }
}

function maxFiles(): number | null {
  try {
    const soft = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}
