/** Starts Debian's `docker-registry` on a free port of the loopback, with its blobs in a temporary directory. */
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`, as in names of images. */
  readonly host: string
  /** Returns the path of a blob. */
  blobFile(digest: string): string
  /** With `tls`: a certificate directory with the authority to trust. */
  readonly certificates: string
}

export interface TestRegistryOptions {
  /** Require the user `tester` with the password `secret`. */
  readonly password?: boolean
  /** Use TLS with a new certificate. */
  readonly tls?: boolean
  /** Require a token of this server. */
  readonly token?: { readonly realm: string; readonly certificate: string }
}

/** bcrypt hash of `secret`. */
const HTPASSWD = 'tester:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n'
export const TESTER = { username: 'tester', password: 'secret' }
/** Claims that the tokens must have. */
export const TOKEN_SERVICE = 'test-registry'
export const TOKEN_ISSUER = 'test-issuer'

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise((resolve) => probe.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function authConfig({ password, token }: TestRegistryOptions, directory: string): string {
  if (token !== undefined) {
    writeFileSync(join(directory, 'token.crt'), token.certificate)
    return `auth:
  token:
    realm: ${token.realm}
    service: ${TOKEN_SERVICE}
    issuer: ${TOKEN_ISSUER}
    rootcertbundle: ${directory}/token.crt
`
  }
  if (password !== true) return ''
  writeFileSync(join(directory, 'htpasswd'), HTPASSWD)
  return `auth:
  htpasswd:
    realm: test
    path: ${directory}/htpasswd
`
}

/** Creates a self-signed certificate. @returns paths of certificate and key */
export function makeCertificate(directory: string, name: string): { certificate: string; key: string } {
  const certificate = join(directory, `${name}.crt`)
  const key = join(directory, `${name}.pem`)
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:registry.test']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  run('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', certificate, ...subject])
  return { certificate, key }
}

function tlsConfig(directory: string): string {
  mkdirSync(join(directory, 'certificates'))
  const { certificate, key } = makeCertificate(directory, 'registry')
  copyFileSync(certificate, join(directory, 'certificates', 'ca.crt'))
  return `  tls:
    certificate: ${certificate}
    key: ${key}
`
}

export async function startRegistry(options: TestRegistryOptions = {}): Promise<TestRegistry> {
  const directory = temporaryFolder('disk')
  const host = `127.0.0.1:${await freePort()}`
  const config = `version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: ${directory}/data
  delete:
    enabled: true
http:
  addr: ${host}
  secret: test
${options.tls === true ? tlsConfig(directory) : ''}${authConfig(options, directory)}`
  writeFileSync(join(directory, 'config.yml'), config)
  const child = spawn('docker-registry', ['serve', join(directory, 'config.yml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const stop = async () => {
    child.kill('SIGKILL')
    await ended
  }
  for (let tries = 0; ; tries++) {
    try {
      // Over TLS this plain request fails in the registry, but any answer shows that it runs.
      const { status } = await fetch(`http://${host}/v2/`)
      if (status === 200 || status === 401 || options.tls === true) break
    } catch {
      // The registry is not listening yet.
    }
    // A minute: on a loaded machine 10 s may be too short.
    if (tries === 1200 || child.exitCode !== null) {
      await stop()
      throw new Error(`docker-registry does not start: ${said}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const blobFile = (digest: string) =>
    join(directory, 'data/docker/registry/v2/blobs', digest.slice(0, 6), digest.slice(7, 9), digest.slice(7), 'data')
  return { host, blobFile, certificates: join(directory, 'certificates'), [Symbol.asyncDispose]: stop }
}
