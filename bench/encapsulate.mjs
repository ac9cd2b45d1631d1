// Compares exporting a commit of an archive repository as a plain tar, and encapsulating it in an image (its layers as
// tar, as one gzip layer, as chunks), with `ostree export` and `ostree export | gzip`, the alternative without
// ostree-ext; and the layers with the bytes of zlib with those of the runtime's encoder. On tmpfs, one process each.
//   node bench/encapsulate.mjs [DIRECTORY [ROUNDS]]
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../scripts/temporary.mjs'
import { race } from './measure.mjs'

const [directory = '/usr/share/doc', rounds = 3] = process.argv.slice(2)
const folder = temporaryFolder('/dev/shm/encapsulate')
const program = fileURLToPath(new URL('../bin/ostree-ts', import.meta.url))
const library = fileURLToPath(new URL('../dist', import.meta.url))

const START = `
const { openRepo, encapsulate, nodeFiles } = await import('${library}/node.js')
const { exportCommit, newChunking, computeSizes } = await import('${library}/container/index.js')
const repo = await openRepo('${folder}/repo')
const options = { host: { architecture: 'amd64', os: 'linux' }, files: nodeFiles }
`
const TAR = `${START}
for await (const chunk of exportCommit(repo, 'main'));`
const single = (exactCompression) => `${START}
await encapsulate(repo, 'main', {}, { ...options, exactCompression: ${exactCompression} }, 'oci:${folder}/image:x')`
const chunked = (exactCompression) => `${START}
const map = new Map(), set = new Map()
for (const [checksum, { paths }] of (await newChunking(repo, 'main')).remainder.content) {
  const name = paths[0].split('/')[1]
  map.set(checksum, name)
  set.set(name, { identifier: name, name, srcid: name, changeTimeOffset: 1, changeFrequency: 1 })
}
const packageContentmeta = await computeSizes(repo, { map, set })
await encapsulate(repo, 'main', {}, { ...options, packageContentmeta, exactCompression: ${exactCompression} }, 'oci:${folder}/image:x')`

const ours = (program) => ({
  before: () => rmSync(`${folder}/image`, { recursive: true, force: true }),
  command: [process.execPath, '--input-type=module', '-e', program],
})
const reference = (pipe) => ({ command: ['sh', '-c', `ostree export --repo=${folder}/repo main ${pipe}`] })

try {
  for (const args of [
    ['init', '--mode=archive'],
    ['commit', '-b', 'main', `--tree=dir=${directory}`],
  ]) {
    const { status, stderr } = spawnSync('ostree', [...args, `--repo=${folder}/repo`])
    if (status !== 0) throw new Error(`ostree ${args[0]}: ${stderr}`)
  }
  race('plain tar', { command: [program, 'export', `--repo=${folder}/repo`, 'main'] }, reference(''), Number(rounds))
  race('tar', ours(TAR), reference('> /dev/null'), Number(rounds))
  race('one layer', ours(single(true)), reference(`| gzip -6 > ${folder}/layer`), Number(rounds))
  race('chunks, against one layer', ours(chunked(true)), reference(`| gzip -6 > ${folder}/layer`), Number(rounds))
  race('one layer, exact against fast', ours(single(true)), ours(single(false)), Number(rounds))
  race('chunks, exact against fast', ours(chunked(true)), ours(chunked(false)), Number(rounds))
} finally {
  rmSync(folder, { recursive: true, force: true })
}
