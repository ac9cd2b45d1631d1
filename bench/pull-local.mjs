// Compares copying a commit of many small files between repositories with `ostree pull-local`. Times are those of whole
// processes, Node's start included.
//
//   node bench/pull-local.mjs [--files=50000] [--folder=/dev/shm] [--rounds=5] [--command=bin/ostree-ts]
//
// Runs the built command (npm run build). Content is hard-linked when both repositories store it in the same form, and
// otherwise read and written.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '50000' },
    folder: { type: 'string', default: '/dev/shm' },
    rounds: { type: 'string', default: '5' },
    command: { type: 'string', default: 'bin/ostree-ts' },
  },
})

function ostree(...args) {
  const { status, stderr } = spawnSync('ostree', args)
  if (status !== 0) throw new Error(`ostree ${args.join(' ')}: ${stderr}`)
}

/** Writes files of a few dozen bytes, all different. */
function makeTree(root, files) {
  for (let n = 0; n < files; n++) {
    const directory = join(root, `d${n % 200}`, `e${n % 7}`)
    if (n < 1400) mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `f${n}`), `content ${n}\n`.repeat(1 + (n % 5)))
  }
}

const place = temporaryFolder(join(values.folder, 'ostree-bench'))
try {
  makeTree(join(place, 'tree'), Number(values.files))
  for (const mode of ['archive', 'bare-user']) {
    ostree(`--repo=${place}/${mode}`, 'init', `--mode=${mode}`)
    const flags = ['--fsync=0', '--canonical-permissions', '--no-xattrs']
    ostree(`--repo=${place}/${mode}`, 'commit', '-b', 'main', ...flags, join(place, 'tree'))
  }
  rmSync(join(place, 'tree'), { recursive: true })
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
