import { createVerifier, fastifyToken } from '@gatehouse/verify'
import Fastify from 'fastify'

const { GATEHOUSE = 'http://localhost:3000', PORT = '4000' } = process.env
const verifier = createVerifier({
  issuer: GATEHOUSE,
  onError: (error) => console.error(error.message),
})
await verifier.ready // it has read the keys and the revocations

const app = Fastify()
app.addHook('onClose', () => verifier.close())
app.get('/reports', { preHandler: fastifyToken(verifier) }, ({ user }) => {
  return { user: user.sub, roles: user.roles }
})
app.get('/admin', { preHandler: fastifyToken(verifier, { role: 'admin' }) }, () => {
  return { secret: 42 }
})

await app.listen({ host: 'localhost', port: Number(PORT) })
console.log(`http://localhost:${PORT}/reports`)
