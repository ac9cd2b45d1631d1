/**
 * Programs that keep passwords. They read a server on their standard input and answer with JSON:
 *
 *     docker-credential-NAME get   ─▶  {"ServerURL": …, "Username": …, "Secret": …}
 *
 * Source: docker/docker-credential-helpers, README.
 */
import { spawn } from 'node:child_process'
import { InvalidNameError, IoError } from '../errors.ts'
import type { CredentialHelper } from '../platform/index.ts'

/** Largest answer that is read, in bytes. */
const MAX_ANSWER = 1 << 20
/** Milliseconds until a helper is stopped. It may have to ask its user for a password. */
const PATIENCE = 120_000
/** The answer of every helper that has no credentials for a server. */
const NOTHING = /credentials not found/i

export const askCredentialHelper: CredentialHelper = async (name, server) => {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new InvalidNameError(name, `Invalid name of a credential helper: ${JSON.stringify(name)}`)
  }
  const program = `docker-credential-${name}`
  const { code, answer } = await ask(program, server)
  if (code !== 0) {
    if (NOTHING.test(answer)) return undefined
    throw new IoError(`${program} failed with status ${code}`, 'EIO', program)
  }
  // The answer is secret, so error messages do not quote it.
  const { Username: username, Secret: secret } = parse(answer)
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw new IoError(`${program} gives no user name and secret`, 'EIO', program)
  }
  return secret === '' ? undefined : { username, secret }
}

function parse(answer: string): { Username?: unknown; Secret?: unknown } {
  try {
    const value: unknown = JSON.parse(answer)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

function ask(program: string, server: string): Promise<{ code: number | null; answer: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'], timeout: PATIENCE })
    const parts: Buffer[] = []
    let size = 0
    child.on('error', (cause: NodeJS.ErrnoException) => {
      reject(new IoError(`${program}: ${cause.message}`, cause.code ?? 'EIO', program, { cause }))
    })
    child.stdout.on('data', (part: Buffer) => {
      size += part.length
      if (size > MAX_ANSWER) child.kill('SIGKILL')
      else parts.push(part)
    })
    child.on('close', (code) => resolve({ code, answer: Buffer.concat(parts).toString('utf8') }))
    // A helper that ends without reading its input is reported by its exit status.
    child.stdin.on('error', () => {})
    child.stdin.end(`${server}\n`)
  })
}
