/** The client for registries beside skopeo at a real registry, and its memory. */
import { createHash, hash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { encodeUtf8, equalBytes } from '../../../src/bytes.ts'
import { openRepository } from '../../../src/container/distribution/index.ts'
import type { Digest } from '../../../src/container/oci/oci-types.ts'
import { hostPlatform, nodeNetwork, nodePlatform as platform } from '../../../src/node.ts'
import { file } from '../../front/image-cases.ts'
import { writeLayout } from '../../front/layout.ts'
import { start } from '../../real/start-program.ts'
import { bundleScript } from '../../support/bundle.ts'
import { run, testReference } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { startRegistry } from '../registry/server.ts'
import { collect } from '../tar-kit.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'

testReference(['docker-registry', 'skopeo'], 'a registry says to this client what it says to skopeo', async () => {
  await using registry = await startRegistry()
  const work = temporaryFolder()
  const image = await writeLayout(join(work, 'layout'), [[file('large', { body: new Uint8Array(9_000_000).fill(7) })]])
  const name = `${registry.host}/example/os`
  const copy = (...args: string[]) => run('skopeo', ['copy', '-q', '--dest-tls-verify=false', ...args])
  copy(image, `docker://${name}:1`)
  copy('--dest-decompress', image, `docker://${name}:plain`)
  copy('--dest-compress-format', 'zstd', '--dest-compress', image, `docker://${name}:zstd`)

  const options = { platform, network: nodeNetwork(), insecure: true }
  await using repository = openRepository(name, options)
  const tags: string[] = []
  for await (const tag of repository.tags()) tags.push(tag)
  const listed = JSON.parse(run('skopeo', ['list-tags', '--tls-verify=false', `docker://${name}`]))
  expect(tags).toEqual(listed.Tags)
  const inspect = (tag: string) =>
    JSON.parse(run('skopeo', ['inspect', '--tls-verify=false', `docker://${name}:${tag}`]))
  for (const tag of tags) {
    const { digest } = await repository.resolve(tag)
    expect(digest).toBe(inspect(tag).Digest)
    const { bytes } = await repository.image(tag, hostPlatform())
    const { layers, config } = JSON.parse(new TextDecoder().decode(bytes))
    const [diffId] = JSON.parse(new TextDecoder().decode(await collect(repository.blob(config)))).rootfs.diff_ids
    expect((await collect(repository.layer(layers[0], diffId))).length).toBeGreaterThan(9_000_000)
    expect((await collect(repository.blob(layers[0], { connections: 4 }))).length).toBe(layers[0].size)
  }

  const elsewhere = openRepository(`${registry.host}/example/other`, options)
  const { bytes } = await repository.manifest('plain')
  const { layers, config } = JSON.parse(new TextDecoder().decode(bytes))
  for (const blob of [...layers, config]) {
    expect(await elsewhere.hasBlob(blob)).toBe(false)
    expect(await elsewhere.mount(blob, 'example/os')).toBe(true)
    expect(await elsewhere.hasBlob(blob)).toBe(true)
  }
  const pushed = await elsewhere.pushManifest(bytes, MANIFEST, 'copied')
  expect(pushed.digest).toBe(inspect('plain').Digest)
  run('skopeo', [
    'copy',
    '-q',
    '--src-tls-verify=false',
    `docker://${registry.host}/example/other:copied`,
    `dir:${join(work, 'back')}`,
  ])

  const empty = { ...(await elsewhere.pushBlob(encodeUtf8('{}'))), mediaType: 'application/vnd.oci.empty.v1+json' }
  const artifact = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    artifactType: 'example/sbom',
    config: empty,
    layers: [empty],
    subject: pushed,
  }
  const { digest } = await elsewhere.pushManifest(artifact, MANIFEST)
  expect((await elsewhere.referrers(pushed.digest)).map((entry) => entry.digest)).toEqual([digest])
  await elsewhere.close()
})

testReference(['docker-registry'], 'a registry keeps blobs under digests of sha512', async () => {
  await using registry = await startRegistry()
  const options = { platform, network: nodeNetwork(), insecure: true }
  await using repository = openRepository(`${registry.host}/example/os`, options)
  const bytes = new Uint8Array(3_000_000).fill(9)
  const digest = `sha512:${hash('sha512', bytes)}` as Digest
  const blob = await repository.pushBlob(bytes, { digest })
  expect(blob).toEqual({ digest, size: bytes.length })
  expect(equalBytes(await collect(repository.blob({ ...blob, mediaType: 'x/y' })), bytes)).toBe(true)
})

/** Bytes of the large blob: 512 MiB, or as many as the environment says. */
const LARGE = Number(process.env['LARGE_BLOB_BYTES'] ?? 2 ** 29)

test('a large blob is read and pushed with memory that does not depend on its size', async () => {
  const size = LARGE
  const chunk = Buffer.alloc(1 << 20, 'x')
  const hash = createHash('sha256')
  for (let i = 0; i < size; i += chunk.length) hash.update(chunk)
  const digest = `sha256:${hash.digest('hex')}`
  const server = createServer((request, response) => {
    if (request.url === '/v2/') return void response.end()
    if (request.method !== 'GET') return void takeUpload(request, response)
    const [, from = '0', to = String(size - 1)] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    const length = Number(to) - Number(from) + 1
    const range = `bytes ${from}-${to}/${size}`
    response.writeHead(request.headers.range === undefined ? 200 : 206, {
      'content-length': length,
      'content-range': range,
    })
    let left = length
    const send = (): void => {
      while (left > 0) {
        const piece = chunk.subarray(0, Math.min(left, chunk.length))
        left -= piece.length
        if (!response.write(piece)) return void response.once('drain', send)
      }
      response.end()
    }
    send()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const script = bundleScript(
      'read-blob',
      `import { openRepository } from './src/container/distribution/index.ts'
import { nodeNetwork, nodePlatform as platform } from './src/node.ts'
const repository = openRepository('127.0.0.1:${port}/a', { platform, network: nodeNetwork(), insecure: true })
const blob = { digest: '${digest}', size: ${size}, mediaType: 'x/y' }
let read = 0
for await (const chunk of repository.blob(blob, { connections: Number(process.argv[2]) })) read += chunk.length
console.log(read, Math.round(process.resourceUsage().maxRSS / 1024))`,
    )
    for (const [connections, most] of [
      [1, 150],
      [4, 300],
    ]) {
      const [read, peak] = (await start(process.execPath, [script, String(connections)])).trim().split(' ').map(Number)
      expect(read).toBe(size)
      expect(peak).toBeLessThan(most as number)
    }
    const pusher = bundleScript(
      'push-blob',
      `import { openRepository } from './src/container/distribution/index.ts'
import { nodeNetwork, nodePlatform as platform } from './src/node.ts'
const [, , piece] = process.argv
const options = { platform, network: nodeNetwork(), insecure: true, uploadPiece: Number(piece) }
const repository = openRepository('127.0.0.1:${port}/a', options)
const chunk = Buffer.alloc(1 << 20, 'x')
async function* content() {
  for (let i = 0; i < ${size}; i += chunk.length) yield chunk
}
const { digest, size } = await repository.pushBlob(content(), { size: ${size} })
console.log(digest, size, Math.round(process.resourceUsage().maxRSS / 1024))`,
    )
    for (const piece of [0, 8 << 20]) {
      const [pushed, sent, peak] = (await start(process.execPath, [pusher, String(piece)])).trim().split(' ')
      expect([pushed, Number(sent)]).toEqual([digest, size])
      expect(Number(peak)).toBeLessThan(200)
    }
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

/** Answers the requests of an upload, and drops its bytes. */
async function takeUpload(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let length = 0
  for await (const chunk of request) length += (chunk as Buffer).length
  received = request.method === 'POST' ? 0 : received + length
  const status = { HEAD: 404, POST: 202, PATCH: 202, PUT: 201 }[request.method ?? ''] ?? 405
  response.writeHead(status, { location: '/v2/a/blobs/uploads/1', range: `0-${Math.max(0, received - 1)}` }).end()
}

let received = 0
