// Measures the import of images with many layers: eight equal ones, with one processor and with all of them, and 31 thin
// ones. With --base=DIR a build of another version (its `dist/bin`) is run in turns with this one.
//   node bench/lanes.mjs [--rounds=N] [--folder=DIR] [--store=bare-user-only|bare-user|archive|sqlite] [--base=DIR]
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { makeImage } from './make-image.mjs'
import { race } from './measure.mjs'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    folder: { type: 'string', default: '/dev/shm' },
    store: { type: 'string', multiple: true, default: ['bare-user-only', 'sqlite'] },
    base: { type: 'string' },
    only: { type: 'string', multiple: true, default: ['equal', 'thin', 'one'] },
  },
})
const rounds = Number(values.rounds)
const command = fileURLToPath(new URL('../dist/bin/main.js', import.meta.url))
const base = values.base === undefined ? undefined : `${values.base}/bin/main.js`
const where = temporaryFolder(`${values.folder}/ostree-ts-bench`)

/** Writes an image of layers that are made like that of bench/make-image.mjs. @returns the path of its OCI layout */
async function image(name, layers) {
  const layout = `${where}/${name}`
  mkdirSync(`${layout}/blobs/sha256`, { recursive: true })
  const put = (bytes) => {
    const hash = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(`${layout}/blobs/sha256/${hash}`, bytes)
    return { digest: `sha256:${hash}`, size: bytes.length }
  }
  const diffIds = []
  const descriptors = []
  for (const [i, options] of layers.entries()) {
    const made = await makeImage(`${where}/${name}-${i}`, { seed: i + 1, folder: `usr/l${i}`, ...options })
    const index = JSON.parse(readFileSync(`${made.layout}/index.json`, 'utf8'))
    const read = ({ digest }) => JSON.parse(readFileSync(`${made.layout}/blobs/sha256/${digest.slice(7)}`, 'utf8'))
    const manifest = read(index.manifests[0])
    diffIds.push(read(manifest.config).rootfs.diff_ids[0])
    descriptors.push(manifest.layers[0])
    cpSync(`${made.layout}/blobs/sha256`, `${layout}/blobs/sha256`, { recursive: true })
    rmSync(`${where}/${name}-${i}`, { recursive: true })
  }
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds }, config: {} }
  const type = 'application/vnd.oci.image'
  const written = { mediaType: `${type}.config.v1+json`, ...put(Buffer.from(JSON.stringify(config))) }
  const manifest = { schemaVersion: 2, mediaType: `${type}.manifest.v1+json`, config: written, layers: descriptors }
  const entry = { mediaType: `${type}.manifest.v1+json`, ...put(Buffer.from(JSON.stringify(manifest))) }
  writeFileSync(`${layout}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [entry] }))
  writeFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
  return layout
}

function side(program, layout, mode, id, before = []) {
  const store = `${where}/store-${id}${mode === 'sqlite' ? '.sqlite' : ''}`
  const node = (...args) => [process.execPath, program, ...args]
  const clean = () => {
    for (const end of ['', '-journal', '-lock']) rmSync(`${store}${end}`, { recursive: true, force: true })
  }
  return {
    before: () => {
      clean()
      if (mode === 'sqlite') return
      const [file, ...args] = node('init', `--repo=${store}`, `--mode=${mode}`)
      spawnSync(file, args)
    },
    command: [
      ...before,
      ...node('container', 'image', 'pull', '--quiet', store, `ostree-unverified-image:oci:${layout}`),
    ],
    after: clean,
  }
}

try {
  const images = {
    equal: { title: '8 equal layers', layers: Array.from({ length: 8 }, () => ({ files: 5000 })) },
    thin: { title: '31 thin layers', layers: Array.from({ length: 31 }, () => ({ files: 250 })) },
    one: { title: 'one layer', layers: [{ files: 40_000 }] },
  }
  for (const name of values.only) {
    const layout = await image(name, images[name].layers)
    for (const mode of values.store) {
      const title = `${images[name].title}, ${mode}`
      const ours = (id, before) => side(command, layout, mode, id, before)
      if (base !== undefined) race(`${title}: this / base`, ours('a'), side(base, layout, mode, 'b'), rounds)
      if (name === 'equal') race(`${title}: all / one processor`, ours('a'), ours('b', ['taskset', '-c', '0']), rounds)
    }
    rmSync(layout, { recursive: true })
  }
} finally {
  rmSync(where, { recursive: true, force: true })
}
