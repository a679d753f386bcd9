import { openObserver } from '../../src/observer/handle.ts'
import { alike, requestSample, rollupMessage, untrusted } from '../monitor/support.ts'
import { planOf } from './kill-plan.ts'

/** Counts until it is killed: every 100 ms some requests, and says how many those are by now and when. */
const [file = '', life = ''] = process.argv.slice(2)
const observer = openObserver({ warn: (code, message) => process.stderr.write(`${code} ${message}\n`) })
observer.configure(planOf(file))
let told = 0
setInterval(() => {
  const at = Date.now()
  const sample = requestSample({ id: `${life}-${told}`, at: at - 1, totalMs: 1 })
  observer.rollup(rollupMessage(at, [alike(3), { ...alike(1, untrusted), samples: [sample] }]))
  told += 4
  process.stdout.write(`${JSON.stringify({ at, told, id: sample.id })}\n`)
}, 100)
