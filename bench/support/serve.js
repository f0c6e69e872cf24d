/** Listens, and tells the parent process what it asks for: `{ port }`, and CPU seconds used so far. */
export async function serve(app, more = {}) {
  await app.listen({ host: '127.0.0.1', port: 0 })
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send({ cpu: user + system })
  })
  process.on('disconnect', () => process.exit()) // the benchmark has ended
  process.send({ port: app.server.address().port, ...more })
}
