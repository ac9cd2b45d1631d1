// What comparisons with ostree of repositories with many small files share.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Runs ostree. @throws Error if it fails */
export function ostree(...args) {
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

/**
 * Makes repositories in which the ref `main` has many small files.
 * @param {string} place the directory for them
 * @param {Record<string, string>} modes the mode of each repository, by its name in that directory
 * @param {number} files
 */
export function makeRepos(place, modes, files) {
  const tree = join(place, 'tree')
  makeTree(tree, files)
  for (const [name, mode] of Object.entries(modes)) {
    const repo = `--repo=${join(place, name)}`
    ostree(repo, 'init', `--mode=${mode}`)
    ostree(repo, 'commit', '-b', 'main', '--fsync=0', '--canonical-permissions', '--no-xattrs', tree)
  }
  rmSync(tree, { recursive: true })
}
