import { spawnSync } from 'node:child_process'

/** Whether the cross-checks against another implementation can run here. */
export const hasOpenssl = spawnSync('openssl', ['version']).status === 0
