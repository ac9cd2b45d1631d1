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

export const askCredentialHelper: CredentialHelper = (name, server) => askHelper(name, server)

/**
 * Asks a helper for the credentials of a server.
 * @param patience milliseconds until it is stopped
 * @throws {IoError} when it is not installed, fails, gives a malformed answer, or none in time
 * @throws {InvalidNameError} when its name is not one of a program
 */
export async function askHelper(
  name: string,
  server: string,
  patience: number = PATIENCE,
): ReturnType<CredentialHelper> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new InvalidNameError(name, `Invalid name of a credential helper: ${JSON.stringify(name)}`)
  }
  const program = `docker-credential-${name}`
  const { code, answer } = await ask(program, server, patience)
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

function ask(program: string, server: string, patience: number): Promise<{ code: number | null; answer: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'ignore'] })
    const parts: Buffer[] = []
    let size = 0
    const fail = (message: string, code: string, cause?: Error) => {
      clearTimeout(timer)
      reject(new IoError(message, code, program, { cause }))
      // A process that the helper has started may hold the pipe open.
      child.kill('SIGKILL')
      child.stdout.destroy()
    }
    // The option `timeout` of spawn would keep the process alive after a helper that could not be started.
    const timer = setTimeout(
      () => fail(`The credential helper ${program} gave no answer in ${patience / 1000} seconds`, 'ETIMEDOUT'),
      patience,
    )
    child.on('error', (cause: NodeJS.ErrnoException) => {
      const isMissing = cause.code === 'ENOENT'
      const reason = isMissing ? 'is not installed' : `cannot be started: ${cause.message}`
      fail(`The credential helper ${program} ${reason}`, cause.code ?? 'EIO', cause)
    })
    child.stdout.on('data', (part: Buffer) => {
      size += part.length
      if (size > MAX_ANSWER) fail(`The credential helper ${program} gives more than ${MAX_ANSWER} bytes`, 'EIO')
      else parts.push(part)
    })
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, answer: Buffer.concat(parts).toString('utf8') })
    })
    // A helper that ends without reading its input is reported by its exit status.
    child.stdin.on('error', () => {})
    child.stdin.end(`${server}\n`)
  })
}
