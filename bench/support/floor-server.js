// Fastify as it comes, and a route that says hello: the floor of bench/verify.js.
import Fastify from 'fastify'
import { serve } from './serve.js'

const app = Fastify()
app.get('/', () => ({ hello: 'world' }))
await serve(app)
