import type { LogFormat } from '../proxy/plan.ts'
import type { AccessFormatter, EventFormatter, LogContext } from './log-context.ts'

import { apimJsonAccess, apimJsonEvent } from './apim-json.ts'
import { apimTextAccess, apimTextEvent } from './apim-text.ts'
import { edgeAccess } from './edge-access.ts'
import { edgeSystemEvent } from './edge-system.ts'
import { nativeAccess, nativeEvent } from './native-log.ts'

/** The format's line for a finished request, as a pure function made once per generation and sink. */
export function createAccessFormatter(format: LogFormat, context: LogContext): AccessFormatter {
  return formats[format].access(context)
}

/** The format's lines for an event. */
export function createEventFormatter(format: LogFormat, context: LogContext): EventFormatter {
  return formats[format].event(context)
}

const nothing = () => () => ''

const formats = {
  native: { access: nativeAccess, event: nativeEvent },
  'apim-text': { access: apimTextAccess, event: apimTextEvent },
  'apim-json': { access: apimJsonAccess, event: apimJsonEvent },
  'edge-access': { access: edgeAccess, event: nothing },
  'edge-system': { access: nothing, event: edgeSystemEvent },
} as const satisfies Record<
  LogFormat,
  { access: (context: LogContext) => AccessFormatter; event: (context: LogContext) => EventFormatter }
>
