/** Clients of servers that answer anything: registries, OSTree servers, HTTP on a connection. */
import { encodeUtf8, readAll } from '../../../src/bytes.ts'
import { pullImage } from '../../../src/container/index.ts'
import { openRepository } from '../../../src/container/internal.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import type { Fetch } from '../../../src/platform/index.ts'
import { nodePlatform } from '../../../src/platform/node.ts'
import { addRemote, fsck, pull, type Repo, updateSummary, writeDelta } from '../../../src/repo/index.ts'
import { serveRepo } from '../../../src/serve/index.ts'
import { ResponseParser } from '../../../src/system/http/response-parser.ts'
import {
  buildImage,
  compressLayer,
  directory,
  FakeClock,
  fetchFrom,
  file,
  MemoryRegistry,
  packLayer,
  storeCommit,
} from '../../../src/testing/index.ts'
import { answer, Recorder, replay } from '../answers.ts'
import { type FuzzTarget, orTypedLater, rule, texts } from '../target.ts'
import { memoryRepo } from './objects.ts'

const host = { architecture: 'amd64', os: 'linux' }
const IMAGE = 'ostree-unverified-registry:localhost/a/b:1'
const NOTHING = new Uint8Array(0)

async function requireSound(repo: Repo): Promise<void> {
  const { damaged } = await fsck(repo)
  rule(damaged === 0, `${damaged} damaged objects`)
}

async function pullFrom(fetch: Fetch): Promise<void> {
  const repo = await memoryRepo()
  const network = { fetch, clock: new FakeClock() }
  try {
    await pullImage(repo, IMAGE, { host, registry: { network, insecure: true } })
  } finally {
    await requireSound(repo)
  }
}

async function pullCommit(fetch: Fetch): Promise<void> {
  const repo = await memoryRepo()
  const network = { fetch, clock: new FakeClock() }
  await addRemote(repo, { name: 'origin', url: 'http://host/', options: [['gpg-verify', false]] }, 'keep')
  try {
    await pull(repo, 'origin', { refs: ['main'], network, retries: 1 })
  } finally {
    await requireSound(repo)
  }
}

async function useRepository(fetch: Fetch): Promise<void> {
  const network = { fetch, clock: new FakeClock() }
  await using repository = await openRepository('localhost/a/b', {
    network,
    platform: nodePlatform,
    insecure: true,
    uploadPiece: 4,
  })
  const content = encodeUtf8('hello, world')
  const digest = `sha256:${nodePlatform.sha256(content)}` as Digest
  await orTypedLater(() => repository.resolve('1'))
  await orTypedLater(async () => {
    let count = 0
    for await (const _ of repository.tags()) if (++count > 10_000) throw new Error('tags without an end')
  })
  await orTypedLater(() => repository.referrers(digest))
  await orTypedLater(() => repository.pushBlob(content))
  await orTypedLater(() => repository.mount({ digest, size: content.length }, 'a/c'))
  await orTypedLater(() => readAll(repository.blob({ mediaType: 'x/y', digest, size: content.length })))
}

async function recordedPull(): Promise<Uint8Array[]> {
  const registry = new MemoryRegistry(nodePlatform)
  const tar = await packLayer([{ path: 'usr/a', body: encodeUtf8('x'.repeat(300)) }])
  registry.putLayout('a/b', buildImage(nodePlatform, [await compressLayer(nodePlatform, tar, 'gzip')], { tag: '1' }))
  const recorder = new Recorder(registry.network.fetch)
  await pullFrom(recorder.fetch)
  const again = new Recorder(registry.network.fetch)
  await useRepository(again.fetch)
  const challenge = answer(401, ['www-authenticate: Bearer realm="https://a.example/token",service="s"'], NOTHING)
  const token = answer(200, ['content-type: application/json'], encodeUtf8('{"token":"t","expires_in":60}'))
  return [recorder.bytes, again.bytes, new Uint8Array([...challenge, ...token, ...recorder.bytes])]
}

async function recordedCommit(): Promise<Uint8Array[]> {
  const source = await memoryRepo('archive')
  await source.transaction(async (tx) => {
    const commit = await storeCommit(tx, directory({ a: file('x'.repeat(3000)), b: directory({ c: file('y') }) }))
    tx.setRef('heads/main', { commit })
  })
  await updateSummary(source, { timestamp: 1n })
  const plain = new Recorder(fetchFrom(serveRepo(source)))
  await pullCommit(plain.fetch)
  const to = await source.resolve('main')
  await writeDelta(source, { from: undefined, to, timestamp: 2n })
  await updateSummary(source, { timestamp: 2n })
  const delta = new Recorder(fetchFrom(serveRepo(source)))
  await pullCommit(delta.fetch)
  return [plain.bytes, delta.bytes]
}

const [images, commits] = await Promise.all([recordedPull(), recordedCommit()])

export const NETWORK_TARGETS: readonly FuzzTarget[] = [
  { name: 'pull from a registry', share: 0.1, seeds: images, run: (input) => pullFrom(replay(input)) },
  { name: 'client of a registry', share: 0.1, seeds: images, run: (input) => useRepository(replay(input)) },
  { name: 'pull from a repository', share: 0.1, seeds: commits, run: (input) => pullCommit(replay(input)) },
  {
    name: 'HTTP response',
    share: 4,
    seeds: texts(
      'HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP/1.1 304 Not Modified\r\n\r\n',
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      'HTTP/1.0 200\nx: y\n\nabc',
    ),
    run(input) {
      const parse = (step: number): string => {
        const found: string[] = []
        const parser = new ResponseParser({
          head: ({ status, headers, persistent }) => found.push(JSON.stringify([status, [...headers], persistent])),
          data: (bytes) => found.push(Buffer.from(bytes).toString('latin1')),
          end: () => found.push('.'),
        })
        try {
          for (let at = 0; at < input.length; at += step) parser.push(Buffer.from(input.subarray(at, at + step)))
        } catch (error) {
          // The connection turns these into a network error.
          if (!(error instanceof Error) || !/response|HTTP\/1\.1/.test(error.message)) throw error
          found.push('!')
        }
        return found.join('')
      }
      const whole = parse(Math.max(1, input.length))
      const pieces = parse(1 + (input.length % 7))
      rule(whole === pieces, `${JSON.stringify(pieces)} in pieces, ${JSON.stringify(whole)} as a whole`)
    },
  },
]
