/** What is committed, pulled and unpacked while processes die: small trees, images, and repositories with them. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { createRepo, nodePlatform } from '../../dist/node.js'
import { buildImage, file, packLayer } from '../../dist/testing/index.js'
import { runWords } from './command.mjs'

/** The modes of the repositories, by the names of the stores. */
export const STORES = {
  archive: 'archive',
  'bare-user': 'bare-user',
  'bare-user-only': 'bare-user-only',
  bare: 'bare',
  sqlite: 'bare-user-only',
}

const TIME = '--timestamp=2024-01-02 03:04:05 +0000'
const IMAGES = 'ostree-unverified-image:oci:'

/** @param salt makes the contents of trees and images differ, while they share every third file */
function contents(salt) {
  const files = new Map()
  for (let i = 0; i < 48; i++) {
    const text = i % 3 === 0 ? `shared ${i}\n` : `${salt} ${i}\n`.repeat(i)
    files.set(`usr/d${i % 7}/f${i}`, Buffer.from(text))
  }
  const large = new Uint8Array(1_300_000)
  for (let i = 0; i < large.length; i++) large[i] = (i * i + salt.length * i) >> 7
  files.set('usr/lib/large', large)
  return files
}

function writeTree(path, salt) {
  for (const [name, bytes] of contents(salt)) {
    mkdirSync(dirname(join(path, name)), { recursive: true })
    writeFileSync(join(path, name), bytes)
  }
  symlinkSync('lib/large', join(path, 'usr/link'))
}

/** @param folder where it is written; the tag is `latest` */
async function writeImage(folder, salts) {
  const layers = []
  for (const salt of salts) {
    const entries = [...contents(salt)].map(([path, body]) => ({
      path: path.replace('usr/', salt === salts[0] ? 'usr/' : 'usr/more/'),
      ...file(body),
    }))
    const tar = await packLayer(entries)
    layers.push({ tar, blob: gzipSync(tar, { level: 1 }), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' })
  }
  const fields = { tag: 'latest', created: '2024-01-02T03:04:05Z' }
  for (const [name, bytes] of buildImage(nodePlatform, layers, fields)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
}

/** Serves the files of a directory. @returns the port */
async function serve(root) {
  const server = createServer((request, response) => {
    const path = join(root, decodeURIComponent(new URL(request.url, 'http://host').pathname))
    try {
      response.end(readFileSync(path))
    } catch {
      response.writeHead(404).end()
    }
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  return server.address().port
}

/** Copies a directory with everything that a repository stores in it. */
export function copy(from, to) {
  const { status, stderr } = spawnSync('cp', ['-a', '--', from, to])
  if (status !== 0) throw new Error(`cp: ${stderr}`)
}

export class Fixtures {
  /** Sources, which no operation changes. */
  sources
  port = 0
  #root
  #run
  #made = new Map()

  constructor(root) {
    this.#root = root
    this.sources = join(root, 'sources')
    this.#run = (words) => runWords(words, join(root, 'printed'))
  }

  async prepare() {
    const at = (name) => join(this.sources, name)
    for (const salt of ['old', 'new', 'third']) writeTree(at(salt), salt)
    for (const salt of ['old', 'new']) spawnSync('tar', ['-C', at(salt), '--sort=name', '-cf', at(`${salt}.tar`), '.'])
    await writeImage(at('image'), ['base', 'one', 'two'])
    await writeImage(at('image2'), ['base', 'one', 'three'])
    await writeImage(at('old-image'), ['other'])
    const source = at('source')
    await this.#create(source, 'archive')
    for (const salt of ['old', 'new']) await this.commit(source, 'main', salt)
    await this.commit(source, 'other', 'third')
    await this.#run(['summary', '--update', `--repo=${source}`])
    await this.#create(at('images'), 'bare-user')
    await this.#run(['container', 'image', 'pull', '--quiet', at('images'), this.image('image')])
    const delta = ['static-delta', 'generate', `--repo=${source}`, '--from=main^', '--to=main', '--inline']
    await this.#run([...delta, `--filename=${at('delta')}`])
    this.port = await serve(this.sources)
  }

  async #create(path, mode) {
    const repo = await createRepo(path, { mode })
    await repo.close()
  }

  async commit(repo, branch, salt) {
    const tree = `--tree=dir=${join(this.sources, salt)}`
    await this.#run(['commit', `--repo=${repo}`, `--branch=${branch}`, tree, TIME, '--subject', salt])
  }

  /** Returns the words that commit a tree, `dir=NAME` or `tar=NAME` of the sources. */
  commitWords(repo, branch, kind, name) {
    const tree = `--tree=${kind}=${join(this.sources, name)}`
    return ['commit', `--repo=${repo}`, `--branch=${branch}`, tree, TIME, '--subject', name, '--parent=none']
  }

  /** The reference of an image of the sources. */
  image(name) {
    return `${IMAGES}${join(this.sources, name)}:latest`
  }

  /**
   * Makes a directory with a repository that has the commits of `main`, and with what a kind of operation adds, once.
   * @param add called with the path of the repository, the directory, and what runs a command
   */
  async template(store, kind, add) {
    const key = `${kind}-${store}`
    if (!this.#made.has(key)) {
      const base = await this.#base(store)
      const path = join(this.#root, 'templates', key)
      copy(base, path)
      await add?.(join(path, repoName(store)), path, this.#run, this)
      this.#made.set(key, path)
    }
    return this.#made.get(key)
  }

  async #base(store) {
    const path = join(this.#root, 'templates', store)
    if (!existsSync(path)) {
      mkdirSync(path, { recursive: true })
      const repo = join(path, repoName(store))
      await this.#create(repo, STORES[store])
      for (const salt of ['old', 'new']) await this.commit(repo, 'main', salt)
      const url = `http://127.0.0.1:${this.port}/source`
      await this.#run(['remote', 'add', `--repo=${repo}`, '--no-gpg-verify', 'origin', url])
    }
    return path
  }
}

export function repoName(store) {
  return store === 'sqlite' ? 'repo.sqlite' : 'repo'
}
