// Imported first, before a signal can arrive. A terminal or a supervisor sends its signals to this process too, but the
// service finishes its requests before it ends.
const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR2'] as const
for (const signal of signals) process.on(signal, () => undefined)
