export { fastifyToken, requireToken, type TokenRules } from './adapters.js'
export type { Refusal, RefusalCode } from './errors.js'
export { createVerifier, type Claims, type Verifier, type VerifierOptions } from './verifier.js'
