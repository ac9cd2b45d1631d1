// Compares copying a commit of many small files between repositories with `ostree pull-local`. Times are those of whole
// processes, Node's start included.
//
//   node bench/pull-local.mjs [--files=50000] [--folder=/dev/shm] [--rounds=5] [--command=bin/ostree-ts]
//
// Runs the built command (npm run build). Content is hard-linked when both repositories store it in the same form, and
// otherwise read and written.
import { rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'
import { makeRepos, ostree } from './small-files.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '50000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '5' },
    command: { type: 'string', default: 'bin/ostree-ts' },
  },
})

const place = temporaryFolder(join(values.folder, 'ostree-bench'))
try {
  makeRepos(place, { archive: 'archive', 'bare-user': 'bare-user' }, Number(values.files))
  const into = join(place, 'into')
  const pull = (from, mode, ...options) => {
    const args = [`--repo=${into}`, 'pull-local', ...options, join(place, from)]
    const before = () => {
      rmSync(into, { recursive: true, force: true })
      ostree(`--repo=${into}`, 'init', `--mode=${mode}`)
    }
    race(
      `${from} into ${mode} ${options.join(' ')}`,
      { command: [process.execPath, resolve(values.command), ...args], before },
      { command: ['ostree', ...args], before },
      Number(values.rounds),
    )
  }
  pull('archive', 'archive')
  pull('bare-user', 'bare-user')
  pull('archive', 'archive', '--untrusted')
  pull('archive', 'bare-user')
  pull('bare-user', 'archive')
} finally {
  rmSync(place, { recursive: true })
}
