import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { describeReference, run } from '../../support/reference.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = temporaryFolder('disk')
const OURS = new URL('../../../bin/ostree-ts', import.meta.url).pathname
const LAYERED = new URL('../../../examples/exampleos', import.meta.url).pathname
const STORES = [
  ['a SQLite file', 'images.sqlite'],
  ['a directory', 'images'],
] as const
const NAME = 'oci/os/demo'

let server: ChildProcess | undefined

/** Starts a server, and returns its host and port. */
async function serve(repo: string, ...words: string[]): Promise<string> {
  const child = spawn(OURS, ['serve', `--repo=${join(folder, repo)}`, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  server = child
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const host = /127\.0\.0\.1:\d+/.exec(line.toString())?.[0]
  if (host === undefined) throw new Error(`No address in: ${line.toString()}`)
  return host
}

afterEach(async () => {
  if (server === undefined) return
  const ended = once(server, 'exit')
  server.kill('SIGTERM')
  await ended
  server = undefined
})

function manifestDigest(layout: string): string {
  const { manifests } = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')) as {
    manifests: { digest: string }[]
  }
  return manifests[0]?.digest ?? ''
}

const shape = (response: Response): [number, string | null] => [response.status, response.headers.get('content-type')]

async function codeOf(response: Response): Promise<[number, string | undefined]> {
  const { errors } = (await response.json()) as { errors: { code: string }[] }
  return [response.status, errors[0]?.code]
}

let original = ''

beforeAll(() => {
  const tree = join(folder, 'tree/usr/bin')
  mkdirSync(tree, { recursive: true })
  writeFileSync(join(tree, 'small'), 'content')
  writeFileSync(join(tree, 'large'), 'large content, in pieces '.repeat(100_000))
  const source = `--repo=${join(folder, 'source')}`
  run(OURS, ['init', source, '--mode=archive'])
  run(OURS, [
    'commit',
    source,
    '-b',
    'os',
    '--owner-uid=0',
    '--owner-gid=0',
    '--no-xattrs',
    `--tree=dir=${join(folder, 'tree')}`,
  ])
  mkdirSync(join(folder, 'os'))
  run(OURS, ['container', 'encapsulate', source, 'os', 'oci:os/demo:1'], { cwd: folder })
  original = manifestDigest(join(folder, 'os/demo'))
  run(OURS, ['init', `--repo=${join(folder, 'images')}`, '--mode=archive'])
  for (const [, repo] of STORES) {
    run(OURS, ['container', 'image', 'pull', repo, 'ostree-unverified-image:oci:os/demo:1'], { cwd: folder })
    run(OURS, ['container', 'image', 'pull', repo, `oci:${LAYERED}:1.0`], { cwd: folder })
  }
})

describe.each(STORES)('images in %s', (_, repo) => {
  test('an image is served with its digests, in ranges, and with the errors of a registry', async () => {
    const url = `http://${await serve(repo)}/v2`
    const manifests = `${url}/${NAME}/manifests`
    expect((await fetch(`${url}/`)).status).toBe(200)
    expect(await (await fetch(`${url}/${NAME}/tags/list`)).json()).toEqual({ name: NAME, tags: ['1'] })
    const head = await fetch(`${manifests}/1`, { method: 'HEAD' })
    expect(shape(head)).toEqual([200, 'application/vnd.oci.image.manifest.v1+json'])
    expect(head.headers.get('docker-content-digest')).toBe(original)
    const bytes = Buffer.from(await (await fetch(`${manifests}/${original}`)).arrayBuffer())
    expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(original)
    const { config, layers } = JSON.parse(bytes.toString()) as Record<string, never> & {
      config: { digest: string }
      layers: { digest: string; size: number }[]
    }
    for (const { digest } of [config, ...layers]) {
      const response = await fetch(`${url}/${NAME}/blobs/${digest}`)
      const blob = Buffer.from(await response.arrayBuffer())
      expect(`sha256:${createHash('sha256').update(blob).digest('hex')}`).toBe(digest)
      expect(response.headers.get('etag')).toBe(`"${digest}"`)
      const part = await fetch(`${url}/${NAME}/blobs/${digest}`, { headers: { range: 'bytes=3-9' } })
      expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, blob.subarray(3, 10)])
    }
    const referrers = await (await fetch(`${url}/${NAME}/referrers/${original}`)).json()
    expect(referrers).toMatchObject({ manifests: [] })
    const catalog = (await (await fetch(`${url}/_catalog`)).json()) as { repositories: string[] }
    expect(catalog.repositories).toContain(NAME)
    const first = await fetch(`${url}/_catalog?n=1`)
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1] ?? ''
    const rest = (await (await fetch(new URL(next, url))).json()) as { repositories: string[] }
    expect([...((await first.json()) as { repositories: string[] }).repositories, ...rest.repositories]).toEqual(
      catalog.repositories,
    )
    const absent = `sha256:${'0'.repeat(64)}`
    for (const [path, expected] of [
      [`${NAME}/manifests/2`, [404, 'MANIFEST_UNKNOWN']],
      [`${NAME}/manifests/${absent}`, [404, 'MANIFEST_UNKNOWN']],
      [`${NAME}/blobs/${absent}`, [404, 'BLOB_UNKNOWN']],
      [`${NAME}/blobs/sha256:x`, [400, 'DIGEST_INVALID']],
      [`${NAME}/tags/list?n=x`, [400, 'PAGINATION_NUMBER_INVALID']],
      ['other/manifests/1', [404, 'NAME_UNKNOWN']],
      ['Other/manifests/1', [404, 'NAME_INVALID']],
      ['a%2f..%2fb/manifests/1', [404, 'NOT_FOUND']],
    ] as const) {
      expect([path, ...(await codeOf(await fetch(`${url}/${path}`)))]).toEqual([path, ...expected])
    }
    expect(await codeOf(await fetch(`${url}/${NAME}/blobs/uploads/`, { method: 'POST' }))).toEqual([405, 'UNSUPPORTED'])
  })
})

describeReference('skopeo', 'skopeo copies', () => {
  test.each(STORES)('an image with its digest from %s', async (_, repo) => {
    const host = await serve(repo)
    const into = join(folder, `copy-${repo}`)
    run('skopeo', ['copy', '--src-tls-verify=false', `docker://${host}/${NAME}:1`, `oci:${into}:1`])
    expect(manifestDigest(into)).toBe(original)
    run(OURS, [
      'container',
      'image',
      'pull',
      '--insecure-skip-tls-verification',
      join(folder, `own-${repo}.sqlite`),
      `docker://${host}/${NAME}:1`,
    ])
  })

  test.each(STORES)(
    'an image whose layers have no original bytes from %s only as it is exported again',
    async (_, repo) => {
      const name = `oci${LAYERED}`
      const layered = `oci:${LAYERED}:1.0`
      const strict = await fetch(`http://${await serve(repo)}/v2/${name}/manifests/1.0`)
      const text = await strict.text()
      expect([strict.status, text]).toEqual([404, expect.stringContaining('original bytes')])
      server?.kill('SIGTERM')
      const layout = join(folder, `exported-${repo}`)
      mkdirSync(layout)
      run(OURS, ['container', 'image', 'reexport', `--repo=${join(folder, repo)}`, layered, `oci:${layout}:1`])
      const host = await serve(repo, '--reexport-images')
      const into = join(folder, `layered-${repo}`)
      run('skopeo', ['copy', '--src-tls-verify=false', `docker://${host}/${name}:1.0`, `oci:${into}:1`])
      expect(manifestDigest(into)).toBe(manifestDigest(layout))
    },
  )
})
