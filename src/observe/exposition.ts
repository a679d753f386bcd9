/** One metric, as every exporter takes it: Prometheus text, OpenMetrics, OTLP. */
export interface MetricFamily {
  /** Of a counter with `_total`; a unit is the last word before that. */
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  /** Names of the labels that samples may have, `le` apart; left out: none. For the reference. */
  readonly labels?: readonly string[]
  readonly samples: readonly MetricSample[]
}

export interface MetricSample {
  /** `_bucket`, `_sum`, `_count`. */
  readonly suffix?: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Prometheus text format 0.0.4, or OpenMetrics 1.0. */
export type ExpositionFormat = 'text' | 'openmetrics'

export const expositionContentTypes: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
}

/** What a scraper asks for: OpenMetrics where it likes that at least as much as text (RFC 9110 section 12.5.1). */
export function expositionFormat(accept: string | undefined): ExpositionFormat {
  let openmetrics = 0
  let text = 0
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    const parameter = (name: string): string | undefined =>
      parameters.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1)
    const quality = Number(parameter('q') ?? 1)
    if (type === 'application/openmetrics-text') {
      if ((parameter('version') ?? '1.0.0') === '1.0.0') openmetrics = Math.max(openmetrics, quality)
    } else if (type === 'text/plain') {
      text = Math.max(text, quality)
    }
  }
  return openmetrics > 0 && openmetrics >= text ? 'openmetrics' : 'text'
}

/** Families as text; one without samples is left out. */
export function exposition(families: readonly MetricFamily[], format: ExpositionFormat = 'text'): string {
  const text = families.map((family) => familyText(family, format)).join('')
  return format === 'openmetrics' ? `${text}# EOF\n` : text
}

function familyText(family: MetricFamily, format: ExpositionFormat): string {
  const { name, help, type, samples } = family
  if (samples.length === 0) return ''
  const modern = format === 'openmetrics'
  // There a counter's family has no suffix, and its samples have it.
  const said = modern && type === 'counter' ? name.replace(/_total$/, '') : name
  const unit = modern ? unitOf(family) : ''
  let text = `# HELP ${said} ${helpText(help, modern)}\n# TYPE ${said} ${type}\n`
  if (unit !== '') text += `# UNIT ${said} ${unit}\n`
  for (const { suffix = '', labels, value } of samples) {
    text += `${name}${suffix}${labelText(labels, modern)} ${number(value)}\n`
  }
  return text
}

/** Base unit that the name of a metric says, '' for none. */
function unitOf({ name }: MetricFamily): 'seconds' | 'bytes' | '' {
  const base = name.replace(/_total$/, '')
  return base.endsWith('_seconds') ? 'seconds' : base.endsWith('_bytes') ? 'bytes' : ''
}

/** Only OpenMetrics has quotes escaped here, too. */
function helpText(help: string, modern: boolean): string {
  return modern ? escaped(help) : help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function labelText(labels: Readonly<Record<string, string>>, modern: boolean): string {
  let text = ''
  for (const name in labels) {
    const value = labels[name] as string
    // OpenMetrics writes bounds as floats: 1.0.
    const shown = modern && name === 'le' && /^\d+$/.test(value) ? `${value}.0` : escaped(value)
    text += `${text === '' ? '{' : ','}${name}="${shown}"`
  }
  return text === '' ? '' : `${text}}`
}

function escaped(value: string): string {
  // Hardly any has something to escape, and there are many.
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf'
}
