// Writes examples/exampleos, the OCI image layout that the demo pulls: two tags that share their lower layers, with
// hard links, extended attributes, whiteouts, an opaque directory, gzip and zstd. Needs the program `zstd`. The result
// is kept in the repository, so this script is needed only to change it. `node examples/make-image.mjs [DIRECTORY]`
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import tar from 'tar-stream'

const CREATED = '2026-01-15T12:00:00Z'
const target = process.argv[2] ?? fileURLToPath(new URL('exampleos', import.meta.url))

/** Packs entries with tar-stream, which can represent them as all names and attributes are text. */
function pack(entries) {
  return new Promise((resolve, reject) => {
    const archive = tar.pack()
    const chunks = []
    archive.on('data', (chunk) => chunks.push(chunk))
    archive.on('error', reject)
    archive.on('end', () => resolve(Buffer.concat(chunks)))
    for (const [name, { data, xattrs, ...rest }] of entries) {
      const pax =
        xattrs && Object.fromEntries(Object.entries(xattrs).map(([key, value]) => [`SCHILY.xattr.${key}`, value]))
      const header = { name, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), ...rest, ...(pax ? { pax } : {}) }
      if (data === undefined) archive.entry(header)
      else archive.entry(header, data)
    }
    archive.finalize()
  })
}

const directory = (mode = 0o755, more = {}) => ({ type: 'directory', mode, ...more })
const file = (data, mode = 0o644, more = {}) => ({ data, mode, ...more })
const symlink = (linkname) => ({ type: 'symlink', linkname, mode: 0o777 })
const hardlink = (linkname, mode = 0o644) => ({ type: 'link', linkname, mode })
const gone = file('')

/** Generates text of common words, which compresses well, deterministically. */
function prose(seed, words) {
  const vocabulary = 'tree commit object layer content checksum reference store merge index bytes digest header'.split(
    ' ',
  )
  let state = seed
  const out = []
  for (let i = 0; i < words; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    out.push(vocabulary[(state >>> 16) % vocabulary.length], i % 12 === 11 ? '\n' : ' ')
  }
  return out.join('')
}

const manual = (name, seed) => [`usr/share/doc/${name}/README`, file(prose(seed, 400))]
const tools = ['cat', 'cp', 'ls', 'mkdir', 'mv', 'rm', 'sort', 'tail', 'wc']

const base = [
  ['usr/', directory()],
  ['usr/bin/', directory()],
  ['usr/lib/', directory()],
  ['usr/share/', directory()],
  ['usr/share/doc/', directory()],
  ['bin', symlink('usr/bin')],
  ['lib', symlink('usr/lib')],
  ['usr/lib/os-release', file('NAME="Example OS"\nID=exampleos\nVERSION_ID=1\nPRETTY_NAME="Example OS 1"\n')],
  ['usr/bin/busy', file(prose(1, 30000), 0o755, { xattrs: { 'user.origin': 'example' } })],
  ...tools.map((name) => [`usr/bin/${name}`, hardlink('usr/bin/busy', 0o755)]),
  ['usr/bin/su', file('set-user-id\n', 0o4755)],
  ['etc/', directory()],
  ['etc/os-release', symlink('../usr/lib/os-release')],
  ['etc/passwd', file('root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/bin/false\n')],
  ['etc/shadow', file('root:*:20000::::::\n', 0o640, { gid: 42 })],
  ['etc/motd', file('Welcome to Example OS 1\n')],
  ['tmp/', directory(0o1777)],
  ['var/', directory()],
  ['var/lib/', directory()],
  ['var/lib/state', file('first boot pending\n')],
  ...tools.flatMap((name, i) => [[`usr/share/doc/${name}/`, directory()], manual(name, i + 2)]),
]

const application = [
  ['usr/lib/app/', directory(0o755, { uid: 1000, gid: 1000 })],
  ['usr/lib/app/server.js', file("console.log('listening')\n", 0o755, { uid: 1000, gid: 1000 })],
  ['usr/lib/app/data.bin', file(prose(99, 200000))],
  ['usr/lib/app/grüße.txt', file('Namen dürfen UTF-8 sein.\n', 0o644, { xattrs: { 'user.lang': 'de' } })],
  ['usr/lib/app/plugins/', directory()],
  ['usr/lib/app/plugins/one.js', file('export const one = 1\n')],
  ['usr/lib/app/plugins/two.js', file('export const two = 2\n')],
  ['usr/bin/app', symlink('../lib/app/server.js')],
  ['etc/app.conf', file('port = 8080\n')],
]

const slim = [
  ['usr/share/doc/.wh.tail', gone],
  ['usr/share/doc/.wh.wc', gone],
  ['etc/.wh.motd', gone],
  ['usr/lib/app/plugins/', directory()],
  ['usr/lib/app/plugins/.wh..wh..opq', gone],
  ['usr/lib/app/plugins/three.js', file('export const three = 3\n')],
]

const configuration = [
  ['etc/app.conf', file('port = 80\nworkers = 4\n')],
  ['etc/motd', file('Welcome to Example OS 1, as an appliance\n')],
  ['var/lib/state', file('provisioned\n')],
]

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
const ZSTD = 'application/vnd.oci.image.layer.v1.tar+zstd'
const sha256 = (bytes) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

rmSync(target, { recursive: true, force: true })
mkdirSync(`${target}/blobs/sha256`, { recursive: true })

function blob(mediaType, bytes) {
  const digest = sha256(bytes)
  writeFileSync(`${target}/blobs/sha256/${digest.slice(7)}`, bytes)
  return { mediaType, digest, size: bytes.length }
}

async function layer(entries, mediaType, createdBy) {
  const bytes = await pack(entries)
  const packed =
    mediaType === ZSTD ? execFileSync('zstd', ['-19', '-c', '-q'], { input: bytes }) : gzipSync(bytes, { level: 9 })
  return { descriptor: blob(mediaType, packed), diffId: sha256(bytes), createdBy }
}

function image(tag, layers) {
  const config = {
    created: CREATED,
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['/usr/bin/app'], Labels: { 'org.opencontainers.image.version': tag } },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map(({ createdBy }) => ({ created: CREATED, created_by: createdBy })),
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: blob('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(config))),
    layers: layers.map(({ descriptor }) => descriptor),
  }
  return {
    ...blob(manifest.mediaType, Buffer.from(JSON.stringify(manifest))),
    platform: { architecture: 'amd64', os: 'linux' },
    annotations: { 'org.opencontainers.image.ref.name': tag },
  }
}

const bottom = await layer(base, GZIP, 'base system')
const app = await layer(application, ZSTD, 'install the application')
const trimmed = await layer(slim, GZIP, 'remove what is not needed')
const configured = await layer(configuration, ZSTD, 'configure as an appliance')

const index = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [image('1.0', [bottom, app, trimmed]), image('1.0-appliance', [bottom, app, configured])],
}
writeFileSync(`${target}/index.json`, JSON.stringify(index))
writeFileSync(`${target}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
