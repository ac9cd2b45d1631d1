/** `ostree trivial-httpd`: serves a directory, for tests of clients. Source: ostree-trivial-httpd.c. */

import {
  closeSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  unwatchFile,
  watchFile,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { resolve } from 'node:path'
import { UsageError } from '../../errors.ts'
import { nodePlatform } from '../../platform/node.ts'
import { listen, type RandomStatus, serveDirectory } from '../../serve/local.ts'
import { withIo } from '../../system/errno.ts'
import { type CommandContext, command } from '../command.ts'
import { becomeReady, DAEMON_OPTION, startDaemon } from '../daemon.ts'
import type { OptionTable } from '../options.ts'
import { fileError } from '../values.ts'

const MAX_PORT = 65535
const DEFAULT_MAX = 100
/** Milliseconds between looks at the directory for `--autoexit`. */
const WATCH_INTERVAL = 250

const OPTIONS = {
  daemonize: { type: 'flag', short: 'd', help: 'Fork into background when ready' },
  autoexit: { type: 'flag', help: 'Automatically exit when directory is deleted' },
  port: { type: 'integer', short: 'P', arg: 'PORT', help: 'Use the specified TCP port' },
  'port-file': { type: 'string', short: 'p', arg: 'PATH', help: 'Write port number to PATH (- for standard output)' },
  'force-range-requests': { type: 'flag', help: 'Force range requests by only serving half of files' },
  'require-basic-auth': { type: 'flag', help: 'Require username foouser, password barpw' },
  'random-500s': {
    type: 'integer',
    arg: 'PERCENTAGE',
    help: 'Generate random HTTP 500 errors approximately for PERCENTAGE requests',
  },
  'random-500s-max': { type: 'integer', arg: 'MAX', help: 'Limit HTTP 500 errors to MAX (default 100)' },
  'random-408s': {
    type: 'integer',
    arg: 'PERCENTAGE',
    help: 'Generate random HTTP 408 errors approximately for PERCENTAGE requests',
  },
  'random-408s-max': { type: 'integer', arg: 'MAX', help: 'Limit HTTP 408 errors to MAX (default 100)' },
  'log-file': { type: 'string', arg: 'PATH', help: 'Put logs here (use - for stdout)' },
  'expected-cookies': { type: 'strings', arg: 'KEY=VALUE', help: 'Expect given cookies in the http request' },
  'expected-header': { type: 'strings', arg: 'KEY=VALUE', help: 'Expect given headers in the http request' },
  ...DAEMON_OPTION,
} as const satisfies OptionTable

type Context = CommandContext<typeof OPTIONS>

export const trivialHttpd = command({
  name: 'trivial-httpd',
  summary: 'Simple webserver',
  usage: '[DIR]',
  repo: false,
  long: true,
  options: OPTIONS,
  async run(context) {
    const { options, out, err } = context
    if (!options.daemonize || options['daemon-child']) return serve(context)
    const port = await startDaemon(err)
    if (options['port-file'] === '-') out.line(port)
  },
})

async function serve({ options, args, out, signal }: Context): Promise<void> {
  const { port } = options
  const root = args[0] ?? '.'
  requireDirectory(root)
  if (port !== undefined && (port < 0 || port > MAX_PORT)) throw new UsageError(`Invalid port ${port}`)
  const randomStatuses = [
    randomStatus(500, options['random-500s'], options['random-500s-max']),
    randomStatus(408, options['random-408s'], options['random-408s-max']),
  ].filter((entry) => entry !== undefined)
  const log = openLog(options['log-file'])
  const handler = serveDirectory(root, {
    platform: nodePlatform,
    halves: options['force-range-requests'],
    credentials: options['require-basic-auth'] ? 'foouser:barpw' : undefined,
    cookies: options['expected-cookies'].map((text) => pair('expected-cookies', text)),
    headers: options['expected-header'].map((text) => pair('expected-header', text)),
    randomStatuses,
    log: log?.line,
  })
  // Like ostree's server it listens on all addresses of the machine.
  const server = await listen(handler, { port, address: '0.0.0.0' })
  try {
    const portFile = options['port-file']
    if (portFile === '-') out.line(String(server.port))
    else if (portFile !== undefined) replaceFile(portFile, `${server.port}\n`)
    out.flush()
    log?.line(`serving at root ${root}`)
    const deleted = options.autoexit ? deletionOf(root) : undefined
    if (options['daemon-child']) becomeReady(String(server.port))
    await Promise.race([aborted(signal), ...(deleted === undefined ? [] : [deleted.promise])])
    deleted?.stop()
    if (!signal.aborted) log?.line('root directory removed, exiting')
  } finally {
    await server.close()
    log?.close()
  }
}

function requireDirectory(path: string): void {
  try {
    if (statSync(path).isDirectory()) return
  } catch (error) {
    throw fileError(error, path, (reason) => `opendir(${path}): ${reason}`)
  }
  throw new UsageError(`opendir(${path}): Not a directory`, path)
}

function randomStatus(
  status: 500 | 408,
  percentage: number | undefined,
  max: number | undefined,
): RandomStatus | undefined {
  if (percentage === undefined) return undefined
  // Both are unsigned in ostree.
  if (percentage < 0 || percentage > 99) throw new UsageError(`Invalid --random-${status}s=${percentage >>> 0}`)
  return { status, percentage, max: (max ?? DEFAULT_MAX) >>> 0 }
}

function pair(option: string, text: string): readonly [name: string, value: string] {
  const at = text.indexOf('=')
  if (at < 0) throw new UsageError(`Invalid --${option}=${text}: it has no “=”`, `--${option}`)
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Opens the log: a new file, which must not exist, or standard output. */
function openLog(path: string | undefined): { line(text: string): void; close(): void } | undefined {
  if (path === undefined) return undefined
  const place = resolve(path)
  const fd = path === '-' ? 1 : withLogErrors(place, () => openSync(place, 'wx', 0o600))
  return {
    line: (text) => void writeSync(fd, `${timestamp(new Date())} - ${text}\n`),
    close: () => {
      if (fd !== 1) closeSync(fd)
    },
  }
}

function withLogErrors(path: string, open: () => number): number {
  try {
    return open()
  } catch (error) {
    throw fileError(error, path, (reason) => `Error opening file “${path}”: ${reason}`)
  }
}

/** Returns `2026-12-31 23:59:59.123000`, local time with microseconds. */
function timestamp(date: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  const millis = String(date.getMilliseconds()).padStart(3, '0')
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}000`
}

/** Replaces a file at once, so that a reader that waits for it does not see it empty. */
function replaceFile(path: string, text: string): void {
  const temporary = `${path}.${process.pid}`
  withIo(path, () => writeFileSync(temporary, text))
  try {
    withIo(path, () => renameSync(temporary, path))
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}

/** Waits until there is nothing at a path. */
function deletionOf(path: string): { readonly promise: Promise<void>; stop(): void } {
  // Below another current directory the same path would name something else.
  const place = resolve(path)
  const promise = new Promise<void>((done) => {
    watchFile(place, { interval: WATCH_INTERVAL }, ({ nlink }) => {
      if (nlink === 0) done()
    })
  })
  return { promise, stop: () => unwatchFile(place) }
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
