import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { exposition, expositionFormat, type MetricFamily } from '../../src/observe/exposition.ts'
import { histogramSamples } from '../../src/observe/histogram.ts'
import { readExposition } from '../support/prometheus.ts'

const family = (labels: Readonly<Record<string, string>>, help = 'A gauge.', value = 1): MetricFamily => ({
  name: 'postern_test',
  help,
  type: 'gauge',
  samples: [{ labels, value }],
})

describe('what a scraper reads', () => {
  /** Characters that mean something to the format, and any others. */
  const hostile = fc.oneof(
    fc.string({
      unit: fc.constantFrom('\\', '"', '\n', '\\n', '{', '}', ',', '=', ' ', '#', '\t', 'n', 'ü', '💥', ''),
    }),
    fc.string({ unit: 'grapheme' }),
  )

  test('any label values come back as they were', () => {
    fc.assert(
      fc.property(hostile, hostile, fc.integer(), (one, two, value) => {
        const text = exposition([family({ one, two }, 'A gauge.', value), { ...family({}), name: 'after' }])
        assert.deepEqual(readExposition(text), [
          { name: 'postern_test', labels: { one, two }, value },
          { name: 'after', labels: {}, value: 1 },
        ])
      }),
    )
  })

  test('no value of a label and no help adds a line', () => {
    fc.assert(
      fc.property(hostile, hostile, (help, value) => {
        for (const format of ['text', 'openmetrics'] as const) {
          const lines = exposition([family({ value }, help)], format)
            .trimEnd()
            .split('\n')
          assert.equal(lines.length, format === 'text' ? 3 : 4)
        }
      }),
    )
  })

  test('numbers come back as they were, those that are none too', () => {
    for (const value of [
      0,
      -0.25,
      1e21,
      5e-7,
      2 ** 53,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]) {
      assert.deepEqual(readExposition(exposition([family({}, 'x', value)]))[0]?.value, value)
    }
  })

  test('a histogram has its buckets in order, and all of them', () => {
    const samples = histogramSamples({ a: 'b' }, [0.5, 1], Float64Array.of(1, 2, 3), 7)
    const text = exposition([{ name: 'x_seconds', help: 'h', type: 'histogram', samples }])
    assert.equal(
      text,
      `# HELP x_seconds h
# TYPE x_seconds histogram
x_seconds_bucket{a="b",le="0.5"} 1
x_seconds_bucket{a="b",le="1"} 3
x_seconds_bucket{a="b",le="+Inf"} 6
x_seconds_sum{a="b"} 7
x_seconds_count{a="b"} 6
`,
    )
  })

  test('a family without samples is left out', () => {
    assert.equal(exposition([{ name: 'x', help: 'y', type: 'gauge', samples: [] }]), '')
  })
})

test('OpenMetrics names counters without their suffix, says units, writes bounds as floats, and ends', () => {
  const samples = histogramSamples({}, [0.5, 1], Float64Array.of(1, 2, 3), 7)
  const text = exposition(
    [
      { name: 'x_bytes_total', help: 'a "b" \\', type: 'counter', samples: [{ labels: { le: '1' }, value: 3 }] },
      { name: 'y_seconds', help: 'h', type: 'histogram', samples },
    ],
    'openmetrics',
  )
  assert.equal(
    text,
    `# HELP x_bytes a \\"b\\" \\\\
# TYPE x_bytes counter
# UNIT x_bytes bytes
x_bytes_total{le="1.0"} 3
# HELP y_seconds h
# TYPE y_seconds histogram
# UNIT y_seconds seconds
y_seconds_bucket{le="0.5"} 1
y_seconds_bucket{le="1.0"} 3
y_seconds_bucket{le="+Inf"} 6
y_seconds_sum 7
y_seconds_count 6
# EOF
`,
  )
})

describe('the format is', () => {
  const cases: readonly (readonly [string, string | undefined, 'text' | 'openmetrics'])[] = [
    ['text where nothing is said', undefined, 'text'],
    ['text where anything will do', '*/*', 'text'],
    ['text for a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', 'text'],
    ['OpenMetrics where it is asked for', 'application/openmetrics-text; version=1.0.0', 'openmetrics'],
    ['OpenMetrics where no version is said', 'application/openmetrics-text', 'openmetrics'],
    [
      'OpenMetrics for Prometheus 2',
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      'openmetrics',
    ],
    [
      'OpenMetrics for Prometheus 3',
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
      'openmetrics',
    ],
    ['text where that is liked better', 'application/openmetrics-text;version=1.0.0;q=0.2, text/plain', 'text'],
    ['text where OpenMetrics is refused', 'application/openmetrics-text;version=1.0.0;q=0', 'text'],
    ['text for a version that is not served', 'application/openmetrics-text;version=2.0.0', 'text'],
    ['text for nonsense', ';;q=,=,"', 'text'],
  ]
  for (const [name, accept, format] of cases) test(name, () => assert.equal(expositionFormat(accept), format))
})
