import { PosternError } from '../core/errors.ts'

/** Why certificates or keys that somebody handed in are refused. Stable: the management API answers with them. */
export type MaterialFault =
  | 'material-empty'
  | 'material-too-large'
  | 'material-unknown'
  | 'material-html'
  | 'material-format'
  | 'material-truncated'
  | 'material-malformed'
  | 'material-unsupported'
  | 'material-password-missing'
  | 'material-password-wrong'
  | 'material-no-certificate'
  | 'material-no-key'
  | 'material-key-as-certificate'
  | 'material-certificate-as-key'
  | 'material-key-malformed'
  | 'material-key-mismatch'
  | 'material-several-keys'
  | 'material-request'
  | 'material-crl'
  | 'material-public-key'
  | 'material-secret-key'
  | 'material-jceks'
  | 'material-jar'
  | 'material-newline'
  | 'material-expired'

/** Never with the runtime's error as cause, nor a byte of the input: it may be a key (I7). */
export class MaterialError extends PosternError {
  override readonly name = 'MaterialError'
  readonly fault: MaterialFault
  /** The sentence without the label. */
  readonly reason: string

  constructor(fault: MaterialFault, reason: string, label = '') {
    super(fault, label === '' ? reason : `${label}: ${reason}`, {
      party: 'client',
      evidence: { fault, ...(label === '' ? {} : { label }) },
    })
    this.fault = fault
    this.reason = reason
  }
}
