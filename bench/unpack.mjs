// Compares unpacking an image of many small files into a directory with `umoci unpack` of the same layout. Times are those
// of whole processes, Node's start included.
//
//   node bench/unpack.mjs [--files=40000] [--folder=/dev/shm] [--rounds=5] [--dist=dist]
//
// Runs against dist/ (npm run build), as root like umoci. The files of a run are removed outside the timed part.
import { spawnSync } from 'node:child_process'
import { createWriteStream, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '40000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '5' },
    dist: { type: 'string', default: 'dist' },
    child: { type: 'string' },
  },
})

const dist = (name) => import(pathToFileURL(resolve(values.dist, name)).href)

if (values.child) {
  const [reference, out] = JSON.parse(values.child)
  const { unpackImage } = await dist('node.js')
  await unpackImage(reference, out)
} else await races()

/** Files of source code, mostly: sizes as in a distribution, content that gzip halves. */
function* entries(files) {
  const words = Array.from({ length: 4096 }, (_, i) => ((i * 2654435761) >>> 0).toString(36))
  for (let n = 0; n < files; n++) {
    const folder = `usr/share/d${Math.floor(n / 2000)}/e${Math.floor(n / 20)}`
    if (n % 20 === 0) yield { path: `${folder}/`, type: 'directory', mtime: 1.6e9 }
    let text = ''
    for (let seed = n, size = (n * 7919) % 8192; text.length < size; ) {
      seed = (seed * 1103515245 + 12345) & 0x7fffffff
      text += `${words[seed >> 19]} `
    }
    yield { path: `${folder}/f${n}`, body: new TextEncoder().encode(text), mtime: 1.6e9 + n }
  }
}

function run(program, ...args) {
  const { status, stderr } = spawnSync(program, args)
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
}

async function races() {
  const { packTar } = await dist('tar/index.js')
  const folder = temporaryFolder(join(values.folder, 'ostree-ts-unpack'))
  const archive = join(folder, 'layer.tar')
  await pipeline(packTar(entries(Number(values.files))), createWriteStream(archive))
  const layout = join(folder, 'layout')
  run('umoci', 'init', '--layout', layout)
  run('umoci', 'new', '--image', `${layout}:x`)
  run('umoci', 'raw', 'add-layer', '--image', `${layout}:x`, archive)
  rmSync(archive)
  const out = join(folder, 'out')
  const clean = () => rmSync(out, { recursive: true, force: true })
  const child = JSON.stringify([`oci:${layout}:x`, out])
  race(
    `unpack ${values.files} files`,
    {
      command: [process.execPath, import.meta.filename, `--dist=${values.dist}`, `--child=${child}`],
      before: clean,
      after: clean,
    },
    { command: ['umoci', 'unpack', '--image', `${layout}:x`, out], before: clean, after: clean },
    Number(values.rounds),
  )
}
