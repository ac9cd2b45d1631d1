// Compares pulling an image with a gzip layer of 40,000 small files with `ostree commit --tree=tar` of the same layer,
// uncompressed. On tmpfs, where only processor time counts, and on disk.
//   node bench/ingest.mjs [ROUNDS]
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { makeImage } from './make-image.mjs'
import { race } from './measure.mjs'

const rounds = Number(process.argv[2] ?? 5)
if (!(rounds >= 1)) throw new Error(`usage: node bench/ingest.mjs [ROUNDS]; got ${process.argv[2]}`)
const command = fileURLToPath(new URL('../bin/ostree-ts', import.meta.url))

if (spawnSync('ostree', ['--version']).status !== 0) throw new Error('the program ostree is needed for comparison')

function sides(image, where) {
  const ours = (store, mode) => ({
    before: () => {
      rmSync(`${where}/${store}`, { recursive: true, force: true })
      if (mode) spawnSync(command, ['init', `--repo=${where}/${store}`, `--mode=${mode}`])
    },
    command: [
      command,
      'container',
      'image',
      'pull',
      '--quiet',
      `${where}/${store}`,
      `ostree-unverified-image:oci:${image.layout}`,
    ],
    after: () => rmSync(`${where}/${store}`, { recursive: true, force: true }),
  })
  const reference = (mode) => ({
    before: () => {
      rmSync(`${where}/reference`, { recursive: true, force: true })
      spawnSync('ostree', ['init', `--repo=${where}/reference`, `--mode=${mode}`])
    },
    command: [
      'ostree',
      'commit',
      `--repo=${where}/reference`,
      '-b',
      'layer',
      `--tree=tar=${image.tar}`,
      '--tar-autocreate-parents',
    ],
    after: () => rmSync(`${where}/reference`, { recursive: true, force: true }),
  })
  return { ours, reference }
}

const places = { tmpfs: '/dev/shm', disk: tmpdir() }
for (const [name, base] of Object.entries(places)) {
  const where = temporaryFolder(`${base}/ostree-ts-bench`)
  try {
    mkdirSync(`${where}/input`)
    const image = await makeImage(`${where}/input`)
    console.log(`${name}: ${image.files} files, ${(image.bytes / 1e6).toFixed(0)} MB; ours, ostree`)
    const { ours, reference } = sides(image, where)
    for (const mode of ['bare-user-only', 'bare-user', 'archive']) {
      race(`${name}: ${mode} / ${mode}`, ours(`repo-${mode}`, mode), reference(mode), rounds)
    }
    race(`${name}: SQLite / bare-user-only`, ours('store.sqlite'), reference('bare-user-only'), rounds)
  } finally {
    rmSync(where, { recursive: true, force: true })
  }
}
