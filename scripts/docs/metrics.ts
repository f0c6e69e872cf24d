import { createDurations } from '../../src/http/metrics/durations.js'
import { createGauges, type Sources } from '../../src/http/metrics/gauges.js'
import { code, page, table } from './markdown.js'

const intro = `\`GET /metrics\` answers them in the text format of Prometheus ([watch the metrics](../operations.md#watch-the-metrics)).
\`process_*\` and \`nodejs_*\` are those of prom-client: CPU, memory, event loop, garbage collection.`

export async function metricsPage(): Promise<string> {
  const zeros: Record<string, number> = new Proxy({}, { get: () => 0 })
  const status = () => zeros
  const replica = { status, feed: { onLag: () => undefined } }
  const sources = { replica, lanes: zeros, db: { status } } as unknown as Sources
  const gauges = await createGauges(sources).metrics()
  const text = gauges + createDurations('gatehouse_http_request_duration_seconds').text()
  const types = new Map<string, string>()
  for (const [, name = '', type = ''] of text.matchAll(/^# TYPE (gatehouse_\w+) (\w+)$/gm)) {
    types.set(name, type)
  }
  const rows = [...text.matchAll(/^# HELP (gatehouse_\w+) (.*)$/gm)]
    .map(([, name = '', help = '']): [string, string, string] => [
      name,
      types.get(name) ?? '',
      help,
    ])
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([name, type, help]) => [code(name), type, help])
  return page('Metrics', intro, table(['metric', 'type', 'what'], rows))
}
