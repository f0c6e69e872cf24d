import { createHash, createHmac } from 'node:crypto'
import { parentPort } from 'node:worker_threads'
import { hashSync } from 'bcryptjs'
import { crypt } from '../foreign/crypt.js'
import type { BeforeBcrypt, Recipe } from '../foreign/recipe.js'

/** A hash that only JavaScript can make. It takes long, and blocks its thread. */
export type ThreadRecipe = Extract<Recipe, { kind: 'bcrypt' | 'crypt' }>
export type ThreadJob = { recipe: ThreadRecipe; password: string }

parentPort?.on('message', ({ recipe, password }: ThreadJob) => {
  parentPort?.postMessage(derive(recipe, password))
})

function derive(recipe: ThreadRecipe, password: string): string {
  if (recipe.kind === 'crypt') return crypt(recipe.id, recipe.rounds, recipe.salt, password)
  const setting = `$2b$${String(recipe.cost).padStart(2, '0')}$${recipe.salt}`
  return hashSync(shorten(recipe.before, recipe.salt, password), setting).slice(29)
}

/** bcrypt reads 72 bytes. Django and passlib give it a digest of the password instead. */
function shorten(how: BeforeBcrypt, salt: string, password: string): string {
  if (how === 'sha256-hex') return createHash('sha256').update(password).digest('hex')
  if (how === 'sha256-base64') return createHash('sha256').update(password).digest('base64')
  if (how === 'hmac-base64') return createHmac('sha256', salt).update(password).digest('base64')
  return password
}
