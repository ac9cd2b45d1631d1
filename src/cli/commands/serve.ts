/** `ostree-ts serve`: publishes a repository over HTTP, whatever its store and mode are, and its images as a registry. */

import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { UsageError } from '../../errors.ts'
import { type HttpHandler, type HttpRequest, requireToken, serveImages, serveRepo } from '../../serve/index.ts'
import { listen } from '../../serve/local.ts'
import { nodeFiles } from '../../system/local-files.ts'
import { command } from '../command.ts'
import { readBytes, readTextFile } from '../values.ts'

const MAX_PORT = 65535

export const serve = command({
  name: 'serve',
  summary: 'Publish the repository and its images over HTTP until interrupted',
  usage: '',
  repo: true,
  long: true,
  options: {
    port: { type: 'integer', short: 'P', arg: 'PORT', help: 'Use the specified TCP port (default: a free one)' },
    address: { type: 'string', arg: 'ADDRESS', help: 'Listen on ADDRESS (default: 127.0.0.1, this machine only)' },
    'port-file': { type: 'string', short: 'p', arg: 'PATH', help: 'Write port number to PATH (- for standard output)' },
    prefix: { type: 'string', arg: 'PATH', help: 'Path of the repository in URLs (default: /)' },
    'token-file': {
      type: 'string',
      arg: 'PATH',
      help: 'Answer only requests with the token in PATH, as a bearer token or as a password',
    },
    'tls-cert': { type: 'string', arg: 'PATH', help: 'Serve HTTPS with the certificates in PATH (PEM)' },
    'tls-key': { type: 'string', arg: 'PATH', help: 'Private key of the certificate (PEM)' },
    'reexport-images': {
      type: 'flag',
      help: 'Serve images whose original bytes cannot be made with the digests of `container image reexport`',
    },
    log: { type: 'flag', help: 'Print each request on standard error' },
  },
  async run({ options, args, out, err, repo: openRepo, signal, usageError }) {
    const { port, address, prefix } = options
    if (args.length > 0) throw usageError('Too many arguments')
    if (port !== undefined && (port < 0 || port > MAX_PORT)) throw new UsageError(`Invalid port ${port}`)
    const cert = options['tls-cert']
    const key = options['tls-key']
    if ((cert === undefined) !== (key === undefined)) throw new UsageError('Must specify both --tls-cert and --tls-key')
    const tls = cert !== undefined && key !== undefined ? { cert: readFile(cert), key: readFile(key) } : undefined
    const repo = await openRepo()
    const onError = (error: unknown, { target }: HttpRequest): void =>
      err.line(`${target}: ${error instanceof Error ? error.message : String(error)}`)
    const files = serveRepo(repo, { prefix, files: nodeFiles, onError })
    const images = serveImages(repo, { reexport: options['reexport-images'], signal, onError })
    const both: HttpHandler = (request) => (/^\/v2(?:[/?]|$)/.test(request.target) ? images : files)(request)
    const tokenFile = options['token-file']
    const handler = tokenFile === undefined ? both : requireToken(both, readTextFile(tokenFile).trim(), repo.platform)
    const server = await listen(handler, {
      port,
      address,
      tls,
      ...(options.log && { onResponse: (method, target, status) => err.line(`${method} ${target} ${status}`) }),
    })
    try {
      const portFile = options['port-file']
      if (portFile !== undefined && portFile !== '-') writeFileSync(portFile, `${server.port}\n`)
      out.line(portFile === '-' ? String(server.port) : `Serving ${repo.storage.location} at ${server.url}`)
      out.flush()
      await aborted(signal)
    } finally {
      await server.close()
    }
  },
})

function readFile(path: string): Uint8Array {
  return readBytes(path, (reason) => `Error opening file ${resolve(path)}: ${reason}`)
}

/** Resolves when the signal is aborted. */
function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}
