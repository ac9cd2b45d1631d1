// Writes an OCI layout with one gzip layer of many small files, and the same layer as an uncompressed tar. Sizes are
// log-normal (median 3 KiB, mean about 5.8 KiB), contents half text and half noise, all from a fixed seed.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { createGzip } from 'node:zlib'
import tar from 'tar-stream'

function random(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

function logNormal(next, median, sigma) {
  const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next())
  return Math.round(median * Math.exp(sigma * normal))
}

/** @returns {Promise<{layout: string, tar: string, files: number, bytes: number}>} */
export async function makeImage(
  directory,
  { files = 40_000, median = 3072, sigma = 1.13, seed = 1, folder = 'usr' } = {},
) {
  const layout = `${directory}/image`
  const plain = `${directory}/layer.tar`
  const summary = `${directory}/image.json`
  if (existsSync(summary)) return JSON.parse((await import('node:fs')).readFileSync(summary, 'utf8'))
  mkdirSync(`${layout}/blobs/sha256`, { recursive: true })

  const next = random(seed)
  const noise = Buffer.alloc(1 << 20, 0)
  for (let i = 0; i < noise.length; i++) noise[i] = next() * 256
  const words = Array.from({ length: 512 }, () => Math.floor(next() * 1e9).toString(36))
  const text = Buffer.from(Array.from({ length: 200_000 }, () => words[Math.floor(next() * words.length)]).join(' '))

  const archive = tar.pack()
  const diff = createHash('sha256')
  const blob = createHash('sha256')
  const gzip = createGzip({ level: 6, chunkSize: 1 << 20 })
  const tarFile = createWriteStream(plain)
  const gzFile = createWriteStream(`${directory}/layer.tar.gz`)
  let size = 0
  gzip.on('data', (chunk) => {
    blob.update(chunk)
    size += chunk.length
    gzFile.write(chunk)
  })
  archive.on('data', (chunk) => {
    diff.update(chunk)
    tarFile.write(chunk)
    if (!gzip.write(chunk)) {
      archive.pause()
      gzip.once('drain', () => archive.resume())
    }
  })
  archive.on('end', () => {
    gzip.end()
    tarFile.end()
  })

  const put = (header, data) =>
    new Promise((resolve, reject) => {
      archive.entry({ uid: 0, gid: 0, mtime: new Date(0), ...header }, data, (error) =>
        error ? reject(error) : resolve(),
      )
    })
  let bytes = 0
  await put({ name: `${folder}/`, type: 'directory', mode: 0o755 })
  for (let i = 0; i < files; i++) {
    if (i % 200 === 0) await put({ name: `${folder}/d${i / 200}/`, type: 'directory', mode: 0o755 })
    const length = Math.min(logNormal(next, median, sigma), noise.length / 2)
    const half = length >> 1
    const at = Math.floor(next() * (noise.length - half))
    const from = Math.floor(next() * (text.length - length))
    const data = Buffer.concat([text.subarray(from, from + length - half), noise.subarray(at, at + half)])
    bytes += length
    await put({ name: `${folder}/d${Math.floor(i / 200)}/file-${i}.dat`, mode: i % 10 === 0 ? 0o755 : 0o644 }, data)
  }
  archive.finalize()
  await once(gzip, 'end')
  gzFile.end()
  await Promise.all([once(gzFile, 'finish'), tarFile.writableFinished ? undefined : once(tarFile, 'finish')])

  const store = (mediaType, value) => {
    const body = Buffer.from(JSON.stringify(value))
    const digest = createHash('sha256').update(body).digest('hex')
    writeFileSync(`${layout}/blobs/sha256/${digest}`, body)
    return { mediaType, digest: `sha256:${digest}`, size: body.length }
  }
  const digest = blob.digest('hex')
  renameSync(`${directory}/layer.tar.gz`, `${layout}/blobs/sha256/${digest}`)
  const config = store('application/vnd.oci.image.config.v1+json', {
    created: '2026-01-01T00:00:00Z',
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: [`sha256:${diff.digest('hex')}`] },
    history: [{ created: '2026-01-01T00:00:00Z', created_by: 'benchmark' }],
  })
  const manifest = store('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    config,
    layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: `sha256:${digest}`, size }],
  })
  writeFileSync(`${layout}/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [manifest] }))
  writeFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}')
  const result = { layout, tar: plain, files, bytes }
  writeFileSync(summary, JSON.stringify(result))
  return result
}
