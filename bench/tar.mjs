// Compares reading an archive of 40,000 small files in memory with tar-stream: GNU headers, then PAX headers with two
// extended attributes each. Measures processor time, so that a busy machine still gives a comparison.
//   node scripts/build.mjs && node bench/tar.mjs [ROUNDS]
import { extract } from 'tar-stream'
import { encodeUtf8 } from '../dist/bytes.js'
import { END_OF_ARCHIVE, encodePaxHeader, HeaderBlock, paddingFor, TarParser } from '../dist/tar/index.js'
import { median } from './measure.mjs'

const FILES = 40_000
const SIZE = 1024
const CHUNK = 1 << 20
const rounds = Number(process.argv[2] ?? 7)

function makeArchive(pax) {
  const body = new Uint8Array(SIZE).fill(0x61)
  const xattrs = encodePaxHeader([
    ['SCHILY.xattr.security.selinux', encodeUtf8('system_u:object_r:usr_t:s0\0')],
    ['SCHILY.xattr.user.kind', encodeUtf8('library')],
  ])
  const block = new HeaderBlock(pax ? 'ustar' : 'gnu')
  block.type = 'file'
  block.mode = 0o644
  block.uid = 0
  block.gid = 0
  block.size = SIZE
  block.mtime = 1_700_000_000
  block.userName = block.groupName = encodeUtf8('root')
  const parts = []
  for (let i = 0; i < FILES; i++) {
    if (pax) parts.push(xattrs)
    block.name = encodeUtf8(`usr/lib/python3/dist-packages/package${Math.floor(i / 100)}/file${i}.py`)
    parts.push(block.seal(), body, paddingFor(SIZE))
  }
  return Buffer.concat([...parts, END_OF_ARCHIVE])
}

function* chunks(bytes) {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK)
}

function ours(bytes) {
  let entries = 0
  let length = 0
  const parser = new TarParser({
    entry: () => entries++,
    data: (piece) => {
      length += piece.length
    },
    end: () => {},
  })
  for (const chunk of chunks(bytes)) parser.push(chunk)
  parser.finish()
  return { entries, length }
}

async function tarStream(bytes) {
  let entries = 0
  let length = 0
  const reader = extract()
  reader.on('entry', (_, stream, next) => {
    entries++
    stream.on('data', (piece) => {
      length += piece.length
    })
    stream.on('end', next)
  })
  const finished = new Promise((resolve, reject) => reader.on('finish', resolve).on('error', reject))
  for (const chunk of chunks(bytes))
    if (!reader.write(chunk)) await new Promise((resolve) => reader.once('drain', resolve))
  reader.end()
  await finished
  return { entries, length }
}

for (const [title, bytes] of [
  ['GNU', makeArchive(false)],
  ['PAX, two xattrs', makeArchive(true)],
]) {
  const times = { ours: [], tarStream: [] }
  for (let round = -1; round < rounds; round++) {
    for (const [name, read] of Object.entries({ ours, tarStream })) {
      const start = process.cpuUsage()
      const { entries, length } = await read(bytes)
      const { user, system } = process.cpuUsage(start)
      if (entries !== FILES || length !== FILES * SIZE)
        throw new Error(`${name} read ${entries} entries, ${length} bytes`)
      if (round >= 0) times[name].push((user + system) / 1000)
    }
  }
  const [mine, theirs] = [median(times.ours), median(times.tarStream)]
  console.log(
    `${title.padEnd(16)} ${FILES} files, ${(bytes.length / 1e6).toFixed(0)} MB: ours ${mine.toFixed(0)} ms, ` +
      `tar-stream ${theirs.toFixed(0)} ms, ratio ${(mine / theirs).toFixed(2)}`,
  )
}
