/**
 * The operations that are killed. `words(at)` are those of the command, or of child.mjs where they begin with `child`;
 * `at` has the paths `repo` and `folder`, the fixtures, and `source(NAME)`. `add` puts more into the template, and `again`
 * clears the place before the operation is repeated, where it refuses what exists. An operation whose repetition fails with
 * the message `instead` had done its work, or is completed by the command `rest`.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { copy } from './fixtures.mjs'

const FILES = ['archive', 'bare-user', 'bare-user-only', 'bare']
const out = ({ folder }) => join(folder, 'out')
const clear = (at) => rmSync(out(at), { recursive: true, force: true })

const pullImage = (at) => (name) => ['container', 'image', 'pull', '--quiet', at.repo, at.fixtures.image(name)]

/** Adds the images `image` and `image2`, which share layers. */
async function withImages(repo, _, run, fixtures) {
  for (const name of ['image', 'image2']) await run(pullImage({ repo, fixtures })(name))
}

export const KINDS = {
  'commit-dir': { words: ({ repo, fixtures }) => fixtures.commitWords(repo, 'main', 'dir', 'third') },
  'commit-tar': { words: ({ repo, fixtures }) => fixtures.commitWords(repo, 'tar', 'tar', 'new.tar') },
  'commit-table': {
    words: ({ repo, fixtures }) => [
      ...fixtures.commitWords(repo, 'again', 'dir', 'third'),
      '--generate-sizes',
      '--canonical-permissions',
      '--add-detached-metadata-string=a=b',
    ],
  },
  pull: { words: ({ repo }) => ['pull', `--repo=${repo}`, 'origin', 'main', 'other'] },
  'pull-mirror': { words: ({ repo }) => ['pull', `--repo=${repo}`, '--mirror', '--depth=-1', 'origin'] },
  'pull-local': { words: ({ repo, source }) => ['pull-local', `--repo=${repo}`, '--depth=-1', source('source')] },
  prune: {
    add: (repo, _, run) => run(['reset', `--repo=${repo}`, 'main', 'main^']),
    words: ({ repo }) => ['prune', `--repo=${repo}`, '--refs-only'],
  },
  'prune-depth': { words: ({ repo }) => ['prune', `--repo=${repo}`, '--refs-only', '--depth=0'] },
  'delete-commit': {
    add: (repo, _, run) => run(['reset', `--repo=${repo}`, 'main', 'main^']),
    words: ({ repo }) => ['prune', `--repo=${repo}`, '--depth=0', '--keep-younger-than=2030-01-01'],
  },
  'image-pull': { words: (at) => pullImage(at)('image') },
  'image-pull-lanes': { words: ({ repo, fixtures }) => ['child', 'pull-lanes', repo, fixtures.image('image')] },
  'image-copy': {
    words: ({ repo, source }) => {
      const ends = [`--src-repo=${source('images')}`, `--dest-repo=${repo}`]
      return ['container', 'image', 'copy', ...ends, `oci:${source('image')}:latest`]
    },
  },
  'image-remove': {
    add: withImages,
    words: ({ repo, source }) => ['container', 'image', 'remove', `--repo=${repo}`, `oci:${source('image')}:latest`],
    // As in ostree-ext, an image that is no longer named is an error, and its layers are left to the next collection.
    instead: /Missing images/,
    rest: ({ repo }) => ['container', 'image', 'prune-layers', `--repo=${repo}`],
  },
  'image-gc': {
    add: async (repo, folder, run, fixtures) => {
      await withImages(repo, folder, run, fixtures)
      await run([
        'container',
        'image',
        'remove',
        '--skip-gc',
        `--repo=${repo}`,
        `oci:${join(fixtures.sources, 'image')}:latest`,
      ])
    },
    words: ({ repo }) => ['container', 'image', 'prune-layers', `--repo=${repo}`],
  },
  'checkout-links': {
    stores: FILES,
    words: (at) => ['checkout', `--repo=${at.repo}`, ...(at.store === 'bare' ? [] : ['-U']), 'main', out(at)],
    again: clear,
  },
  'checkout-copy': {
    words: (at) => ['checkout', `--repo=${at.repo}`, '-U', '-C', 'main', out(at)],
    again: clear,
  },
  'checkout-union': {
    add: (repo, folder, run) => run(['checkout', `--repo=${repo}`, '-U', '-C', 'main^', join(folder, 'out')]),
    words: (at) => ['checkout', `--repo=${at.repo}`, '-U', '--union', 'main', out(at)],
  },
  encapsulate: {
    words: (at) => ['container', 'encapsulate', `--repo=${at.repo}`, 'main', `oci:${out(at)}`],
  },
  'delta-generate': {
    words: ({ repo }) => ['static-delta', 'generate', `--repo=${repo}`, '--from=main^', '--to=main'],
  },
  'delta-apply': {
    add: (repo, _, run) =>
      run(['reset', `--repo=${repo}`, 'main', 'main^']).then(() => run(['prune', `--repo=${repo}`, '--refs-only'])),
    words: ({ repo, source }) => ['static-delta', 'apply-offline', `--repo=${repo}`, source('delta')],
  },
  summary: { words: ({ repo }) => ['summary', '--update', `--repo=${repo}`] },
  'refs-create': {
    words: ({ repo }) => ['refs', `--repo=${repo}`, '--create=a/new/ref', 'main'],
    instead: /already exists/,
  },
  'refs-delete': {
    add: async (repo, _, run) => {
      for (let i = 0; i < 20; i++) await run(['refs', `--repo=${repo}`, `--create=many/r${i % 4}/n${i}`, 'main'])
    },
    words: ({ repo }) => ['refs', `--repo=${repo}`, '--delete', 'many'],
  },
  reset: { words: ({ repo }) => ['reset', `--repo=${repo}`, 'main', 'main^'], instead: /has no parent/ },
  export: { words: (at) => ['export', `--repo=${at.repo}`, `--output=${out(at)}`, 'main'] },
  unpack: {
    stores: ['archive'],
    add: (_, folder) => copy(join(folder, '../../sources/old'), join(folder, 'out')),
    words: (at) => ['child', 'unpack', `oci:${at.source('image')}:latest`, out(at)],
    whole: true,
  },
  'unpack-store': {
    add: (_, folder) => copy(join(folder, '../../sources/old'), join(folder, 'out')),
    words: (at) => ['child', 'unpack', `oci:${at.source('image')}:latest`, out(at), at.repo],
    whole: true,
  },
}
