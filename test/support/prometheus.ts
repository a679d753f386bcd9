import parse from 'parse-prometheus-text-format'

export interface ReadSample {
  /** Of the series: the family's, with its suffix. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** What a parser from npm reads in Prometheus text; throws where that is not in order. */
export function readExposition(text: string): readonly ReadSample[] {
  const lines = text.split('\n')
  const series = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.replace(/ [^ ]+$/, ''))
  const seen = new Set<string>()
  // The parser would join them.
  for (const each of series) {
    if (seen.has(each)) throw new TypeError(`twice: ${each}`)
    seen.add(each)
  }
  // It makes one of all series of a histogram and loses their labels; without the type each is a series by itself.
  const plain = lines.filter((line) => !/^# TYPE \S+ histogram$/.test(line)).join('\n')
  return parse(plain).flatMap(({ name, metrics }) =>
    metrics.map(({ labels = {}, value }) => ({ name, labels, value: numberOf(value) })),
  )
}

function numberOf(text: string): number {
  const value = Number(text.replace(/^([+-]?)Inf$/, '$1Infinity'))
  if (Number.isNaN(value) && text !== 'NaN') throw new TypeError(`not a number: ${text}`)
  return value
}
