// Compares pulling an image of 300 MB in five layers from a local registry into a store with `skopeo copy` into an OCI
// layout and `umoci unpack` of that, the usual way to get its files. On tmpfs, where only processor time counts, and on
// disk; then with our own pull of the layout, which shows the cost of the registry.
//   node scripts/build.mjs && node bench/registry.mjs [ROUNDS] [tmpfs|disk]
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { makeImage } from './make-image.mjs'
import { race } from './measure.mjs'

const rounds = Number(process.argv[2] ?? 3)
const place = process.argv[3]
const LAYERS = 5
const FILES = 10_400
const PORT = 5917
const command = fileURLToPath(new URL('../bin/ostree-ts', import.meta.url))
const NAME = `127.0.0.1:${PORT}/bench:1`
const IMAGE = `ostree-unverified-registry:${NAME}`

for (const program of ['docker-registry', 'skopeo', 'umoci']) {
  if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
    throw new Error(`the program ${program} is needed for comparison`)
}

/** Writes one layout with the layers of several images. */
async function layered(where) {
  const layout = `${where}/layered`
  mkdirSync(`${layout}/blobs/sha256`, { recursive: true })
  const layers = []
  const diffIds = []
  let bytes = 0
  for (let i = 0; i < LAYERS; i++) {
    const image = await makeImage(`${where}/layer${i}`, { files: FILES, seed: i + 1, folder: `usr/l${i}` })
    const read = (digest) => JSON.parse(readFileSync(`${image.layout}/blobs/sha256/${digest.slice(7)}`, 'utf8'))
    const { manifests } = JSON.parse(readFileSync(`${image.layout}/index.json`, 'utf8'))
    const manifest = read(manifests[0].digest)
    layers.push(...manifest.layers)
    diffIds.push(...read(manifest.config.digest).rootfs.diff_ids)
    for (const { digest } of manifest.layers) {
      cpSync(`${image.layout}/blobs/sha256/${digest.slice(7)}`, `${layout}/blobs/sha256/${digest.slice(7)}`)
    }
    rmSync(`${where}/layer${i}`, { recursive: true })
    bytes += image.bytes
  }
  const store = (mediaType, value) => {
    const body = JSON.stringify(value)
    const hex = createHash('sha256').update(body).digest('hex')
    writeFileSync(`${layout}/blobs/sha256/${hex}`, body)
    return { mediaType, digest: `sha256:${hex}`, size: body.length }
  }
  const rootfs = { type: 'layers', diff_ids: diffIds }
  const config = store('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs,
  })
  const image = store('application/vnd.oci.image.manifest.v1+json', { schemaVersion: 2, config, layers })
  writeFileSync(`${layout}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [image] }))
  writeFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
  return { layout, bytes }
}

async function startRegistry(where) {
  const config = `${where}/registry.yml`
  writeFileSync(
    config,
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${where}/registry}}
http: {addr: "127.0.0.1:${PORT}", secret: bench}
`,
  )
  const registry = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  for (let tries = 0; tries < 100; tries++) {
    if ((await fetch(`http://127.0.0.1:${PORT}/v2/`).catch(() => undefined))?.ok) return registry
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  registry.kill()
  throw new Error('docker-registry does not start')
}

function sides(where) {
  const clear = (name) => () => rmSync(`${where}/${name}`, { recursive: true, force: true })
  const ours = (store, mode, image = IMAGE) => ({
    before: () => {
      clear(store)()
      if (mode) spawnSync(command, ['init', `--repo=${where}/${store}`, `--mode=${mode}`])
    },
    command: [
      ...[command, 'container', 'image', 'pull', '--quiet', '--insecure-skip-tls-verification'],
      ...[`${where}/${store}`, image],
    ],
    after: clear(store),
  })
  const layout = `${where}/copied`
  const steps = [
    `skopeo copy --quiet --src-tls-verify=false docker://${NAME} oci:${layout}:1`,
    `umoci unpack --image ${layout}:1 ${where}/unpacked`,
  ]
  const both = () => {
    clear('copied')()
    clear('unpacked')()
  }
  const reference = { before: both, command: ['sh', '-c', steps.join(' && ')], after: both }
  return { ours, reference }
}

for (const [name, base] of Object.entries({ tmpfs: '/dev/shm', disk: tmpdir() })) {
  if (place !== undefined && place !== name) continue
  const where = temporaryFolder(`${base}/ostree-ts-bench`)
  let registry
  try {
    const image = await layered(where)
    registry = await startRegistry(where)
    spawnSync('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', `oci:${image.layout}`, `docker://${NAME}`])
    console.log(
      `${name}: ${LAYERS} layers, ${LAYERS * FILES} files, ${(image.bytes / 1e6).toFixed(0)} MB; ours, theirs`,
    )
    const { ours, reference } = sides(where)
    race(`${name}: pull, SQLite / skopeo and umoci`, ours('store.sqlite'), reference, rounds)
    race(`${name}: pull, bare-user / skopeo and umoci`, ours('repo', 'bare-user'), reference, rounds)
    const layout = ours('direct.sqlite', undefined, `ostree-unverified-image:oci:${image.layout}`)
    race(`${name}: pull, SQLite, registry / layout`, ours('store.sqlite'), layout, rounds)
  } finally {
    registry?.kill()
    rmSync(where, { recursive: true, force: true })
  }
}
