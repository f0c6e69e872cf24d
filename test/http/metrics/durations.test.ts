import t from 'tap'
import { createDurations } from '../../../src/http/metrics/durations.js'
import { parseMetrics } from '../../support/metrics.js'

const seconds = [0, 0.001, 0.0011, 0.3, 10, 11]

t.test('each bucket holds what took as long or less, and the last one all', (t) => {
  const { observe, text } = createDurations('time')
  for (const each of seconds) observe('GET', '/', 200, each)
  const { series, kinds } = parseMetrics(text())
  t.equal(kinds.get('time'), 'histogram')
  const labels = 'method="GET",route="/",status="200"'
  const buckets = [...series].filter(([name]) => name.startsWith('time_bucket'))
  for (const [name, count] of buckets) {
    const bound = Number(/le="(.*)"/.exec(name)?.[1]?.replace('+Inf', 'Infinity'))
    t.equal(count, seconds.filter((each) => each <= bound).length, name)
  }
  t.equal(series.get(`time_bucket{${labels},le="+Inf"}`), seconds.length)
  t.equal(series.get(`time_count{${labels}}`), seconds.length)
  t.equal(
    series.get(`time_sum{${labels}}`),
    seconds.reduce((sum, each) => sum + each),
  )
  t.end()
})

t.test('method, route and status make a series', (t) => {
  const { observe, text } = createDurations('time')
  const all = ['GET', 'POST'].flatMap((method) =>
    ['/a', '/b/:id'].flatMap((route) => [200, 503].map((status) => ({ method, route, status }))),
  )
  all.forEach(({ method, route, status }, at) => {
    for (let count = 0; count <= at; count += 1) observe(method, route, status, 1)
  })
  const { series } = parseMetrics(text())
  all.forEach(({ method, route, status }, at) => {
    const labels = `method="${method}",route="${route}",status="${status}"`
    t.equal(series.get(`time_count{${labels}}`), at + 1, labels)
  })
  t.equal([...series.keys()].filter((name) => name.startsWith('time_count')).length, all.length)
  t.end()
})

t.test('a pattern of whatever characters stays within its quotes', (t) => {
  const { observe, text } = createDurations('time')
  observe('GET', '/:id(^\\d+$)"} 1', 200, 1)
  t.ok(
    parseMetrics(text()).series.has(
      'time_count{method="GET",route="/:id(^\\\\d+$)\\"} 1",status="200"}',
    ),
  )
  t.end()
})

t.test('before the first request there is nothing to tell', (t) => {
  t.equal(parseMetrics(createDurations('time').text()).series.size, 0)
  t.end()
})
