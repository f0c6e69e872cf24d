import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { StaticDecode, TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { addValue, describeFault } from './faults.js'
import { rules } from './rules.js'
import { Environment } from './variables.js'

type Env = Record<string, string | undefined>

const maxLanes = 16
/** What a container needs beside the lanes, in bytes. */
const besideLanes = 128 * 1_048_576

/** The frozen configuration. Durations are in seconds, memory in KiB. */
export type Config = Readonly<StaticDecode<typeof Environment>> & {
  readonly PUBLIC_URL: string
  readonly JWT_ISSUER: string
  readonly MAIL_FROM: string
}

/** Its message is a list: each fault is a line. */
export class ConfigError extends Error {
  constructor(faults: string[]) {
    const [first = ''] = faults
    super(
      faults.length === 1
        ? `Invalid configuration: ${first}`
        : ['Invalid configuration:', ...faults.map((fault) => `- ${fault}`)].join('\n'),
    )
  }
}

const schemas = Object.entries(Environment.properties as Record<string, TSchema>)

/**
 * Reads the configuration from environment variables. `NAME_FILE` names a file with the secret NAME.
 * @param known faults that were found before, for the same list
 * @param granted the memory of the container, in bytes; 0 if it is unknown
 * @throws ConfigError that names every invalid variable, with its value unless it may be a secret
 */
export function loadConfig(
  env: Env,
  known: string[] = [],
  granted = process.constrainedMemory(),
): Config {
  const faults = [...known]
  const raw: Record<string, unknown> = { HASH_LANES: defaultLanes(env, granted) }
  for (const [name, schema] of schemas) {
    const text = schema.secret ? readSecret(name, env, faults) : env[name]
    if (text !== undefined && (text !== '' || schema.secret)) raw[name] = text
  }
  const values = Value.Convert(Environment, Value.Default(Environment, raw)) as Record<
    string,
    unknown
  >
  for (const { path, value } of Value.Errors(Environment, values)) {
    faults.push(describeFault(path.slice(1), value))
  }
  faults.push(...rules.flatMap((rule) => rule(values)))
  const shown = new Set(faults.map((fault) => addValue(fault, env)))
  if (shown.size > 0) throw new ConfigError([...shown])
  const config = Value.Decode(Environment, values)
  const PUBLIC_URL = config.PUBLIC_URL ?? `http://localhost:${config.PORT}`
  return Object.freeze({
    ...config,
    PUBLIC_URL,
    JWT_ISSUER: config.JWT_ISSUER ?? PUBLIC_URL,
    MAIL_FROM: config.MAIL_FROM ?? `no-reply@${new URL(PUBLIC_URL).hostname}`,
    ...(config.NODE_ENV !== 'production' && { MAIL_URL: config.MAIL_URL ?? 'log' }),
  })
}

/** One lane for each CPU core, while ARGON2_MEMORY for each fits into the container. */
function defaultLanes(env: Env, granted: number): number {
  const each = (Number(env.ARGON2_MEMORY) || 19_456) * 1_024
  const fitting = granted > 0 ? Math.floor((granted - besideLanes) / each) : maxLanes
  return Math.max(1, Math.min(availableParallelism(), maxLanes, fitting))
}

function readSecret(name: string, env: Env, faults: string[]): string | undefined {
  const file = env[`${name}_FILE`]
  if (!file) return env[name]
  if (env[name] !== undefined) {
    faults.push(`${name} and ${name}_FILE are both set: unset one of them`)
    return undefined
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    // Not the path: the secret itself may be there by mistake.
    const { code = '' } = error as NodeJS.ErrnoException
    faults.push(`${name}_FILE cannot be read (${code}): check its path and permissions`)
    return undefined
  }
}
