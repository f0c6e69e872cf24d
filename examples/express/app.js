import { createVerifier, requireToken } from '@gatehouse/verify'
import express from 'express'

const { GATEHOUSE = 'http://localhost:3000', PORT = '4000' } = process.env
const verifier = createVerifier({
  issuer: GATEHOUSE,
  onError: (error) => console.error(error.message),
})
await verifier.ready // it has read the keys and the revocations

const app = express()
app.disable('x-powered-by')
app.get('/reports', requireToken(verifier), ({ user }, response) => {
  response.json({ user: user.sub, roles: user.roles })
})
app.get('/admin', requireToken(verifier, { role: 'admin' }), (_request, response) => {
  response.json({ secret: 42 })
})

app.listen(Number(PORT), 'localhost', (error) => {
  if (error) throw error
  console.log(`http://localhost:${PORT}/reports`)
})
