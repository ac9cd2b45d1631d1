// Measures how time and memory grow with the number of files: an image with one layer is imported into a new repository,
// checked, listed, and half of the repository is pruned, for a quarter, a half and all of the files. In a directory,
// ostree does the same beside it, from the plain tar. Times are those of whole processes.
//
//   node bench/scale.mjs [--files=500000] [--folder=/dev/shm] [--stores=sqlite,bare-user-only] [--refs=10000]
//     [--command=bin/ostree-ts]
//
// Runs the built command (npm run build). With 500,000 files the repository has a million objects before it is pruned, as
// half of them belong to a second image. It needs 8 GB in the folder.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { makeImage } from './make-image.mjs'
import { once } from './measure.mjs'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '500000' },
    folder: { type: 'string', default: '/dev/shm' },
    stores: { type: 'string', default: 'sqlite,bare-user-only' },
    refs: { type: 'string', default: '10000' },
    command: { type: 'string', default: 'bin/ostree-ts' },
  },
})
const ours = [process.execPath, resolve(values.command)]
const place = temporaryFolder(join(values.folder, 'ostree-scale'))

/** Runs a step and prints its elapsed and processor time for a thousand files, and its peak memory. */
function step(title, files, command) {
  const { seconds, cpu, peak } = once(command)
  const per = (value) => `${((value * 1e6) / files).toFixed(0)} ms`
  console.log(
    `  ${title.padEnd(34)} ${seconds.toFixed(2).padStart(7)} s   per 1000 files ${per(seconds).padStart(7)}` +
      `   cpu ${per(cpu).padStart(7)}   peak ${peak.toFixed(0).padStart(4)} MiB`,
  )
}

/** Writes refs into a repository in a directory. */
function addRefs(repo, commit, count) {
  for (let i = 0; i < count; i++) writeFileSync(join(repo, 'refs/heads', `ref-${i}`), `${commit}\n`)
}

try {
  const all = Number(values.files)
  for (const files of [all / 4, all / 2, all]) {
    const images = []
    for (const [i, folder] of ['one', 'two'].entries()) {
      const directory = temporaryFolder(join(place, 'image'))
      images.push(await makeImage(directory, { files, median: 200, sigma: 0.8, seed: i + 1, folder }))
    }
    for (const store of values.stores.split(',')) {
      const isFile = store === 'sqlite'
      const digest = join(place, 'digest')
      const repo = join(place, isFile ? 'repo.sqlite' : 'repo')
      console.log(`${files} files, ${store}`)
      once([...ours, 'init', `--repo=${repo}`, `--mode=${isFile ? 'bare-user-only' : store}`])
      for (const [i, { layout }] of images.entries()) {
        const pull = ['container', 'image', 'pull', '--quiet', `--ostree-digestfile=${digest}`, repo]
        step(`import of image ${i + 1}`, files, [...ours, ...pull, `ostree-unverified-image:oci:${layout}`])
      }
      const [name] = once([...ours, 'container', 'image', 'list', `--repo=${repo}`])
        .stdout.toString()
        .split('\n')
      step('fsck', 2 * files, [...ours, 'fsck', '-q', `--repo=${repo}`])
      if (!isFile) {
        addRefs(repo, readFileSync(digest, 'utf8').trim(), Number(values.refs))
      }
      step('list of refs', files, [...ours, 'refs', `--repo=${repo}`])
      once([...ours, 'container', 'image', 'remove', `--repo=${repo}`, name])
      step('prune of half', 2 * files, [...ours, 'prune', '--refs-only', `--repo=${repo}`])
      rmSync(repo, { recursive: true })
      if (isFile) continue
      console.log(`${files} files, ${store}, ostree`)
      once(['ostree', 'init', `--repo=${repo}`, `--mode=${store}`])
      for (const [i, { tar }] of images.entries()) {
        const commit = ['commit', `--repo=${repo}`, '-b', `image-${i}`, `--tree=tar=${tar}`, '--fsync=0']
        step(`commit of tar ${i + 1}`, files, ['ostree', ...commit, '--tar-autocreate-parents'])
      }
      step('fsck', 2 * files, ['ostree', 'fsck', '-q', `--repo=${repo}`])
      const last = once(['ostree', 'rev-parse', `--repo=${repo}`, 'image-1'])
        .stdout.toString()
        .trim()
      addRefs(repo, last, Number(values.refs))
      step('list of refs', files, ['ostree', 'refs', `--repo=${repo}`])
      once(['ostree', 'refs', `--repo=${repo}`, '--delete', 'image-0'])
      step('prune of half', 2 * files, ['ostree', 'prune', '--refs-only', `--repo=${repo}`])
      rmSync(repo, { recursive: true })
    }
    for (const { layout } of images) rmSync(join(layout, '..'), { recursive: true })
  }
} finally {
  rmSync(place, { recursive: true, force: true })
}
