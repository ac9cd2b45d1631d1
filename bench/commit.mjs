// Compares committing a directory of 40,000 small files with `ostree commit`, into repositories on tmpfs.
//   node bench/commit.mjs [ROUNDS]
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const FILES = 40_000
const FILES_A_DIRECTORY = 100
const MODES = ['bare-user-only', 'bare-user', 'archive']

/** Our side of the comparison runs this file again, with arguments. */
if (process.argv[2] === 'commit') {
  const [path, source] = process.argv.slice(3)
  const { commit, createDirectorySource, openRepo } = await import('../dist/node.js')
  const repo = await openRepo(path)
  const trees = [{ directory: createDirectorySource(source) }]
  await commit(repo, { trees, branch: 'main', timestamp: 0n, fsync: false })
  await repo.close()
} else {
  run(Number(process.argv[2] ?? 5))
}

/** Writes files with sizes as in a layer, mostly a few kilobytes, all different. */
function fill(source) {
  const noise = new Uint8Array(1 << 18)
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0
    noise[i] = state >>> 24
  }
  let directory = ''
  for (let i = 0; i < FILES; i++) {
    if (i % FILES_A_DIRECTORY === 0) {
      directory = `${source}/usr/share/${Math.floor(i / 2000)}/${i}`
      mkdirSync(directory, { recursive: true })
    }
    const size = Math.floor(300 + 20_000 * (noise[i % noise.length] / 256) ** 3)
    writeFileSync(`${directory}/file-${i}`, noise.subarray(i, i + size))
  }
}

function run(rounds) {
  const where = temporaryFolder(`${process.platform === 'linux' ? '/dev/shm' : tmpdir()}/ostree-ts-bench`)
  try {
    const source = `${where}/source`
    fill(source)
    for (const mode of MODES) {
      const path = `${where}/repo`
      const before = () => {
        rmSync(path, { recursive: true, force: true })
        spawnSync('ostree', ['init', `--repo=${path}`, `--mode=${mode}`])
      }
      race(
        `directory into ${mode}`,
        { before, command: [process.execPath, fileURLToPath(import.meta.url), 'commit', path, source] },
        {
          before,
          command: ['ostree', 'commit', `--repo=${path}`, '-b', 'main', '--fsync=false', `--tree=dir=${source}`],
        },
        rounds,
      )
    }
  } finally {
    rmSync(where, { recursive: true, force: true })
  }
}
