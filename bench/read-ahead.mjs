// Measures the gain of fetching the next layers while one is imported, from a slow source: every blob begins LATENCY ms
// after it is requested and arrives at RATE MB/s. One process, into memory, so that only the waiting differs.
//   node bench/read-ahead.mjs [ROUNDS [LATENCY [RATE]]]
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import tar from 'tar-stream'
import { createMemoryStorage, hostPlatform, nodePlatform, openMemoryLayout, pullImage, Repo } from '../dist/node.js'
import { buildImage } from '../dist/testing/index.js'
import { median } from './measure.mjs'

const [rounds = 5, latency = 50, rate = 40] = process.argv.slice(2).map(Number)
const LAYERS = 12
const FILES = 800

async function bytesOf(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function makeLayer(index) {
  const pack = tar.pack()
  const all = bytesOf(pack)
  for (let i = 0; i < FILES; i++) {
    const body = Buffer.alloc(3000, `${index} ${i} `)
    for (let at = 0; at < body.length; at += 2) body[at] = (at * 31 + i * 17 + index) & 255
    const entry = pack.entry({ name: `usr/layer${index}/file${i}`, size: body.length, mtime: new Date(0) })
    entry.end(body)
    await once(entry, 'finish')
  }
  pack.finalize()
  const plain = await all
  const gzip = createGzip()
  gzip.end(plain)
  return { tar: plain, blob: await bytesOf(gzip), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' }
}

const layers = await Promise.all(Array.from({ length: LAYERS }, (_, i) => makeLayer(i)))
const files = buildImage(nodePlatform, layers)
const size = layers.reduce((sum, { blob }) => sum + blob.length, 0)

async function open(_, context) {
  const source = await openMemoryLayout(files, undefined, context)
  const { blob } = source
  return Object.assign(source, {
    async *blob(layer) {
      await sleep(latency)
      for await (const chunk of blob.call(source, layer)) {
        for (let at = 0; at < chunk.length; at += 1 << 16) {
          const part = chunk.subarray(at, at + (1 << 16))
          await sleep(part.length / (rate * 1000))
          yield part
        }
      }
    },
  })
}

async function pull(ahead) {
  const repo = await Repo.open(createMemoryStorage({ mode: 'bare-user', platform: nodePlatform }), nodePlatform)
  const start = process.hrtime.bigint()
  await pullImage(repo, 'ostree-unverified-image:oci:nowhere', {
    host: hostPlatform(),
    open,
    readAhead: { layers: ahead },
  })
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  await repo.close()
  return seconds
}

const counts = [0, 1, 3, 5]
const runs = new Map(counts.map((count) => [count, []]))
for (let round = -1; round < rounds; round++) {
  for (const count of counts) {
    const seconds = await pull(count)
    if (round >= 0) runs.get(count).push(seconds)
  }
}
const alone = runs.get(0)
console.log(`${LAYERS} layers, ${(size / 1e6).toFixed(1)} MB, ${latency} ms before each, ${rate} MB/s a blob`)
for (const [count, seconds] of runs) {
  const ratio = median(seconds.map((value, i) => value / alone[i]))
  console.log(`${count} ahead  ${median(seconds).toFixed(2)} s  ratio ${ratio.toFixed(2)}`)
}
