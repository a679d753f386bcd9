import type { BackendRecord } from '../observe/events.ts'

/** The backend's part of the access record; one for all requests of an exchange. */
export class BackendPart implements BackendRecord {
  target = ''
  address = ''
  url = ''
  status = 0
  protocol = ''
  totalMs = 0
  firstByteMs = -1
  reused = false
  snapshot = ''

  /** Another request begins. */
  reset(): void {
    this.address = ''
    this.status = 0
    this.protocol = ''
    this.firstByteMs = -1
    this.reused = false
    this.snapshot = ''
  }
}
