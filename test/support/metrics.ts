import type { App } from '../../src/app.js'

/** What `/metrics` said: a value for each series, as it is written, and what kind each metric is. */
export type Metrics = { series: Map<string, number>; kinds: Map<string, string> }

const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"'
const sample = new RegExp(
  `^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{${label}(?:,${label})*\\})? (-?[0-9.e+-]+|[+-]Inf|NaN)$`,
  'i',
)
const toNumber = (text: string) => Number(text.replace('Inf', 'Infinity'))

/** Reads Prometheus's text format 0.0.4. @throws Error for what is none */
export function parseMetrics(text: string): Metrics {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const series = new Map<string, number>()
  const kinds = new Map<string, string>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue
    const [, metric, kind] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? []
    if (metric !== undefined && kind !== undefined) {
      if (kinds.has(metric)) throw new Error(`${metric} comes twice`)
      kinds.set(metric, kind)
      continue
    }
    const [, name = '', labels = '', value = ''] = sample.exec(line) ?? []
    if (!kinds.has(name) && !kinds.has(name.replace(/_(bucket|sum|count)$/, ''))) {
      throw new Error(`of no type: ${line}`)
    }
    if (series.has(name + labels)) throw new Error(`twice: ${line}`)
    series.set(name + labels, toNumber(value))
  }
  return { series, kinds }
}

/** What an instance says now. */
export async function metricsOf(app: App): Promise<Metrics> {
  const { statusCode, body } = await app.inject('/metrics')
  if (statusCode !== 200) throw new Error(body)
  return parseMetrics(body)
}

/** One of its values; the name without its `gatehouse_`. */
export async function valueOf(app: App, name: string): Promise<number> {
  const value = (await metricsOf(app)).series.get(`gatehouse_${name}`)
  if (value === undefined) throw new Error(`there is no ${name}`)
  return value
}
