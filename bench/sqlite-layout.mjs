// Measures journal modes and page sizes of SQLite without our code: the reasons for the layout of the single-file
// store.
//
//   node bench/sqlite-layout.mjs [--count=20000] [--size=4096] [--folder=/dev/shm]
//
// One transaction of small rows with a unique index on random checksums, hashing included, in objects per second.
import { createHash, hash, randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { temporaryFolder } from '../scripts/temporary.mjs'

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '20000' },
    size: { type: 'string', default: '4096' },
    folder: { type: 'string', default: tmpdir() },
    rounds: { type: 'string', default: '3' },
  },
})
const count = Number(values.count)
const body = randomBytes(Number(values.size))
const header = randomBytes(36)
const sha256 = hash ?? ((name, bytes, encoding) => createHash(name).update(bytes).digest(encoding))

function race(journal, page) {
  const folder = temporaryFolder(join(values.folder, 'ostree-ts-bench'))
  const database = new Database(join(folder, 'bench.sqlite'))
  database.pragma(`page_size = ${page}`)
  database.pragma(`journal_mode = ${journal}`)
  database.pragma('synchronous = FULL')
  database.pragma('cache_size = -16384')
  database.exec('CREATE TABLE objects (n INTEGER PRIMARY KEY, checksum BLOB, type INTEGER, header BLOB, body BLOB)')
  database.exec('CREATE UNIQUE INDEX objects_by_name ON objects (checksum, type)')
  const insert = database.prepare('INSERT INTO objects VALUES (?, ?, 1, ?, ?)')
  const start = performance.now()
  database.exec('BEGIN IMMEDIATE')
  for (let n = 1; n <= count; n++) {
    body.writeUInt32LE(n)
    insert.run(n, sha256('sha256', body, 'buffer'), header, body)
  }
  database.exec('COMMIT')
  // Closing writes a write-ahead log into the file.
  database.close()
  const rate = count / (performance.now() - start)
  rmSync(folder, { recursive: true })
  return rate
}

console.log(`${count} rows of ${values.size} bytes in ${values.folder}; thousands per second, best of ${values.rounds}`)
const best = new Map()
for (let round = 0; round < Number(values.rounds); round++) {
  for (const journal of ['DELETE', 'WAL']) {
    for (const page of [4096, 8192, 16384, 32768]) {
      const name = `${journal.padEnd(6)} ${page}`
      best.set(name, Math.max(best.get(name) ?? 0, race(journal, page)))
    }
  }
}
for (const [name, rate] of best) console.log(`${name.padEnd(14)} ${rate.toFixed(0).padStart(5)}k`)
